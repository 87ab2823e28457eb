import type { AttemptDetails } from '../../src/monitor/schema.ts'
import { answer, drip, flood, gzipBomb, hang, http, inTurn, reset, say, sayAndClose } from './answers.ts'
import type { Answer } from './misbehaving-receiver.ts'
import { delivered, type Finding, failed, type Row, refused } from './row.ts'

// Receivers that break the rules of HTTP, or the patience of others.

type Case = readonly [behaviour: string, said: Answer, expected: Finding, more?: Partial<Row>]

function rowsOf(group: string, ...cases: readonly Case[]): readonly Row[] {
  return cases.map(([behaviour, said, expected, more = {}]) => {
    return { group, behaviour, target: { kind: 'tcp', answer: said }, expected, ...more }
  })
}

/** They take as long as an attempt may. */
function rowsThatNeverEnd(group: string, ...cases: readonly Case[]): readonly Row[] {
  return rowsOf(group, ...cases).map(row => ({ ...row, endsAtDeadline: true }))
}

const statusStands = { why: 'it was accepted at the status line; the body does not matter' } as const

const slow = rowsThatNeverEnd(
  'Slow',
  ['hangs before the answer', hang, failed('timeout')],
  ['hangs within the headers', say('HTTP/1.1 200 OK\r\ncontent-le'), failed('timeout')],
  ['hangs after the headers of a 200', say(http(200, ['content-length: 10'])), delivered(200), statusStands],
  ['hangs after the headers of a 500', say(http(500, ['content-length: 10'])), refused(500)],
  ['drips headers without end', drip('HTTP/1.1 200 OK\r\nx: ', 'y'), failed('timeout')],
  ['says 102 without end', drip('', http(102)), failed('timeout')],
  [
    'drips the body of a 200 without end',
    drip(http(200, ['transfer-encoding: chunked']), '1\r\n.\r\n'),
    delivered(200),
    statusStands,
  ],
  [
    'drips the body of a 500 without end',
    drip(http(500, ['transfer-encoding: chunked']), '1\r\n.\r\n'),
    refused(500),
  ],
)

const cut = rowsOf(
  'Cut off',
  ['reset before the answer', reset(), failed('connect')],
  ['closed before the answer', sayAndClose(''), failed('connect')],
  ['closed within the headers', sayAndClose('HTTP/1.1 200 OK\r\ncontent-le'), failed('connect')],
  [
    'reset within the body of a 200',
    reset(http(200, ['content-length: 1000'], 'begun')),
    delivered(200),
    statusStands,
  ],
  ['reset within the body of a 500', reset(http(500, ['content-length: 1000'], 'begun')), refused(500)],
  [
    'closed before the end of the Content-Length',
    sayAndClose(http(200, ['content-length: 10'], 'short')),
    delivered(200),
    statusStands,
  ],
)

/** What came was neither unpacked nor read to its end. */
function isCutAndPacked({ response }: AttemptDetails): string | undefined {
  if (response === null) return 'the answer was not kept'
  const { body_bytes, body_truncated, body, body_encoding } = response
  if (body_bytes > 1_000_000 || !body_truncated) return `${body_bytes} bytes were read`
  const bytes = Buffer.from(body, body_encoding === 'base64' ? 'base64' : 'utf8')
  return bytes.subarray(0, 2).toString('hex') === '1f8b' ? undefined : 'the body was unpacked'
}

function isCut({ response }: AttemptDetails): string | undefined {
  return response?.body_truncated ? undefined : 'the body was read to its end'
}

const large = rowsOf(
  'Too large',
  ['a 200 whose body never ends', flood(http(200)), delivered(200), { ...statusStands, check: isCut }],
  ['a 500 whose body never ends', flood(http(500)), refused(500), { check: isCut }],
  [
    'headers of 20 KiB',
    answer(
      200,
      Array.from({ length: 20 }, (_, n) => `x-${n}: ${'y'.repeat(1018)}`),
    ),
    failed('invalid'),
  ],
  ['one header of 1 MiB', answer(200, [`x: ${'y'.repeat(1_048_576)}`]), failed('invalid')],
  [
    'a 500 with 100 MB of zeros, gzipped',
    gzipBomb(),
    refused(500),
    { check: isCutAndPacked, why: 'kept compressed, as it came' },
  ],
)

