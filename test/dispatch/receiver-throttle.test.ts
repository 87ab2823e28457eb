import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiverThrottle } from '../../src/dispatch/receiver-throttle.ts'
import { accepted, gone, overloaded, refused, unreachable } from '../support/outcomes.ts'
import { aSubscription } from '../support/subscription.ts'

const circuit = { failures: 5, cooldownMs: 30_000 }
const subscription = aSubscription()
const now = 1_000_000

test('a healthy receiver is open, with all its requests', () => {
  const gate = new ReceiverThrottle(circuit)
  assert.deepEqual(gate.record(accepted, now), { kind: 'none' })
  assert.ok(gate.opensAt(subscription, now) <= now)
  assert.equal(gate.cap(10), 10)
  assert.ok(gate.isIdle(now))
})

test('so many failures in a row open the circuit, one probe is let through, and its success closes it', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 1; n < 5; n++) assert.deepEqual(gate.record(refused(), now), { kind: 'none' })
  assert.deepEqual(gate.record(refused(), now), {
    kind: 'paused',
    until: now + 30_000,
    reason: 'circuit_open',
  })
  assert.equal(gate.opensAt(subscription, now + 29_999), now + 30_000)
  assert.ok(gate.opensAt(subscription, now + 30_000) <= now + 30_000)
  assert.equal(gate.cap(10), 1, 'a single probe')
  assert.deepEqual(gate.record(accepted, now + 30_001), { kind: 'recovered' })
  assert.equal(gate.cap(10), 10)
})

test('a probe that fails opens the circuit again for twice as long, up to twenty times', () => {
  const gate = new ReceiverThrottle(circuit)
  let at = now
  for (let n = 0; n < 5; n++) gate.record(refused(), at)
  const lengths = Array.from({ length: 7 }, () => {
    at = gate.opensAt(subscription, at)
    const change = gate.record(unreachable(), at)
    assert.equal(change.kind, 'paused')
    return change.kind === 'paused' ? (change.until - at) / 1000 : 0
  })
  assert.deepEqual(lengths, [60, 120, 240, 480, 600, 600, 600])
})

test('a success in between starts the count anew', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 0; n < 20; n++) {
    assert.equal(gate.record(n % 4 === 3 ? accepted : refused(), now).kind, 'none')
  }
})

test('ten failures in a row are told once, with the circuit off too', () => {
  const gate = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  const told = Array.from({ length: 30 }, () => gate.record(refused(), now).kind)
  assert.deepEqual(
    told.filter(kind => kind !== 'none'),
    ['failing'],
  )
  assert.equal(told.indexOf('failing'), 9)
  assert.deepEqual(gate.record(accepted, now), { kind: 'recovered' })
})

test('a receiver that has too much to do, and says until when, is paused until then', () => {
  const gate = new ReceiverThrottle(circuit)
  const until = now + 120_000
  const change = gate.record(overloaded({ notBefore: until }), now)
  assert.deepEqual(change, { kind: 'paused', until, reason: 'retry_after' })
  assert.equal(gate.opensAt(subscription, now), until)
})

test('what a receiver says of one delivery that it refuses holds nothing else back', () => {
  const gate = new ReceiverThrottle(circuit)
  assert.deepEqual(gate.record(refused({ notBefore: now + 120_000 }), now), { kind: 'none' })
  assert.ok(gate.opensAt(subscription, now) <= now)
})

test('one that has too much to do, or does not answer in time, gets half as many, and successes win them back', () => {
  for (const outcome of [overloaded(), unreachable('timeout')]) {
    const gate = new ReceiverThrottle(circuit)
    gate.record(outcome, now)
    assert.equal(gate.cap(10), 5)
    gate.record(outcome, now)
    assert.equal(gate.cap(10), 2)
    for (let n = 0; n < 20; n++) gate.record(accepted, now)
    assert.equal(gate.cap(10), 10)
  }
  for (const outcome of [refused(), gone, unreachable('connect')]) {
    const gate = new ReceiverThrottle(circuit)
    gate.record(outcome, now)
    assert.equal(gate.cap(10), 10)
  }
})

test('a rate limit lets so many through at once, and then as many as the time brings', () => {
  const gate = new ReceiverThrottle(circuit)
  const limited = aSubscription({ rateLimit: { requests: 4, perSeconds: 2 } })
  for (let n = 0; n < 4; n++) {
    assert.ok(gate.opensAt(limited, now) <= now)
    gate.begin(limited, now)
  }
  assert.equal(gate.opensAt(limited, now), now + 500)
  assert.ok(gate.opensAt(limited, now + 500) <= now + 500)
  gate.begin(limited, now + 500)
  assert.equal(gate.opensAt(limited, now + 500), now + 1000)
})

test('resuming forgets every pause', () => {
  const gate = new ReceiverThrottle(circuit)
  gate.pause(now + 60_000, 'circuit_open')
  assert.equal(gate.opensAt(subscription, now), now + 60_000)
  assert.equal(gate.cap(10), 1)
  gate.resume()
  assert.ok(gate.opensAt(subscription, now) <= now)
  assert.equal(gate.cap(10), 10)
})

test('a failure of our own proxy says nothing of the receiver', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 0; n < 50; n++) {
    assert.equal(gate.record(unreachable('proxy', 'proxy'), now).kind, 'none')
  }
})

test('after ten failures in a row attempts begin 20 ms apart, and one success lifts that', () => {
  const gate = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  for (let n = 1; n <= 9; n++) {
    gate.begin(subscription, now)
    gate.record(refused(), now)
    assert.ok(gate.opensAt(subscription, now) <= now, `after ${n}`)
  }
  gate.begin(subscription, now)
  gate.record(refused(), now)
  assert.equal(gate.opensAt(subscription, now), now + 20)
  assert.ok(gate.opensAt(subscription, now + 20) <= now + 20)
  gate.begin(subscription, now + 20)
  assert.equal(gate.opensAt(subscription, now + 20), now + 40)
  gate.record(accepted, now + 21)
  assert.ok(gate.opensAt(subscription, now + 21) <= now + 21)
  assert.ok(gate.isIdle(now + 21))
})

test('failures of our own proxy are paced like others', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 0; n < 10; n++) {
    gate.begin(subscription, now)
    gate.record(unreachable('proxy', 'proxy'), now)
  }
  assert.equal(gate.opensAt(subscription, now), now + 20)
  assert.ok(!gate.isIdle(now))
})
