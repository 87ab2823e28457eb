import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf, type StreamFilter, wants } from '../../src/live/filter.ts'
import { Reach } from '../../src/model/caller.ts'
import { type LiveItem, liveKinds } from '../../src/model/live-source.ts'
import { newId } from '../support/rows.ts'

const all: StreamFilter = {
  reach: Reach.all,
  kinds: liveKinds,
  subscriptionId: undefined,
  eventType: undefined,
  status: undefined,
}

function item(changes: Partial<LiveItem> = {}): LiveItem {
  return {
    ...{ id: newId(), kind: 'attempt', tenant: 'blue', subscriptionIds: [1], eventType: 'order.paid' },
    ...{ status: 'failed', data: {} },
    ...changes,
  }
}

const takes = (filter: Partial<StreamFilter>, changes: Partial<LiveItem> = {}) =>
  wants({ ...all, ...filter })(item(changes))

test('a tenant sees its own, and nothing whose tenant is not known', () => {
  const blue = { reach: Reach.of('blue') }
  assert.equal(takes(blue), true)
  assert.equal(takes(blue, { tenant: 'red' }), false)
  assert.equal(takes(blue, { tenant: null }), false)
  assert.equal(takes({}, { tenant: null }), true)
})

test('each filter leaves out what it does not name', () => {
  assert.equal(takes({ kinds: ['accepted'] }), false)
  assert.equal(takes({ subscriptionId: 1 }), true)
  assert.equal(takes({ subscriptionId: 2 }), false)
  assert.equal(takes({ status: 'success' }), false)
  assert.equal(takes({ status: 'failed' }, { kind: 'accepted', status: null }), false)
})

test('an event type is exact, or a pattern as subscriptions have it', () => {
  assert.equal(takes({ eventType: 'order.paid' }), true)
  assert.equal(takes({ eventType: 'order' }), false)
  assert.equal(takes({ eventType: 'order.*' }), true)
  assert.equal(takes({ eventType: '*' }, { eventType: null }), false)
})

test('readers share what they are sent only when they want the same', () => {
  const keys = [
    all,
    { ...all, reach: Reach.of('blue') },
    { ...all, kinds: ['attempt'] as const },
    { ...all, subscriptionId: 1 },
    { ...all, eventType: 'a' },
    { ...all, status: 'failed' as const },
  ].map(keyOf)
  assert.equal(new Set(keys).size, keys.length)
  assert.equal(keyOf({ ...all, kinds: liveKinds.toReversed() }), keyOf(all))
})
