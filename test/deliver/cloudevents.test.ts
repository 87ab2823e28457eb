import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudEvent, HTTP } from 'cloudevents'
import { describeMore } from '../../src/deliver/extras.ts'
import { inFormat } from '../../src/deliver/formats.ts'
import type { LoadedDelivery } from '../../src/deliver/message.ts'
import type { DeliveryContent } from '../../src/model/delivery.ts'
import { uuidTime } from '../../src/platform/id.ts'
import { type CloudEventsFields, openCloudEvents } from '../../src/subscriptions/cloudevents-fields.ts'
import { fields } from '../support/message.ts'
import { newId } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const webhookId = newId()
const time = new Date(uuidTime(webhookId)).toISOString()

type Mode = 'cloudevents-structured' | 'cloudevents-binary'

function loaded(
  format: Mode,
  changes: Partial<DeliveryContent>,
  attributes: CloudEventsFields,
): LoadedDelivery {
  const extras = {
    ...{ cloudEvents: openCloudEvents(attributes), headers: [] },
    ...{ messageSignature: null, customSignature: null, usesMetadata: false },
  }
  const content = {
    ...{ eventType: 'order.paid', contentType: 'application/json', payload: Buffer.from('{"total":7}') },
    ...changes,
  }
  const to = aSubscription({ tenant: 'acme', format, extras })
  return { delivery: { webhookId, attempt: 1 }, to, content }
}

/** What a receiver gets: headers and body. */
function sent(format: Mode, changes: Partial<DeliveryContent> = {}, attributes: CloudEventsFields = {}) {
  const message = inFormat(loaded(format, changes, attributes))
  assert.ok(message.to.extras)
  const { contentType, contentEncoding, payload } = message.content
  const more = fields(describeMore(message, message.to.extras, 0))
  const headers: Record<string, string> = { 'content-type': contentType, ...more }
  if (contentEncoding) headers['content-encoding'] = contentEncoding
  return { headers, body: payload.toString(), payload }
}

/** The same read by the SDK of CloudEvents, which checks it. */
function read(message: {
  readonly headers: Record<string, string>
  readonly body: string
}): CloudEvent<unknown> {
  assert.ok(HTTP.isEvent(message))
  const event = HTTP.toEvent<unknown>(message)
  assert.ok(event instanceof CloudEvent)
  assert.equal(event.validate(), true)
  return event
}

const both = ['cloudevents-structured', 'cloudevents-binary'] as const

test('an event is a CloudEvent in both modes', () => {
  for (const mode of both) {
    const event = read(sent(mode))
    const { id, source, type, specversion, datacontenttype, subject } = event
    assert.deepEqual([id, source, type, specversion], [webhookId, '/tenants/acme', 'order.paid', '1.0'])
    assert.deepEqual([event.time, datacontenttype, subject], [time, 'application/json', undefined])
    assert.deepEqual(event.data, { total: 7 })
  }
})

test('the body of the binary mode is the payload as it came; that of the structured mode holds it as it came', () => {
  const payload = Buffer.from('{ "b":1.10,\r\n"a":12345678901234567890}')
  assert.deepEqual(sent('cloudevents-binary', { payload }).payload, payload)
  const { body } = sent('cloudevents-structured', { payload })
  assert.ok(body.includes(`"data":${payload}`), body)
  assert.doesNotThrow(() => JSON.parse(body))
})

test('attributes are those that the subscription says, and without a value none is sent', () => {
  const attributes = {
    source: 'https://shop.example.com/{metadata.shop}',
    type: 'com.example.{event_type}',
    subject: '{metadata.order}',
    extensions: { tenantid: '{tenant}', nothing: '{metadata.none}' },
  }
  for (const mode of both) {
    const event = read(sent(mode, { metadata: { shop: 'a b/c', order: 'o-7' } }, attributes))
    // The SDK leaves it to its user to decode what the HTTP binding encodes (3.1.3.2), `%` among it.
    const source = mode === 'cloudevents-binary' ? decodeURIComponent(event.source) : event.source
    assert.equal(source, 'https://shop.example.com/a%20b%2Fc')
    assert.deepEqual([event.type, event.subject, event.tenantid], ['com.example.order.paid', 'o-7', 'acme'])
    assert.equal('nothing' in event, false)
    const without = read(sent(mode, { metadata: null }, attributes))
    assert.equal(without.subject, undefined)
  }
})

test('an event without a type or a payload is one all the same', () => {
  for (const mode of both) {
    const event = read(sent(mode, { eventType: null, payload: Buffer.alloc(0) }, { type: '{event_type}' }))
    assert.deepEqual([event.type, event.data || undefined], ['webhook.event', undefined])
  }
})

test('structured: text is a string, other bytes are base64, and so is what is not what it says', () => {
  const dataOf = (payload: string | Buffer, contentType: string, contentEncoding?: string) => {
    const changes = { payload: Buffer.from(payload), contentType, contentEncoding: contentEncoding ?? null }
    const { body } = sent('cloudevents-structured', changes)
    const { data, data_base64: base64, contentencoding, datacontenttype } = JSON.parse(body)
    assert.equal(datacontenttype, contentType)
    return { data, base64: base64 && Buffer.from(base64, 'base64'), contentencoding }
  }
  const none = { base64: undefined, contentencoding: undefined }
  assert.deepEqual(dataOf('a "b"\n', 'text/plain'), { ...none, data: 'a "b"\n' })
  assert.deepEqual(dataOf('a=1&b=2', 'application/x-www-form-urlencoded'), { ...none, data: 'a=1&b=2' })
  assert.deepEqual(dataOf('<a/>', 'application/soap+xml; charset="utf-8"'), { ...none, data: '<a/>' })
  assert.deepEqual(dataOf('\ufeff[1]', 'application/vnd.x+json'), { ...none, data: [1] })
  const bytes = Buffer.from([0xff, 0, 1])
  for (const type of [
    'application/octet-stream',
    'text/plain',
    'application/json',
    'text/xml; charset=utf-16',
  ]) {
    assert.deepEqual(dataOf(bytes, type).base64, bytes, type)
  }
  assert.deepEqual(dataOf('{no', 'application/json').base64, Buffer.from('{no'))
  assert.deepEqual(dataOf('[1]', 'application/octet-stream').base64, Buffer.from('[1]'))
  const zipped = dataOf(bytes, 'application/json', 'gzip')
  assert.deepEqual([zipped.base64, zipped.contentencoding, zipped.data], [bytes, 'gzip', undefined])
  assert.equal(
    sent('cloudevents-structured', { contentEncoding: 'gzip' }).headers['content-encoding'],
    undefined,
  )
  assert.equal(sent('cloudevents-binary', { contentEncoding: 'gzip' }).headers['content-encoding'], 'gzip')
})

test('attributes hold no control characters, and in headers only visible ASCII', () => {
  const changes = { eventType: 'a"b\u0007 ü%', metadata: { order: 'x\r\nce-id: other' } }
  const binary = sent('cloudevents-binary', changes, { subject: '{metadata.order}' })
  assert.equal(binary.headers['ce-type'], 'a%22b%EF%BF%BD%20%C3%BC%25')
  assert.equal(binary.headers['ce-subject'], 'x%EF%BF%BD%EF%BF%BDce-id:%20other')
  assert.equal(binary.headers['ce-id'], webhookId)
  assert.equal(read(sent('cloudevents-structured', changes)).type, 'a"b\ufffd ü%')
})