const garbage = rowsOf(
  'Not HTTP',
  ['greets like a mail server', sayAndClose('220 mail.example.com ESMTP\r\n\r\n'), failed('invalid')],
  ['random bytes', sayAndClose('\u0016\u0003\u0001\u0000\u00ff\u0000\u0001\r\n\r\n'), failed('invalid')],
  ['a status that is no number', sayAndClose('HTTP/1.1 two OK\r\n\r\n'), failed('invalid')],
  ['HTTP/2 without having been asked', sayAndClose('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), failed('invalid')],
  [
    'two Content-Lengths that differ',
    say(http(200, ['content-length: 2', 'content-length: 20'], 'ok')),
    failed('invalid'),
  ],
  ['a status below 100', say(http(99, ['content-length: 0'])), failed('invalid')],
  [
    'HTTP/2 in the words of HTTP/1',
    say(http(200, ['content-length: 0']).replace('1.1', '2')),
    failed('invalid'),
  ],
  ['a Content-Length that is no number', say(http(200, ['content-length: two'], 'ok')), failed('invalid')],
  [
    'more body than its Content-Length',
    say(http(200, ['content-length: 2'], 'ok and more')),
    delivered(200),
    statusStands,
  ],
  [
    'chunks that are none',
    say(http(200, ['transfer-encoding: chunked'], 'zz\r\n')),
    delivered(200),
    statusStands,
  ],
  [
    'two answers to one request',
    say(http(200, ['content-length: 0']) + http(500, ['content-length: 0'])),
    delivered(200),
    { why: 'the first counts' },
  ],
  [
    '101, to a protocol nobody asked for',
    say(http(101, ['connection: upgrade', 'upgrade: websocket'])),
    failed('invalid'),
  ],
  [
    '100 before the 200, without having been asked',
    inTurn(http(100), http(200, ['content-length: 0'])),
    delivered(200),
    { why: 'a client has to skip it (RFC 9110, 15.2)' },
  ],
)

/** What it kept of the body, which is "ok". */
function isOk({ response }: AttemptDetails): string | undefined {
  return response?.body === 'ok' ? undefined : `the body is ${JSON.stringify(response?.body)}`
}

const chunks = '2\r\nok\r\n0\r\n\r\n'
const odd = (behaviour: string, text: string, expected = delivered(200)): Case => [
  behaviour,
  say(text),
  expected,
  { check: isOk, why: 'a client may take it (RFC 9112), and to send it again would be a repeat' },
]
/** A 200 with these lines in its head. */
const withLines = (...lines: readonly string[]) => http(200, lines, 'ok')

const oddities = rowsOf(
  'Odd, but HTTP',
  odd('the same Content-Length twice', withLines('content-length: 2', 'Content-Length: 2')),
  odd('the same Content-Length twice in one header', withLines('content-length: 2, 2')),
  odd('a tab behind the Content-Length', withLines('content-length: 2\t')),
  odd('Content-Length before chunks', http(200, ['content-length: 2', 'transfer-encoding: chunked'], chunks)),
  odd('Content-Length behind chunks', http(200, ['transfer-encoding: chunked', 'content-length: 2'], chunks)),
  odd('a header that goes on in the next line', withLines('x: one', ' two', 'content-length: 2')),
  odd('white space before the first header', withLines(' x: one', 'content-length: 2')),
  odd('white space before the colon', withLines('content-length : 2')),
  odd('lines that end with LF', withLines('content-length: 2').replaceAll('\r', '')),
  odd('one line that ends with LF', withLines('content-length: 2').replace('\r', '')),
  odd('lines that end with CR CR LF', withLines('content-length: 2').replaceAll('\r', '\r\r')),
  odd('empty lines before the status line', `\r\n\n${withLines('content-length: 2')}`),
  odd('a line that is no header', withLines('PHP Warning', 'content-length: 2')),
  odd('the status line twice', withLines('HTTP/1.1 200 OK', 'content-length: 2')),
  odd('a header name with a space, and an empty one', withLines('x y: 1', ': 2', 'content-length: 2')),
  odd('control characters in a header', withLines('x: a\u0000b\u001b', 'content-length: 2')),
  odd('Latin-1 in a header', withLines('x: gr\u00fc\u00dfe', 'content-length: 2')),
  odd('no reason', withLines('content-length: 2').replace(' Said', '')),
  odd('two spaces in the status line', withLines('content-length: 2').replace(' 200', '  200')),
  odd('HTTP/1.2', withLines('content-length: 2').replace('1.1', '1.2')),
  odd('HTTP/1.0 with chunks', http(200, ['transfer-encoding: chunked'], chunks).replace('1.1', '1.0')),
  odd('names in upper case', withLines('CONTENT-LENGTH: 2', 'CONNECTION: KEEP-ALIVE')),
  odd(
    'chunks with extensions and a trailer',
    http(200, ['transfer-encoding: chunked'], '2;a="b;c"\r\nok\r\n0;x\r\ny: z\r\n\r\n'),
  ),
  odd('an upgrade that is offered', withLines('upgrade: h2,h2c', 'connection: Upgrade', 'content-length: 2')),
  odd('an empty line behind the body', `${withLines('content-length: 2')}\r\n`),
  odd('100 without a reason before it', `HTTP/1.1 100\r\n\r\n${withLines('content-length: 2')}`),
  odd('100 of HTTP/1.0 before it', `HTTP/1.0 100 Continue\r\n\r\n${withLines('content-length: 2')}`),
  odd('103 whose lines end with LF before it', `HTTP/1.1 103 Hints\n\n${withLines('content-length: 2')}`),
  odd(
    'a 500 with the same Content-Length twice',
    http(500, ['content-length: 2', 'content-length: 2'], 'ok'),
    refused(500),
  ),
)

export const brokenRows: readonly Row[] = [...slow, ...cut, ...large, ...oddities, ...garbage]
