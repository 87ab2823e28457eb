import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wants } from '../../src/subscriptions/subscription.ts'
import { aSubscription } from '../support/subscription.ts'

test('a subscription that lists no types wants everything', () => {
  const subscription = aSubscription({ eventTypes: null })
  for (const type of [null, 'order.created', '']) assert.equal(wants(subscription, type), true)
})

test('a subscription that lists types wants exactly those', () => {
  const subscription = aSubscription({ eventTypes: new Set(['order.created', 'user.updated']) })
  assert.equal(wants(subscription, 'order.created'), true)
  for (const type of [null, 'order', 'order.created.eu', 'ORDER.CREATED', '']) {
    assert.equal(wants(subscription, type), false, String(type))
  }
})
