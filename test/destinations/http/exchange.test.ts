import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Capture, ExchangeDetails } from '../../../src/model/exchange-details.ts'
import type { Outcome } from '../../../src/model/outcome.ts'
import { httpDestination, type RequestOptions } from '../../support/http-destination.ts'
import { type Program, startReceiver } from '../../support/receiver.ts'

const failures: Capture = { of: 'failures', bodyBytesMax: 16_384 }

const secret = 'v1,bm90LXRvLWJlLXNlZW4='
const headers = ['content-type', 'application/json', 'webhook-signature', secret, 'x-api-key', 'hush']

/** Sends to a receiver of its own. */
async function sendTo(
  t: TestContext,
  program: Program,
  capture: Capture = failures,
  request: RequestOptions = {},
): Promise<Outcome> {
  const receiver = await startReceiver(program)
  t.after(() => receiver.close())
  return httpDestination(t, { capture }).send(receiver.origin, { path: '/hook?x=1', headers, ...request })
}

function detailsOf(outcome: Outcome): ExchangeDetails {
  assert.ok(outcome.exchange, 'it is remembered')
  return outcome.exchange
}

test('a failure remembers what was sent and what came back, without secrets', async t => {
  const answer = {
    status: 500,
    headers: { 'x-request-id': 'r1', 'set-cookie': 'session=hush' },
    body: 'it broke',
  }
  const details = detailsOf(await sendTo(t, answer))
  assert.equal(details.request.method, 'POST')
  assert.match(details.request.url, /^http:\/\/127\.0\.0\.1:\d+\/hook\?x=1$/)
  assert.deepEqual(details.request.headers, {
    'content-type': 'application/json',
    'webhook-signature': '[redacted]',
    'x-api-key': '[redacted]',
  })
  assert.equal(details.response?.headers['x-request-id'], 'r1')
  assert.equal(details.response?.headers['set-cookie'], '[redacted]')
  assert.equal(details.responseBody.toString(), 'it broke')
  assert.deepEqual([details.response?.body_bytes, details.response?.body_truncated], [8, false])
  assert.equal(details.remoteAddress, '127.0.0.1')
  assert.doesNotMatch(JSON.stringify(details), /hush|bm90/)
})

test('what a receiver repeats of a request is kept without its secrets, whatever part of the answer brings it', async t => {
  const sent = ['webhook-id', 'evt_1', 'webhook-signature', secret, 'authorization', 'Bearer correct-horse']
  const echo = JSON.stringify({
    webhookId: 'evt_1',
    signature: secret,
    authorization: 'Bearer correct-horse',
  })
  const encoded = Buffer.from(echo).toString('base64')
  const answers: readonly Program[] = [
    { status: 500, body: echo, headers: { 'x-echo': echo, 'x-encoded': encoded } },
    { status: 302, headers: { location: `/login?token=${encodeURIComponent(secret)}` }, body: encoded },
    { status: 500, statusText: 'no correct-horse' },
    { fault: 'reset-after-status', status: 500, body: `got ${secret.slice(0, -3)}` },
    { status: 200, body: echo },
  ]
  for (const answer of answers) {
    const outcome = await sendTo(t, answer, { of: 'all', bodyBytesMax: 16_384 }, { headers: sent })
    const { responseBody, ...details } = detailsOf(outcome)
    const text = JSON.stringify({ ...outcome, exchange: details }) + responseBody
    const decoded = text.replace(/[\w+/=]{16,}/g, part => part + Buffer.from(part, 'base64').toString())
    assert.doesNotMatch(decoded, /correct|horse|bm90/, JSON.stringify(answer))
    assert.match(text, /\[redacted\]/)
    assert.match(text, /evt_1|x-echo|200|30\d|500/)
  }
})

test('a secret that lies across the end of what is kept is taken out, and the body is as large as it was', async t => {
  const body = `${'x'.repeat(90)}${secret}`
  const details = detailsOf(await sendTo(t, { status: 500, body }, { of: 'failures', bodyBytesMax: 100 }))
  assert.equal(details.responseBody.toString(), `${'x'.repeat(90)}v1,[redacted]`)
  assert.deepEqual([details.response?.body_bytes, details.response?.body_truncated], [body.length, true])
})

test('a success is remembered only when all are asked for, nothing when none are', async t => {
  const ok = { status: 200, body: 'thanks' }
  assert.equal('exchange' in (await sendTo(t, ok)), false)
  assert.equal('exchange' in (await sendTo(t, ok, { of: 'none', bodyBytesMax: 100 })), false)
  const all = { of: 'all', bodyBytesMax: 100 } as const
  assert.equal(detailsOf(await sendTo(t, ok, all)).responseBody.toString(), 'thanks')
  const none = { of: 'none', bodyBytesMax: 100 } as const
  assert.equal('exchange' in (await sendTo(t, { status: 500 }, none)), false)
  assert.equal('exchange' in (await sendTo(t, { fault: 'reset' }, none)), false)
})

test('a body is kept up to the cap, and marked when there was more', async t => {
  const table = [
    [99, 99, false],
    [100, 100, false],
    [101, 100, true],
    [60_000, 100, true],
  ] as const
  for (const [sent, kept, truncated] of table) {
    const body = Buffer.alloc(sent, 'x')
    const details = detailsOf(await sendTo(t, { status: 500, body }, { of: 'failures', bodyBytesMax: 100 }))
    assert.equal(details.responseBody.length, kept)
    assert.equal(details.response?.body_truncated, truncated, String(sent))
    assert.equal(details.response?.body_bytes, sent)
  }
})

