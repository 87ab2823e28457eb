import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { Throttle } from '../../src/dispatch/throttle.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { aMember } from '../support/member.ts'
import { accepted, unreachable } from '../support/outcomes.ts'
import { aSubscription } from '../support/subscription.ts'

const failed = unreachable()

/**
 * A dispatcher with the breaker off, and some deliveries to a receiver that answers at once. The test says how time passes.
 */
function aBacklog(t: TestContext, deliveries: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = fakeClock()
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  const subscription = aSubscription({ maxInFlight: 10 })
  const receiver: { outcome: Outcome; attempts: number; deferred: number } = {
    outcome: failed,
    attempts: 0,
    deferred: 0,
  }
  const dispatcher = new Dispatcher({
    limits: { maxInFlight: 100, heldPerSubscription: 10_000, heldInAll: 40_000, heldBytes: 1_000_000 },
    subscription: () => subscription,
    clock,
    membership: aMember(),
    throttle,
    defer: (_, waiting) => {
      receiver.deferred += waiting.length
    },
    attempt: async ({ subscriptionId, sizeBytes }) => {
      receiver.attempts++
      await new Promise(resolve => setImmediate(resolve))
      throttle.record(subscription, receiver.outcome)
      dispatcher.release(subscriptionId, sizeBytes)
      return receiver.outcome.kind === 'accepted'
    },
  })
  const newId = uuidV7Source(clock)
  const now = clock.now()
  const rest = {
    attempt: 1,
    attemptsBefore: 0,
    since: now,
    dueAt: now,
    sizeBytes: 1,
    content: null,
    lane: null,
  }
  for (let n = 0; n < deliveries; n++) {
    assert.ok(dispatcher.reserve(subscription.id, subscription.tenant, 1, true))
    dispatcher.push({ webhookId: newId(), subscriptionId: subscription.id, ...rest })
  }
  /** Lets time pass, a millisecond after the other, and all that follows from each. */
  const pass = async (ms: number) => {
    for (let n = 0; n < ms; n++) {
      clock.advance(1)
      t.mock.timers.tick(1)
      await answered()
    }
  }
  /** Until no attempt is begun any more because others have ended. */
  const answered = async () => {
    for (let before = -1; before !== receiver.attempts; ) {
      before = receiver.attempts
      await new Promise(resolve => setImmediate(resolve))
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { receiver, throttle, dispatcher, pass, answered }
}

test('a receiver that refuses at once is tried at a bounded rate with the breaker off, and what waits spends no attempt', async t => {
  const { receiver, dispatcher, pass, answered } = aBacklog(t, 2000)
  await answered()
  const atFirst = receiver.attempts
  // Ten before it counts as failing, and up to ten in flight at that moment.
  assert.ok(atFirst >= 10 && atFirst <= 20, `${atFirst} attempts at once`)
  await pass(500)
  assert.equal(receiver.attempts - atFirst, 25, 'one each 20 ms')
  assert.equal(receiver.deferred, 0, 'they wait in memory')
  const { held, inFlight } = dispatcher.load
  assert.equal(held, 2000 - receiver.attempts + inFlight)

  receiver.outcome = accepted
  await pass(40) // as it succeeds, the next one is already set for 20 ms later
  assert.equal(dispatcher.load.held, 0, 'at once after the first success, not at 50 a second')
  assert.equal(receiver.attempts, 2000)
})

const circuit = { failures: 5, cooldownMs: 30_000 }

test('a success to one whose state says that it fails is a recovery, whoever has seen the failures', () => {
  const throttle = new Throttle(fakeClock(), circuit)
  const failing = aSubscription({ isFailing: true })
  assert.equal(
    throttle.record(failing, accepted).kind,
    'recovered',
    'with nothing remembered, as after a restart',
  )
  throttle.record(failing, failed)
  assert.equal(throttle.record(failing, accepted).kind, 'recovered', 'after a few failures of its own')
  assert.equal(throttle.record(failing, failed).kind, 'none')
  assert.equal(throttle.record(aSubscription(), accepted).kind, 'none')
})

test('a success that was on its way does not end a pause that others have told of', () => {
  const clock = fakeClock(noon)
  const throttle = new Throttle(clock, circuit)
  const subscription = aSubscription()
  throttle.pause(subscription.id, noon + 60_000, 'retry_after')
  throttle.record(subscription, accepted)
  assert.equal(throttle.opensAt(subscription), noon + 60_000)
  clock.advance(60_000)
  throttle.record(subscription, accepted)
  assert.equal(throttle.opensAt(subscription), 0)
})

test('a receiver whose lane was opened meanwhile is open, and one whose lane was closed for longer waits for longer', () => {
  const throttle = new Throttle(fakeClock(), circuit)
  const [resumed, again, longer, gone] = [1, 2, 3, 4].map(id => aSubscription({ id }))
  assert.ok(resumed && again && longer && gone)
  for (const { id } of [resumed, again, longer, gone]) throttle.pause(id, noon + 3_600_000, 'circuit_open')
  throttle.pause(5, noon - 1, 'retry_after')
  const before = throttle.paused()
  assert.deepEqual([...before.keys()], [1, 2, 3, 4], 'a pause that is over is none')
  const lanes = new Map([
    [1, 0],
    [2, noon + 5000],
    [3, noon + 7_200_000],
  ])
  throttle.follow(lanes, before)
  assert.deepEqual(
    [resumed, again, longer, gone].map(subscription => throttle.opensAt(subscription)),
    [0, noon + 5000, noon + 7_200_000, noon + 3_600_000],
  )
  assert.deepEqual([throttle.cap(resumed), throttle.cap(longer)], [10, 1], 'the probe is still to come')
})

test('what was heard after the lanes were read stays', () => {
  const throttle = new Throttle(fakeClock(), circuit)
  const subscription = aSubscription()
  throttle.pause(1, noon + 60_000, 'retry_after')
  const before = throttle.paused()
  throttle.pause(1, noon + 90_000, 'retry_after')
  throttle.follow(new Map([[1, 0]]), before)
  assert.equal(throttle.opensAt(subscription), noon + 90_000)
  throttle.resume(1)
  throttle.follow(new Map([[1, noon + 60_000]]), before)
  assert.equal(throttle.opensAt(subscription), 0)
})

const adaptive = aSubscription({ isAdaptive: true, maxInFlight: 100 })

test('a subscription that sets no number begins with 10, and gets more while deliveries wait', () => {
  const clock = fakeClock(noon)
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  assert.equal(throttle.cap(adaptive), 10)
  for (let n = 0; n < 3000; n++) {
    clock.advance(2)
    throttle.isShort(adaptive)
    throttle.record(adaptive, { ...accepted, durationMs: 20 })
  }
  assert.ok(throttle.cap(adaptive) > 20, `${throttle.cap(adaptive)}`)
  assert.equal(throttle.found().get(adaptive.id)?.reason, 'growing')
})

test('nothing is remembered of one that never had more to do than it began with', () => {
  const throttle = new Throttle(fakeClock(noon), { failures: 0, cooldownMs: 1000 })
  for (let n = 0; n < 100; n++) throttle.record(adaptive, accepted)
  assert.equal(throttle.found().size, 0)
})

test('it begins with what was found out before, and forgets it when nothing has waited for minutes', () => {
  const clock = fakeClock(noon)
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  throttle.beginWith(new Map([[adaptive.id, 64]]))
  assert.equal(throttle.cap(adaptive), 64)
  throttle.isShort(adaptive)
  throttle.record(adaptive, accepted)
  clock.advance(200_000)
  assert.equal(throttle.found().get(adaptive.id)?.limit, 64)
  clock.advance(200_000)
  assert.equal(throttle.found().size, 0)
  assert.equal(throttle.cap(adaptive), 10)
})

test('an open circuit leaves one probe, whatever was found out', () => {
  const clock = fakeClock(noon)
  const throttle = new Throttle(clock, { failures: 2, cooldownMs: 1000 })
  throttle.beginWith(new Map([[adaptive.id, 64]]))
  for (let n = 0; n < 2; n++) throttle.record(adaptive, failed)
  assert.equal(throttle.cap(adaptive), 1)
  throttle.resume(adaptive.id)
  assert.equal(throttle.cap(adaptive), 10)
})
