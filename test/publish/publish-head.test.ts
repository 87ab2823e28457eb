import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { readPublishHead } from '../../src/publish/publish-head.ts'
import { noon } from '../support/clock.ts'

const hourMs = 3_600_000
const time = (ms: number) => new Date(ms).toISOString()

function head(headers: Record<string, string> = {}, query: unknown = {}) {
  return readPublishHead(headers, query, noon)
}

/** The fields that a refusal names. */
function faults(headers: Record<string, string>, query: unknown = {}): readonly string[] {
  try {
    head(headers, query)
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'validation_failed')
    return (error.errors ?? []).map(({ pointer }) => pointer)
  }
  return []
}

test('an event of which nothing is said has nothing of it', () => {
  assert.deepEqual(head(), {
    tenant: undefined,
    eventType: null,
    channels: [],
    eventId: null,
    idempotencyKey: null,
    deliverAt: null,
    deliverAtText: null,
    metadata: null,
    to: null,
  })
})

test('what is there and empty is refused where the event would go to others, or lose its name or its time', () => {
  for (const name of ['tenant', 'to', 'event_id', 'deliver_at'])
    assert.deepEqual(faults({}, { [name]: '' }), [name])
  for (const name of ['X-Tenant', 'X-Event-Id', 'X-Deliver-At'])
    assert.deepEqual(faults({ [name.toLowerCase()]: '' }), [name])
  const { eventType, channels } = head({ 'x-event-type': '', 'x-channels': '' })
  assert.deepEqual([eventType, channels], [null, []])
})

test('the same can be said with headers and with parameters', () => {
  const headers = {
    'x-event-type': 'order.paid',
    'x-tenant': 'acme',
    'x-channels': 'europe, vip,europe',
    'x-event-id': 'order-1:paid',
    'x-deliver-at': time(noon + hourMs),
  }
  const query = {
    event_type: 'order.paid',
    tenant: 'acme',
    channels: 'europe,vip',
    event_id: 'order-1:paid',
    deliver_at: time(noon + hourMs),
  }
  const said = {
    tenant: 'acme',
    eventType: 'order.paid',
    channels: ['europe', 'vip'],
    eventId: 'order-1:paid',
    idempotencyKey: null,
    deliverAt: noon + hourMs,
    deliverAtText: time(noon + hourMs),
    metadata: null,
    to: null,
  }
  assert.deepEqual(head(headers), said)
  assert.deepEqual(head({}, query), said)
})

test('header and parameter that differ are refused, and both are named', () => {
  assert.deepEqual(head({ 'x-event-type': 'a' }, { event_type: 'a' }).eventType, 'a')
  assert.deepEqual(faults({ 'x-event-type': 'a' }, { event_type: 'b' }), ['event_type', 'X-Event-Type'])
  assert.deepEqual(faults({ 'x-tenant': 'a' }, { tenant: 'b' }), ['tenant', 'X-Tenant'])
})

test('a parameter that there is not, or that comes twice, is refused', () => {
  assert.deepEqual(faults({}, { event_typ: 'a', chanels: 'b' }), ['event_typ', 'chanels'])
  assert.deepEqual(faults({}, { tenant: ['a', 'b'] }), ['tenant'])
  assert.deepEqual(faults({}, { constructor: 'a' }), ['constructor'])
})

test('what is not allowed is refused under the name that the sender gave it', () => {
  assert.deepEqual(faults({ 'x-event-type': 'order paid' }), ['X-Event-Type'])
  assert.deepEqual(faults({}, { event_type: 'a'.repeat(129) }), ['event_type'])
  assert.deepEqual(faults({ 'x-tenant': 'Acme' }), ['X-Tenant'])
  assert.deepEqual(faults({}, { channels: 'a,,b' }), ['channels'])
  assert.deepEqual(faults({}, { channels: 'a b' }), ['channels'])
  assert.deepEqual(faults({}, { channels: Array.from({ length: 21 }, (_, n) => n).join() }), ['channels'])
  assert.deepEqual(faults({}, { event_id: 'a'.repeat(256) }), ['event_id'])
})

test('a time that is over means now, and one more than a year ahead is refused', () => {
  assert.equal(head({ 'x-deliver-at': time(noon - hourMs) }).deliverAt, null)
  assert.equal(head({ 'x-deliver-at': time(noon) }).deliverAt, null)
  const yearMs = 366 * 24 * hourMs
  assert.equal(head({ 'x-deliver-at': time(noon + yearMs) }).deliverAt, noon + yearMs)
  assert.deepEqual(faults({ 'x-deliver-at': time(noon + yearMs + 1) }), ['X-Deliver-At'])
})

test('a time has a day that exists, and its offset', () => {
  const at = (text: string) => head({}, { deliver_at: text }).deliverAt
  const day = time(noon + 24 * hourMs).slice(0, 10)
  assert.equal(at(`${day}T02:30:00.25+01:30`), Date.parse(`${day}T01:00:00.250Z`))
  assert.equal(at(`${day}t01:00:00z`), Date.parse(`${day}T01:00:00Z`))
  for (const text of [
    day,
    `${day}T01:00:00`,
    `${day}T25:00:00Z`,
    '1800000000',
    'tomorrow',
    '2027-02-30T00:00:00Z',
  ])
    assert.deepEqual(faults({}, { deliver_at: text }), ['deliver_at'], text)
})

test('metadata is what the headers X-Metadata-* say, in bounds', () => {
  assert.deepEqual(head({ 'x-metadata-region': 'eu', 'x-metadata-__proto__': 'x' }).metadata, {
    region: 'eu',
    ['__proto__']: 'x',
  })
  assert.deepEqual(faults({ 'x-metadata-': 'eu' }), ['X-Metadata-'])
  assert.deepEqual(faults({ 'x-metadata-a': 'x'.repeat(501) }), ['X-Metadata-a'])
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x-metadata-${n}`, 'x']))
  assert.deepEqual(faults(many), ['X-Metadata-*'])
})

test('a number is an id, anything else a uid, and uid: says that a number is one', () => {
  const to = (text: string) => head({}, { to: text }).to
  assert.deepEqual(['7', 'uid:7', 'customer-7', '99999999999', 'uid:a:b'].map(to), [
    7,
    '7',
    'customer-7',
    '99999999999',
    'a:b',
  ])
  assert.deepEqual(faults({}, { to: 'uid:' }), ['to'])
  assert.deepEqual(faults({}, { to: 'a\u0000' }), ['to'])
})