test('with a cap of nothing no body is kept, and the log still quotes it', async t => {
  const outcome = await sendTo(t, { status: 500, body: 'it broke' }, { of: 'failures', bodyBytesMax: 0 })
  assert.equal(outcome.kind === 'refused' && outcome.error, 'it broke')
  assert.equal(detailsOf(outcome).responseBody.length, 0)
  assert.equal(detailsOf(outcome).response?.body_truncated, true)
})

test('what is larger than is read at all is cut, and the rest is not waited for', async t => {
  const details = detailsOf(await sendTo(t, { status: 500, body: Buffer.alloc(5_000_000, 'x') }))
  assert.equal(details.responseBody.length, 16_384)
  assert.equal(details.response?.body_truncated, true)
})

test('the bytes are kept as they came: NUL, broken UTF-8, and compressed ones', async t => {
  for (const body of [Buffer.from([0, 255, 0, 10, 0xc3]), gzipSync('not to be unpacked'.repeat(100))]) {
    const answer = { status: 400, body, headers: { 'content-encoding': 'gzip' } }
    const details = detailsOf(await sendTo(t, answer))
    assert.ok(details.responseBody.equals(body))
    assert.equal(details.response?.headers['content-encoding'], 'gzip')
  }
})

test('headers are kept up to what is read of them at all', async t => {
  const large = { 'x-large': 'x'.repeat(14_000) }
  assert.equal(
    detailsOf(await sendTo(t, { status: 500, headers: large })).response?.headers['x-large']?.length,
    14_000,
  )
  const tooLarge = { 'x-large': 'x'.repeat(15_000), 'x-more': 'x'.repeat(15_000) }
  const overflow = await sendTo(t, { status: 500, headers: tooLarge })
  assert.equal(overflow.kind === 'unreachable' && overflow.errorCode, 'UND_ERR_HEADERS_OVERFLOW')
  assert.equal(detailsOf(overflow).response, null)
})

test('a body that breaks off, or that the deadline cuts, is kept as far as it came', async t => {
  const broken = detailsOf(await sendTo(t, { fault: 'reset-after-status', status: 500, body: 'it bro' }))
  assert.equal(broken.responseBody.toString(), 'it bro')
  assert.equal(broken.response?.body_truncated, true)
  const dripping = await sendTo(t, { fault: 'drip', status: 500 }, failures, { timeoutMs: 1000 })
  assert.equal(detailsOf(dripping).response?.body_truncated, true)
})

test('without an answer there are the request, the address and the times that passed', async t => {
  const outcome = await sendTo(t, { fault: 'hang' }, failures, { timeoutMs: 600 })
  assert.equal(outcome.kind === 'unreachable' && outcome.errorClass, 'timeout')
  const { response, responseBody, timings, remoteAddress } = detailsOf(outcome)
  assert.deepEqual([response, responseBody.length, remoteAddress], [null, 0, '127.0.0.1'])
  assert.equal(timings.first_byte, null)
  assert.ok(timings.connect !== null && timings.total >= 599)
})

test('a host that does not exist has no time of a connection', async t => {
  const outcome = await httpDestination(t, { capture: failures }).send('http://no-such-host.invalid')
  assert.equal(outcome.kind === 'unreachable' && outcome.errorCode, 'ENOTFOUND')
  const { timings, remoteAddress } = detailsOf(outcome)
  assert.deepEqual(
    [timings.connect, timings.tls, timings.first_byte, remoteAddress],
    [null, null, null, null],
  )
})

for (const [capture, status, isKept] of [
  ['all', 200, true],
  ['failures', 200, false],
  ['failures', 500, true],
  ['none', 200, false],
  ['none', 500, false],
] as const) {
  test(`a subscription with capture ${capture} ${isKept ? 'remembers' : 'forgets'} an answer of ${status}, whatever the settings say`, async t => {
    for (const usual of ['all', 'failures', 'none'] as const) {
      const settings = { of: usual, bodyBytesMax: 100 }
      const outcome = await sendTo(t, { status, body: 'its words' }, settings, { capture })
      assert.equal(outcome.exchange !== undefined, isKept, usual)
    }
  })
}

test('what a receiver repeats of our headers is not in what is kept of a success either', async t => {
  const sent = ['webhook-signature', secret, 'authorization', 'Bearer correct-horse']
  const program: Program = request => ({
    status: 200,
    headers: { 'x-echo': String(request.headers.authorization) },
    body: JSON.stringify(request.headers),
  })
  const outcome = await sendTo(
    t,
    program,
    { of: 'failures', bodyBytesMax: 4096 },
    { headers: sent, capture: 'all' },
  )
  assert.equal(outcome.kind, 'accepted')
  const details = detailsOf(outcome)
  assert.match(details.responseBody.toString(), /\[redacted\]/)
  assert.doesNotMatch(details.responseBody.toString() + JSON.stringify(details), /correct-horse|bm90/)
})

test('with capture none the log quotes no answer', async t => {
  const secretive = await sendTo(t, { status: 500, body: 'its words' }, failures, { capture: 'none' })
  assert.ok(secretive.kind === 'refused')
  assert.equal(secretive.error, 'HTTP 500')
  const redirect = { status: 302, headers: { location: 'https://example.com/its-words' } }
  const moved = await sendTo(t, redirect, failures, { capture: 'none' })
  assert.ok(moved.kind === 'refused')
  assert.equal(moved.error, 'HTTP 302')
})
