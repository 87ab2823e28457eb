import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiverThrottle } from '../../src/dispatch/receiver-throttle.ts'
import { accepted, gone, overloaded, refused, unreachable } from '../support/outcomes.ts'
import { aSubscription } from '../support/subscription.ts'

const circuit = { failures: 5, cooldownMs: 30_000 }
const subscription = aSubscription()
const now = 1_000_000

test('a healthy receiver is open, with all its requests', () => {
  const receiver = new ReceiverThrottle(circuit)
  assert.deepEqual(receiver.record(accepted, now), { kind: 'none' })
  assert.ok(receiver.opensAt(subscription, now) <= now)
  assert.equal(receiver.cap(10), 10)
  assert.ok(receiver.isIdle(now))
})

test('enough failures in a row open the circuit, one probe is let through, and its success closes it', () => {
  const receiver = new ReceiverThrottle(circuit)
  for (let n = 1; n < 5; n++) assert.deepEqual(receiver.record(refused(), now), { kind: 'none' })
  assert.deepEqual(receiver.record(refused(), now), {
    kind: 'paused',
    until: now + 30_000,
    reason: 'circuit_open',
  })
  assert.equal(receiver.opensAt(subscription, now + 29_999), now + 30_000)
  assert.ok(receiver.opensAt(subscription, now + 30_000) <= now + 30_000)
  assert.equal(receiver.cap(10), 1, 'a single probe')
  assert.deepEqual(receiver.record(accepted, now + 30_001), { kind: 'recovered' })
  assert.equal(receiver.cap(10), 10)
})

test('a probe that fails opens the circuit again for twice as long, up to ten times', () => {
  const receiver = new ReceiverThrottle(circuit)
  let at = now
  for (let n = 0; n < 5; n++) receiver.record(refused(), at)
  const lengths = Array.from({ length: 7 }, () => {
    at = receiver.opensAt(subscription, at)
    const change = receiver.record(unreachable(), at)
    assert.equal(change.kind, 'paused')
    return change.kind === 'paused' ? (change.until - at) / 1000 : 0
  })
  assert.deepEqual(lengths, [60, 120, 240, 300, 300, 300, 300])
})

test('a success in between starts the count anew', () => {
  const receiver = new ReceiverThrottle(circuit)
  for (let n = 0; n < 20; n++) {
    assert.equal(receiver.record(n % 4 === 3 ? accepted : refused(), now).kind, 'none')
  }
})

test('ten failures in a row are told once, with the circuit off too', () => {
  const receiver = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  const told = Array.from({ length: 30 }, () => receiver.record(refused(), now).kind)
  assert.deepEqual(
    told.filter(kind => kind !== 'none'),
    ['failing'],
  )
  assert.equal(told.indexOf('failing'), 9)
  assert.deepEqual(receiver.record(accepted, now), { kind: 'recovered' })
})

test('a receiver that has too much to do, and says until when, is paused until then', () => {
  const receiver = new ReceiverThrottle(circuit)
  const until = now + 120_000
  const change = receiver.record(overloaded({ notBefore: until }), now)
  assert.deepEqual(change, { kind: 'paused', until, reason: 'retry_after' })
  assert.equal(receiver.opensAt(subscription, now), until)
})

test('what a receiver says of one delivery that it refuses holds nothing else back', () => {
  const receiver = new ReceiverThrottle(circuit)
  assert.deepEqual(receiver.record(refused({ notBefore: now + 120_000 }), now), { kind: 'none' })
  assert.ok(receiver.opensAt(subscription, now) <= now)
})

test('one that has too much to do, or does not answer in time, gets half as many, and successes win them back', () => {
  for (const outcome of [overloaded(), unreachable('timeout')]) {
    const receiver = new ReceiverThrottle(circuit)
    receiver.record(outcome, now)
    assert.equal(receiver.cap(10), 5)
    receiver.record(outcome, now)
    assert.equal(receiver.cap(10), 2)
    for (let n = 0; n < 20; n++) receiver.record(accepted, now)
    assert.equal(receiver.cap(10), 10)
  }
  for (const outcome of [refused(), gone, unreachable('connect')]) {
    const receiver = new ReceiverThrottle(circuit)
    receiver.record(outcome, now)
    assert.equal(receiver.cap(10), 10)
  }
})

test('a rate limit lets its number through at once, and then as many as the time brings', () => {
  const receiver = new ReceiverThrottle(circuit)
  const limited = aSubscription({ rateLimit: { requests: 4, perSeconds: 2 } })
  for (let n = 0; n < 4; n++) {
    assert.ok(receiver.opensAt(limited, now) <= now)
    receiver.begin(limited, now)
  }
  assert.equal(receiver.opensAt(limited, now), now + 500)
  assert.ok(receiver.opensAt(limited, now + 500) <= now + 500)
  receiver.begin(limited, now + 500)
  assert.equal(receiver.opensAt(limited, now + 500), now + 1000)
})

test('resuming forgets every pause', () => {
  const receiver = new ReceiverThrottle(circuit)
  receiver.pause(now + 60_000, 'circuit_open')
  assert.equal(receiver.opensAt(subscription, now), now + 60_000)
  assert.equal(receiver.cap(10), 1)
  receiver.resume()
  assert.ok(receiver.opensAt(subscription, now) <= now)
  assert.equal(receiver.cap(10), 10)
})

test('a failure of our own proxy, or of who gives access tokens, says nothing of the receiver', () => {
  const receiver = new ReceiverThrottle(circuit)
  for (let n = 0; n < 50; n++) {
    assert.equal(receiver.record(unreachable('proxy', 'proxy'), now).kind, 'none')
    assert.equal(receiver.record(unreachable('credentials', 'credentials'), now).kind, 'none')
  }
})

test('after ten failures in a row attempts begin 20 ms apart, and one success lifts that', () => {
  const receiver = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  for (let n = 1; n <= 9; n++) {
    receiver.begin(subscription, now)
    receiver.record(refused(), now)
    assert.ok(receiver.opensAt(subscription, now) <= now, `after ${n}`)
  }
  receiver.begin(subscription, now)
  receiver.record(refused(), now)
  assert.equal(receiver.opensAt(subscription, now), now + 20)
  assert.ok(receiver.opensAt(subscription, now + 20) <= now + 20)
  receiver.begin(subscription, now + 20)
  assert.equal(receiver.opensAt(subscription, now + 20), now + 40)
  receiver.record(accepted, now + 21)
  assert.ok(receiver.opensAt(subscription, now + 21) <= now + 21)
  assert.ok(receiver.isIdle(now + 21))
})

test('failures of our own proxy are paced like others', () => {
  const receiver = new ReceiverThrottle(circuit)
  for (let n = 0; n < 10; n++) {
    receiver.begin(subscription, now)
    receiver.record(unreachable('proxy', 'proxy'), now)
  }
  assert.equal(receiver.opensAt(subscription, now), now + 20)
  assert.ok(!receiver.isIdle(now))
})
