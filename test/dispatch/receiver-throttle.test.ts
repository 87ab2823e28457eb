import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiverThrottle } from '../../src/dispatch/receiver-throttle.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { aSubscription } from '../support/subscription.ts'

const circuit = { failures: 5, cooldownMs: 30_000 }
const success: Outcome = { kind: 'success', httpStatus: 200, durationMs: 1 }
const refused = (httpStatus: number, retryAfter?: string): Outcome => ({
  kind: 'refused',
  httpStatus,
  error: '',
  durationMs: 1,
  ...(retryAfter !== undefined && { retryAfter }),
})
const subscription = aSubscription()
const now = 1_000_000

test('a healthy receiver is open, with all its requests', () => {
  const gate = new ReceiverThrottle(circuit)
  assert.deepEqual(gate.record(success, now), { kind: 'none' })
  assert.ok(gate.opensAt(subscription, now) <= now)
  assert.equal(gate.cap(10), 10)
  assert.ok(gate.isIdle(now))
})

test('so many failures in a row open the circuit, one probe is let through, and its success closes it', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 1; n < 5; n++) assert.deepEqual(gate.record(refused(500), now), { kind: 'none' })
  assert.deepEqual(gate.record(refused(500), now), {
    kind: 'paused',
    until: now + 30_000,
    reason: 'circuit_open',
  })
  assert.equal(gate.opensAt(subscription, now + 29_999), now + 30_000)
  assert.ok(gate.opensAt(subscription, now + 30_000) <= now + 30_000)
  assert.equal(gate.cap(10), 1, 'a single probe')
  assert.deepEqual(gate.record(success, now + 30_001), { kind: 'recovered' })
  assert.equal(gate.cap(10), 10)
})

test('a probe that fails opens the circuit again for twice as long, up to twenty times', () => {
  const gate = new ReceiverThrottle(circuit)
  let at = now
  for (let n = 0; n < 5; n++) gate.record(refused(500), at)
  const lengths = Array.from({ length: 7 }, () => {
    at = gate.opensAt(subscription, at)
    const change = gate.record({ kind: 'failed', errorClass: 'connect', error: '', durationMs: 1 }, at)
    assert.equal(change.kind, 'paused')
    return change.kind === 'paused' ? (change.until - at) / 1000 : 0
  })
  assert.deepEqual(lengths, [60, 120, 240, 480, 600, 600, 600])
})

test('a success in between starts the count anew', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 0; n < 20; n++) {
    assert.equal(gate.record(n % 4 === 3 ? success : refused(500), now).kind, 'none')
  }
})

test('ten failures in a row are told once, with the circuit off too', () => {
  const gate = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  const told = Array.from({ length: 30 }, () => gate.record(refused(500), now).kind)
  assert.deepEqual(
    told.filter(kind => kind !== 'none'),
    ['failing'],
  )
  assert.equal(told.indexOf('failing'), 9)
  assert.deepEqual(gate.record(success, now), { kind: 'recovered' })
})

test('Retry-After of a 429 or 503 pauses the receiver; that of another status does not', () => {
  for (const status of [429, 503]) {
    const gate = new ReceiverThrottle(circuit)
    assert.deepEqual(gate.record(refused(status, '120'), now), {
      kind: 'paused',
      until: now + 120_000,
      reason: 'retry_after',
    })
    assert.equal(gate.opensAt(subscription, now), now + 120_000)
  }
  assert.deepEqual(new ReceiverThrottle(circuit).record(refused(400, '120'), now), { kind: 'none' })
})

test('429, 502, 503 and 504 halve the requests in flight, and successes win them back', () => {
  for (const status of [429, 502, 503, 504]) {
    const gate = new ReceiverThrottle(circuit)
    gate.record(refused(status), now)
    assert.equal(gate.cap(10), 5)
    gate.record(refused(status), now)
    assert.equal(gate.cap(10), 2)
    for (let n = 0; n < 20; n++) gate.record(success, now)
    assert.equal(gate.cap(10), 10)
  }
  const gate = new ReceiverThrottle(circuit)
  gate.record(refused(500), now)
  assert.equal(gate.cap(10), 10)
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
    assert.equal(
      gate.record({ kind: 'failed', errorClass: 'proxy', error: '', durationMs: 1 }, now).kind,
      'none',
    )
  }
})

test('after ten failures in a row attempts begin 20 ms apart, and one success lifts that', () => {
  const gate = new ReceiverThrottle({ failures: 0, cooldownMs: 1000 })
  for (let n = 1; n <= 9; n++) {
    gate.begin(subscription, now)
    gate.record(refused(500), now)
    assert.ok(gate.opensAt(subscription, now) <= now, `after ${n}`)
  }
  gate.begin(subscription, now)
  gate.record(refused(500), now)
  assert.equal(gate.opensAt(subscription, now), now + 20)
  assert.ok(gate.opensAt(subscription, now + 20) <= now + 20)
  gate.begin(subscription, now + 20)
  assert.equal(gate.opensAt(subscription, now + 20), now + 40)
  gate.record(success, now + 21)
  assert.ok(gate.opensAt(subscription, now + 21) <= now + 21)
  assert.ok(gate.isIdle(now + 21))
})

test('failures of our own proxy are paced like others', () => {
  const gate = new ReceiverThrottle(circuit)
  for (let n = 0; n < 10; n++) {
    gate.begin(subscription, now)
    gate.record({ kind: 'failed', errorClass: 'proxy', error: '', durationMs: 1 }, now)
  }
  assert.equal(gate.opensAt(subscription, now), now + 20)
  assert.ok(!gate.isIdle(now))
})
