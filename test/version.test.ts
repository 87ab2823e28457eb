import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHops } from '../src/ingest/envelope.ts'
import { userAgent, version } from '../src/version.ts'

test('deliveries name the product, its version, and whom to ask', () => {
  assert.equal(userAgent(''), `webhook-delivery-service/${version}`)
  const named = userAgent('https://example.com/webhooks')
  assert.equal(named, `webhook-delivery-service/${version} (+https://example.com/webhooks)`)
})

test('a delivery is known as ours, with a contact or without: circles are found by it', () => {
  for (const contact of ['', 'mailto:ops@example.com']) {
    assert.equal(readHops({ 'user-agent': userAgent(contact), 'webhook-hop': '3' }), 4)
  }
})
