import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { type VerdictInput, verdict } from '../../src/model/verdict.ts'
import { noon } from '../support/clock.ts'
import { accepted, gone, overloaded, refused, unreachable } from '../support/outcomes.ts'

const unsuccessful = [refused(), overloaded(), unreachable()] as const

function after(changes: Partial<VerdictInput>): VerdictInput {
  return {
    outcome: refused(),
    attemptsMade: 1,
    policy: defaultRetryPolicy,
    now: noon,
    expiresAt: Number.POSITIVE_INFINITY,
    random: 0,
    ...changes,
  }
}

test('whatever is accepted is delivered, even by the last attempt and after the limit', () => {
  for (const attemptsMade of [1, 5, 99]) {
    const input = after({ outcome: accepted, attemptsMade, expiresAt: noon - 1 })
    assert.deepEqual(verdict(input), { kind: 'delivered' })
  }
})

test('a delivery that always fails is tried exactly 5 times: at 0, 10, 30, 70 and 150 seconds', () => {
  for (const outcome of unsuccessful) {
    const times = [noon]
    let now = noon
    for (let attemptsMade = 1; ; attemptsMade++) {
      const next = verdict(after({ outcome, attemptsMade, now }))
      if (next.kind !== 'retry') {
        assert.deepEqual(next, { kind: 'given_up' })
        break
      }
      now = next.dueAt
      times.push(now)
    }
    assert.deepEqual(
      times.map(time => (time - noon) / 1000),
      [0, 10, 30, 70, 150],
    )
  }
})

test('an attempt that would come after the limit is not waited for', () => {
  assert.deepEqual(verdict(after({ expiresAt: noon + 9999 })), { kind: 'expired' })
})

test('an attempt that falls on the limit is made', () => {
  assert.deepEqual(verdict(after({ expiresAt: noon + 10_000 })), { kind: 'retry', dueAt: noon + 10_000 })
})

test('the last failure is given up, not expired, whatever the time', () => {
  assert.deepEqual(verdict(after({ attemptsMade: 5, expiresAt: noon - 1 })), { kind: 'given_up' })
})

test('one attempt allowed means no second one', () => {
  const policy = { ...defaultRetryPolicy, maxAttempts: 1 }
  assert.deepEqual(verdict(after({ policy })), { kind: 'given_up' })
})

test('a retry is never due before its delay is over, nor after the limit', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...unsuccessful),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: -1000, max: 200_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (outcome, attemptsMade, leftMs, random) => {
        const policy = { ...defaultRetryPolicy, jitter: 0.5 }
        const next = verdict(after({ outcome, attemptsMade, policy, expiresAt: noon + leftMs, random }))
        if (next.kind !== 'retry') return
        assert.ok(attemptsMade < 5)
        assert.ok(next.dueAt >= noon + 10_000 * 2 ** (attemptsMade - 1))
        assert.ok(next.dueAt <= noon + leftMs)
      },
    ),
  )
})

test('an answer that is final for this delivery, and a receiver that is gone, are not tried again', () => {
  for (const outcome of [refused({ isFinal: true }), overloaded({ isFinal: true }), gone]) {
    assert.deepEqual(verdict(after({ outcome })), { kind: 'given_up' })
  }
})

test('the next attempt is never sooner than the receiver asked for, nor sooner than its delay', () => {
  for (const answer of [refused, overloaded]) {
    const dueAfter = (askedMs: number) => verdict(after({ outcome: answer({ notBefore: noon + askedMs }) }))
    assert.deepEqual(dueAfter(60_000), { kind: 'retry', dueAt: noon + 60_000 })
    assert.deepEqual(dueAfter(1000), { kind: 'retry', dueAt: noon + 10_000 })
  }
})

test('a receiver that asks for more time than is left lets the delivery expire', () => {
  const outcome = overloaded({ notBefore: noon + 60_000 })
  assert.deepEqual(verdict(after({ outcome, expiresAt: noon + 59_999 })), { kind: 'expired' })
})
