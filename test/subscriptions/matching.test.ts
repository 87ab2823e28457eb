import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isPattern, segmentsOf } from '../../src/subscriptions/event-type-pattern.ts'
import { type EventToMatch, wants, whyUnmatched } from '../../src/subscriptions/matching.ts'
import { aFilter, filters, inputs } from '../support/filters.ts'
import { aSubscription } from '../support/subscription.ts'

function anEvent(
  eventType: string | null,
  event: { readonly channels?: readonly string[]; readonly payload?: string } = {},
): EventToMatch {
  const { channels = [], payload = '' } = event
  return { tenant: 'default', eventType, channels, payload: Buffer.from(payload), headers: {}, metadata: {} }
}

/** A subscription that lists these types. */
const ofTypes = (...types: readonly string[]) =>
  aSubscription({
    eventTypes: new Set(types),
    eventTypePatterns: types.filter(isPattern).map(segmentsOf),
  })

test('a subscription that lists no types wants everything', () => {
  for (const type of [null, 'order.created', '']) assert.equal(wants(aSubscription(), anEvent(type)), true)
})

test('a subscription that lists types wants exactly those', () => {
  const subscription = ofTypes('order.created')
  assert.equal(wants(subscription, anEvent('order.created')), true)
  for (const type of ['order.paid', 'order', 'ORDER.CREATED', '', null]) {
    assert.equal(wants(subscription, anEvent(type)), false, String(type))
  }
})

test('a star stands for one segment, at the end for one or more, and alone for every event', () => {
  const fits = (pattern: string, type: string | null) => wants(ofTypes(pattern), anEvent(type))
  for (const type of ['order.paid', 'order.item.added']) assert.equal(fits('order.*', type), true, type)
  for (const type of ['order', 'orders.paid', 'an.order.paid', null])
    assert.equal(fits('order.*', type), false, String(type))
  assert.equal(fits('order.*.paid', 'order.eu.paid'), true)
  for (const type of ['order.paid', 'order.eu.de.paid', 'order.eu.paid.late'])
    assert.equal(fits('order.*.paid', type), false, type)
  assert.equal(fits('*.paid', 'order.paid'), true)
  for (const type of ['a', 'a.b.c', null]) assert.equal(fits('*', type), true, String(type))
  assert.equal(fits('*.*', 'a'), false)
})

test('why an event does not match is told with what it lacks', () => {
  const subscription = aSubscription({
    eventTypes: new Set(['order.paid']),
    channels: new Set(['eu', 'us']),
    filter: aFilter({ payload: { total: { $gte: 100 } } }),
  })
  assert.deepEqual(whyUnmatched(subscription, anEvent(null)), {
    reason: 'event_type',
    detail: 'The event has no type; the subscription wants order.paid.',
  })
  assert.deepEqual(whyUnmatched(subscription, anEvent('order.paid', { channels: ['asia'] })), {
    reason: 'channel',
    detail: 'The event has the channels asia; the subscription wants one of eu, us.',
  })
  const cheap = anEvent('order.paid', { channels: ['eu'], payload: '{"total":20}' })
  assert.deepEqual(whyUnmatched(subscription, cheap), {
    reason: 'filter',
    detail: '/payload/total/$gte of the filter does not hold: $gte 100.',
    pointer: '/payload/total/$gte',
    clause: '$gte 100',
    value: 20,
    holds: false,
  })
  const dear = anEvent('order.paid', { channels: ['eu'], payload: '{"total":200}' })
  assert.equal(whyUnmatched(subscription, dear), undefined)
  assert.equal(whyUnmatched({ ...subscription, disabled: true }, dear)?.reason, 'disabled')
  assert.equal(whyUnmatched({ ...subscription, paused: true }, dear), undefined)
})

test('there is a reason exactly where a filter does not match', () => {
  fc.assert(
    fc.property(filters, inputs, (value, fields) => {
      const subscription = aSubscription({ filter: aFilter(value) })
      const matches = subscription.filter?.matches(fields)
      assert.equal(whyUnmatched(subscription, anEvent(fields.eventType), fields) === undefined, matches)
    }),
    { numRuns: 5000 },
  )
})
