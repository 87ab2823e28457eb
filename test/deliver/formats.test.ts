import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inFormat } from '../../src/deliver/formats.ts'
import type { DeliveryContent } from '../../src/model/delivery.ts'
import { newId } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const webhookId = newId()

function sent(
  payload: string | Buffer,
  changes: Partial<DeliveryContent> = {},
  format: 'raw' | 'slack' = 'slack',
) {
  const content = {
    ...{ eventType: 'order.paid', contentType: 'application/json', payload: Buffer.from(payload) },
    ...changes,
  }
  const delivery = {
    ...{ webhookId, subscriptionId: 1, attempt: 1, attemptsBefore: 0, since: 0, sizeBytes: 0, dueAt: 0 },
    ...{ content: null, lane: null },
  }
  return inFormat({ delivery, to: aSubscription({ format }), content }).content
}

/** What Slack shows. */
function shown(payload: string | Buffer, changes: Partial<DeliveryContent> = {}): string {
  const content = sent(payload, changes)
  assert.equal(content.contentType, 'application/json')
  assert.equal(content.contentEncoding ?? null, null)
  const body = JSON.parse(content.payload.toString())
  assert.deepEqual(Object.keys(body), ['text'], 'Slack refuses what it does not know')
  return body.text
}

test('a subscription gets the bytes as they came unless it asks for something else', () => {
  const payload = Buffer.from('{ "b":1,\r\n"a":2}')
  const content = sent(payload, { contentEncoding: 'gzip' }, 'raw')
  assert.deepEqual([content.payload, content.contentEncoding], [payload, 'gzip'])
})

test('Slack gets the subject and the text of a system event, its own three characters escaped', () => {
  const data = { tenant: 'acme', subject: 'Disabled: <b>', text: 'It & its\nsecond line' }
  const payload = JSON.stringify({ type: 'subscription.disabled', timestamp: '2026-03-01T12:00:00Z', data })
  assert.equal(shown(payload), '*Disabled: &lt;b&gt;*\nIt &amp; its\nsecond line')
})

test('Slack gets the text of JSON that has one, else the type and the beginning of the body', () => {
  assert.equal(shown('{"text":"Hello <world>","blocks":[]}'), 'Hello &lt;world&gt;')
  assert.equal(shown('{"total":7}'), `*order.paid* ${webhookId}\n\`\`\`{"total":7}\`\`\``)
  assert.equal(
    shown('a ``` b', { contentType: 'text/plain' }),
    `*order.paid* ${webhookId}\n\`\`\`a ''' b\`\`\``,
  )
  assert.equal(shown('null', { eventType: null }), `*event* ${webhookId}\n\`\`\`null\`\`\``)
  assert.ok(shown(`"${'x'.repeat(10_000)}"`).length < 3200)
})

test('Slack gets the length of what is no text, or is compressed', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00])
  const words = (type: string) => `*order.paid* ${webhookId}\n3 bytes of ${type}`
  assert.equal(shown(bytes, { contentType: 'image/png' }), words('image/png'))
  assert.equal(shown('abc', { contentEncoding: 'gzip' }), words('application/json'))
})

test('what cuts a character of two units in two is still sent', () => {
  assert.doesNotThrow(() => shown(`{"text":"${'x'.repeat(2999)}😀😀"}`))
  assert.match(shown(`{"text":"${'x'.repeat(2999)}😀😀"}`), /x�…$/)
})
