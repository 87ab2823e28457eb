import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerFaults, replyTo } from '../../src/test-receivers/answer.ts'
import { type ReceiverAnswer, usualAnswer } from '../../src/test-receivers/schema.ts'

const answer = (changes: Partial<ReceiverAnswer>): ReceiverAnswer => ({ ...usualAnswer, ...changes })

/** The status, or that the connection is dropped. */
function wordOf(changes: Partial<ReceiverAnswer>, isFailing = false): number | 'drop' {
  const reply = replyTo(answer(changes), isFailing)
  return reply.kind === 'drop' ? 'drop' : reply.status
}

test('without a count each request is answered as told', () => {
  assert.equal(wordOf({}), 200)
  assert.equal(wordOf({ status: 503 }), 503)
  assert.equal(wordOf({ drop: true }), 'drop')
})

for (const [changes, failing, succeeding] of [
  [{}, 500, 200],
  [{ status: 202 }, 500, 202],
  [{ status: 503 }, 503, 200],
  [{ status: 302 }, 302, 200],
  [{ drop: true }, 'drop', 200],
  [{ drop: true, status: 204 }, 'drop', 204],
] as const) {
  test(`with a count, ${JSON.stringify(changes)} fails with ${failing} and succeeds with ${succeeding}`, () => {
    assert.equal(wordOf({ ...changes, fail_times: 3 }, true), failing)
    assert.equal(wordOf({ ...changes, fail_times: 3 }, false), succeeding)
  })
}

test('Retry-After is on answers that are no success', () => {
  const told = answer({ fail_times: 1, retry_after: 7, headers: { 'x-test-a': '1' } })
  const [failing, succeeding] = [replyTo(told, true), replyTo(told, false)]
  assert.ok(failing.kind === 'answer' && succeeding.kind === 'answer')
  assert.deepEqual(failing.headers, { 'x-test-a': '1', 'retry-after': '7' })
  assert.deepEqual(succeeding.headers, { 'x-test-a': '1' })
})

test('where HTTP knows no body there is none', () => {
  const reply = replyTo(answer({ status: 204, body: 'x' }), false)
  assert.ok(reply.kind === 'answer')
  assert.equal(reply.body, '')
})

test('an answer cannot have headers that a browser or a proxy acts on', () => {
  for (const name of [
    'set-cookie',
    'Set-Cookie',
    'content-security-policy',
    'access-control-allow-origin',
    'x-accel-redirect',
    'x-sendfile',
    'transfer-encoding',
    'content-length',
    'connection',
    'clear-site-data',
    'service-worker-allowed',
    'refresh',
    'x-test-\r\nset-cookie',
    '',
  ]) {
    assert.equal(answerFaults({ headers: { [name]: 'a' } }).length, 1, name)
  }
  for (const type of [
    'text/html',
    'image/svg+xml',
    'text/javascript',
    'text/plain, text/html',
    'text/plain\r\nx: y',
  ]) {
    assert.equal(answerFaults({ headers: { 'content-type': type } }).length, 1, type)
  }
  assert.equal(answerFaults({ headers: { 'x-test-a': 'a\r\nset-cookie: b=c' } }).length, 1)
  assert.deepEqual(
    answerFaults({
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        location: 'http://127.0.0.1:1/',
        'Retry-After': '3',
        'webhook-allowed-origin': '*',
        'X-Test-Any': 'a b',
      },
    }),
    [],
  )
})
