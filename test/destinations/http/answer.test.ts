import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordOf } from '../../../src/destinations/http/answer.ts'

const now = Date.UTC(2026, 10, 23, 12, 0, 0)
const wordFor = (status: number, retryAfter?: string, terminal: readonly number[] = []) =>
  wordOf({ status, retryAfter }, terminal, now)

test('429, 502, 503 and 504 say that there is too much to do, 410 that the receiver is gone, others refuse', () => {
  for (let status = 300; status < 600; status++) {
    const expected = [429, 502, 503, 504].includes(status)
      ? 'overloaded'
      : status === 410
        ? 'gone'
        : 'refused'
    assert.equal(wordFor(status).kind, expected, String(status))
  }
})

test('Retry-After is a moment from now on, whatever the status', () => {
  assert.deepEqual(wordFor(503, '120'), { kind: 'overloaded', isFinal: false, notBefore: now + 120_000 })
  assert.deepEqual(wordFor(400, '120'), { kind: 'refused', isFinal: false, notBefore: now + 120_000 })
  assert.deepEqual(wordFor(503, 'soon'), { kind: 'overloaded', isFinal: false })
})

test('an answer is final when the subscription says so of its status', () => {
  assert.deepEqual(wordFor(400, undefined, [400, 503]), { kind: 'refused', isFinal: true })
  assert.deepEqual(wordFor(503, undefined, [400, 503]), { kind: 'overloaded', isFinal: true })
  assert.deepEqual(wordFor(401, undefined, [400, 503]), { kind: 'refused', isFinal: false })
})
