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

/** Receivers that keep an attempt until its deadline. */
function untilDeadline(group: string, ...cases: readonly Case[]): readonly Row[] {
  return rowsOf(group, ...cases).map(row => ({ ...row, endsAtDeadline: true }))
}

const statusStands = { why: 'it was accepted at the status line; the body does not matter' } as const

const slow = untilDeadline(
  'Slow',
  ['hangs before the answer', hang, failed('timeout')],
  ['hangs within the headers', say('HTTP/1.1 200 OK\r\ncontent-le'), failed('timeout')],
  ['hangs after the headers of a 200', say(http(200, ['content-length: 10'])), delivered(200), statusStands],
  ['hangs after the headers of a 500', say(http(500, ['content-length: 10'])), refused(500)],
  ['drips headers for ever', drip('HTTP/1.1 200 OK\r\nx: ', 'y'), failed('timeout')],
  ['says 102 for ever', drip('', http(102)), failed('timeout')],
  [
    'drips the body of a 200 for ever',
    drip(http(200, ['transfer-encoding: chunked']), '1\r\n.\r\n'),
    delivered(200),
    statusStands,
  ],
  [
    'drips the body of a 500 for ever',
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
    { check: isCutAndPacked, why: 'kept as it came, never unpacked' },
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
  [
    'Content-Length and chunks at once',
    say(http(200, ['content-length: 2', 'transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\n')),
    failed('invalid'),
  ],
  ['a Content-Length that is no number', say(http(200, ['content-length: two'], 'ok')), failed('invalid')],
  ['a header with a NUL', say(http(200, ['x: a\u0000b', 'content-length: 0'])), failed('invalid')],
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
    { why: 'a client has to pass over it (RFC 9110, 15.2)' },
  ],
)

export const brokenRows: readonly Row[] = [...slow, ...cut, ...large, ...garbage]
