import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subscription } from '../../../../ui/src/api/schema.ts'
import { headersOf } from '../../../../ui/src/parts/header-lines.ts'
import { type Extras, extrasOf, noExtras } from '../../../../ui/src/parts/subscription-extras.ts'
import { extrasBody } from '../../../../ui/src/parts/subscription-extras-body.ts'

/** The settings that the form reads, as the service answers them. */
function subscription(fields: Partial<Subscription> = {}): Subscription {
  return {
    ...{ ordered: false, ordering_key: null, format: 'raw', cloudevents: null, header_templates: {} },
    ...{ auth: { type: 'none' }, inbound: null },
    signing: { scheme: 'v1', headers: {}, message_signature: null, custom: null },
    ...fields,
  } as Subscription
}

function changed(fields: Partial<Subscription>, change: (before: Extras) => Partial<Extras>) {
  const before = extrasOf(subscription(fields))
  return extrasBody({ ...before, ...change(before) }, before)
}

test('what nobody has touched is not sent, so that what the form does not know stays', () => {
  assert.deepEqual(extrasBody(noExtras, noExtras), {})
  const full: Partial<Subscription> = {
    ordering_key: 'payload.customer.id',
    format: 'cloudevents-binary',
    cloudevents: { source: '/shop', extensions: { shop: '{tenant}' } },
    header_templates: { 'X-Order': '{metadata.order}' },
    auth: { type: 'basic', username: 'shop', password: '********', ca: 'PEM' },
    inbound: {
      ...{ preset: 'github', secrets: ['********'], tolerance_seconds: null, dedupe: ['header:x-id'] },
      require_signature: true,
    },
  }
  assert.deepEqual(
    changed(full, () => ({})),
    {},
  )
})

test('a secret that is stored stays where its field is empty, and only with the type that it is of', () => {
  const auth = { type: 'basic', username: 'shop', password: '********' } as const
  const tls = { certificate: null, key: null, ca: null }
  assert.deepEqual(
    changed({ auth }, before => ({ auth: { ...before.auth, username: 'store' } })),
    { auth: { type: 'basic', username: 'store', ...tls } },
  )
  assert.deepEqual(
    changed({ auth }, before => ({ auth: { ...before.auth, password: ' new ' } })),
    { auth: { type: 'basic', username: 'shop', password: ' new ', ...tls } },
  )
  assert.deepEqual(
    changed({ auth }, before => ({ auth: { ...before.auth, type: 'bearer' } })),
    { auth: { type: 'bearer', token: null, ...tls } },
  )
})

test('a private key stays with another certificate and another type, and goes with its certificate', () => {
  const auth = { type: 'mtls', certificate: 'one', key: '********' } as const
  assert.deepEqual(
    changed({ auth }, before => ({
      auth: { ...before.auth, type: 'bearer', token: 't', certificate: 'two' },
    })),
    { auth: { type: 'bearer', token: 't', certificate: 'two', ca: null } },
  )
  assert.deepEqual(
    changed({ auth }, before => ({ auth: { ...before.auth, type: 'none', certificate: '' } })),
    { auth: { type: 'none', certificate: null, key: null, ca: null } },
  )
})

test('what was taken away is named, as a change leaves what it does not name', () => {
  const header_templates = { 'X-One': '{id}', 'X-Two': '{tenant}' }
  assert.deepEqual(
    changed({ header_templates }, () => ({ header_templates: 'X-Two: {event_type}: {id}' })),
    { header_templates: { 'X-Two': '{event_type}: {id}', 'X-One': null } },
  )
  assert.deepEqual(
    changed({ header_templates }, () => ({ header_templates: ' \n' })),
    { header_templates: null },
  )
})

test('secrets of another provider are not kept, and a new one may stand beside those there are', () => {
  const inbound = {
    ...{ preset: 'github', secrets: ['********', '********'], tolerance_seconds: null, dedupe: null },
    require_signature: true,
  }
  const rest = { tolerance_seconds: null, require_signature: true, dedupe: null }
  assert.deepEqual(
    changed({ inbound }, before => ({ inbound: { ...before.inbound, secret: 'new', beside: true } })),
    { inbound: { preset: 'github', secrets: ['********', '********', 'new'], ...rest } },
  )
  assert.deepEqual(
    changed({ inbound }, before => ({ inbound: { ...before.inbound, require_signature: false } })),
    { inbound: { preset: 'github', ...rest, require_signature: false } },
  )
  assert.deepEqual(
    changed({ inbound }, before => ({ inbound: { ...before.inbound, preset: 'none' } })),
    { inbound: { preset: 'none', secrets: [], ...rest } },
  )
})

test('the order is by key, of all, or none', () => {
  assert.deepEqual(
    changed({ ordered: true }, () => ({ order: 'key', ordering_key: ' payload.id ' })),
    { ordered: false, ordering_key: 'payload.id' },
  )
  assert.deepEqual(
    changed({ ordering_key: 'subject' }, () => ({ order: 'all' })),
    { ordered: true, ordering_key: null },
  )
  const fault = changed({}, () => ({ order: 'key' }))
  assert.equal('field' in fault && fault.field, 'ordering_key')
})

test('a line without a colon is no header', () => {
  assert.match(String(headersOf('X-Order {id}')), /no colon/)
  assert.deepEqual(headersOf('X-Time: {timestamp}:{id}\n\n'), { 'X-Time': '{timestamp}:{id}' })
})
