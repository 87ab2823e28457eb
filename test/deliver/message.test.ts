import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorize, describe, type LoadedDelivery, sign } from '../../src/deliver/message.ts'
import type { DeliveryContent } from '../../src/model/delivery.ts'
import { headersOf } from '../../src/subscriptions/signing.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { noon } from '../support/clock.ts'
import { newId } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const webhookId = newId()

function loaded(rules: Partial<Subscription> = {}, changes: Partial<DeliveryContent> = {}): LoadedDelivery {
  const content = { eventType: null, contentType: 'text/plain', payload: Buffer.from('hello'), ...changes }
  const delivery = {
    webhookId,
    subscriptionId: 1,
    attempt: 3,
    attemptsBefore: 2,
    since: noon,
    sizeBytes: 5,
    dueAt: noon,
    content,
    lane: null,
  }
  return { delivery, to: aSubscription(rules), content }
}

/** Names and values, as receivers see them. */
function fields(headers: readonly string[]): Readonly<Record<string, string>> {
  const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : []))
  return Object.fromEntries(pairs)
}

test('a subscription authorizes itself with its own headers', () => {
  const headers = ['authorization', 'Bearer hush']
  assert.deepEqual(authorize(loaded({ headers })), headers)
})

test('a message says what it is, and only what is known of it', () => {
  const usual = { 'content-type': 'text/plain', 'user-agent': 'test/1', 'accept-encoding': 'identity' }
  assert.deepEqual(fields(describe(loaded(), 'test/1')), usual)
  const rules = { signingHeaders: headersOf({ headers: { attempt: 'webhook-attempt' } }) }
  const all = describe(
    loaded(rules, { eventType: 'order.created', contentEncoding: 'gzip', hops: 2 }),
    'test/1',
  )
  assert.deepEqual(fields(all), {
    ...usual,
    'webhook-attempt': '3',
    'content-encoding': 'gzip',
    'x-event-type': 'order.created',
    'webhook-hop': '2',
  })
})

test('a signature is of the id, the second of this attempt and the body, under the names of the subscription', () => {
  const signingHeaders = headersOf({ headers: { id: 'x-id', timestamp: 'x-time', signature: 'x-signature' } })
  const headers = fields(sign(loaded({ signingHeaders }), noon + 999))
  assert.deepEqual(Object.keys(headers), ['x-id', 'x-time', 'x-signature'])
  assert.deepEqual([headers['x-id'], headers['x-time']], [webhookId, String(noon / 1000)])
  assert.match(headers['x-signature'] ?? '', /^v1,/)
  const unsigned = sign(loaded({ signingKeys: [] }), noon)
  assert.deepEqual(unsigned, ['webhook-id', webhookId, 'webhook-timestamp', String(noon / 1000)])
})
