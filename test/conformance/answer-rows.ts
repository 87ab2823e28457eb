import { answer, http, inTurn, say, sayAndClose } from './answers.ts'
import type { Answer } from './misbehaving-receiver.ts'
import { delivered, type Finding, type Row, refused } from './row.ts'

// Receivers that speak proper HTTP, and what their answers mean.

function rowsOf(group: string, ...list: readonly (readonly [string, Answer, Finding, Partial<Row>?])[]) {
  return list.map(([behaviour, said, expected, more = {}]): Row => {
    return { group, behaviour, target: { kind: 'tcp', answer: said }, expected, ...more }
  })
}

const ok = http(200, ['content-length: 2'], 'ok')

const accepted = rowsOf(
  'Accepted',
  ['200', answer(200, [], 'ok'), delivered(200)],
  ['201 without a body', answer(201), delivered(201)],
  ['202 in chunks', say(http(202, ['transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\n')), delivered(202)],
  ['204', say(http(204)), delivered(204)],
  [
    '204 with a body',
    say(http(204, ['content-length: 5'], 'hello')),
    delivered(204),
    { why: 'a 204 has no body; the bytes after it are not read as the next answer' },
  ],
  ['299, which nobody has defined', answer(299), delivered(299), { why: 'any 2xx' }],
  ['103 before the 200', inTurn(http(103, ['link: </style.css>; rel=preload']), ok), delivered(200)],
  ['102 three times before the 200', inTurn(http(102), http(102), http(102), ok), delivered(200)],
  [
    'HTTP/1.0 with Content-Length',
    sayAndClose('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    delivered(200),
  ],
  [
    'HTTP/1.0 without Content-Length',
    sayAndClose('HTTP/1.0 200 OK\r\n\r\nup to the end of the connection'),
    delivered(200),
  ],
  ['a header that comes twice', answer(200, ['x-twice: 1', 'x-twice: 2']), delivered(200)],
)

/** The location is recorded; the receiver counts requests, so following it would be noticed. */
function redirect(status: number): Row {
  const location = '/elsewhere?from=here'
  return {
    group: 'Redirects',
    behaviour: `${status} with Location`,
    target: { kind: 'tcp', answer: answer(status, [`location: ${location}`]) },
    expected: refused(status),
    check: ({ error }) => (error?.includes(location) ? undefined : `the Location is not recorded: ${error}`),
  }
}

const redirects: readonly Row[] = [
  ...[301, 302, 303, 307, 308].map(redirect),
  ...rowsOf(
    'Redirects',
    ['302 to the metadata address', answer(302, ['location: http://169.254.169.254/']), refused(302)],
    ['302 without Location', answer(302), refused(302)],
    ['304', say(http(304)), refused(304)],
  ),
]

const refusals = rowsOf(
  'Refused',
  ...[400, 401, 403, 404, 413, 422].map(status => [String(status), answer(status), refused(status)] as const),
  [
    '410',
    answer(410),
    { ...refused(410), verdict: 'given_up', nextInSeconds: null, state: 'disabled' },
    { why: 'the receiver wants no more events' },
  ],
  ...[500, 502, 504].map(status => [String(status), answer(status), refused(status)] as const),
  ['503', answer(503), refused(503)],
  ['503 with Retry-After: 45', answer(503, ['retry-after: 45']), refused(503, 45)],
  ['599, which nobody has defined', answer(599), refused(599)],
  [
    '500 whose body holds control characters and NUL',
    answer(500, [], 'a\u0000b\u001b[31mc'),
    refused(500),
    { check: ({ error }) => (error === 'a b [31mc' ? undefined : `recorded as ${JSON.stringify(error)}`) },
  ],
)

/** Two minutes from now, in whole seconds. */
const inTwoMinutes: Answer = socket =>
  answer(429, [`retry-after: ${new Date(Date.now() + 120_000).toUTCString()}`])(socket)

const tooMany = rowsOf(
  'Retry-After of a 429',
  ['none', answer(429), refused(429)],
  ['60', answer(429, ['retry-after: 60']), refused(429, 60)],
  ['0', answer(429, ['retry-after: 0']), refused(429), { why: 'never sooner than the schedule' }],
  ['a date in two minutes', inTwoMinutes, refused(429, 120)],
  ['a date that has passed', answer(429, ['retry-after: Fri, 31 Dec 1999 23:59:59 GMT']), refused(429)],
  ['soon', answer(429, ['retry-after: soon']), refused(429), { why: 'not valid, so it is ignored' }],
  ['-5', answer(429, ['retry-after: -5']), refused(429), { why: 'not valid, so it is ignored' }],
  ['999999999', answer(429, ['retry-after: 999999999']), refused(429, 86_400), { why: 'at most a day' }],
  [
    '10 digits',
    answer(429, ['retry-after: 9999999999']),
    refused(429),
    { why: 'not valid (too many digits), so it is ignored' },
  ],
  [
    'twice, 60 and 90',
    answer(429, ['retry-after: 60', 'retry-after: 90']),
    refused(429),
    { why: 'not valid, so it is ignored' },
  ],
)

export const answerRows: readonly Row[] = [...accepted, ...redirects, ...refusals, ...tooMany]
