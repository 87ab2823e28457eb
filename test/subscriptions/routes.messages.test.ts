import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { after, test } from 'node:test'
import { CloudEvent, HTTP } from 'cloudevents'
import { createVerifier, httpbis } from 'http-message-signatures'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import { presetOf } from '../../src/sources/presets.ts'
import { verifyRequest } from '../../src/sources/verify.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { testServer } from '../support/server.ts'
import { startTokenEndpoint } from '../support/token-endpoint.ts'

// What subscriptions ask for of their messages: it is set over the API, and tried with `/subscriptions/{id}/test`.

const server = await testServer()
const receiver = await startReceiver()
const target_url = `${receiver.origin}/hooks?a=1`
after(async () => {
  await server[Symbol.asyncDispose]()
  await receiver.close()
})

interface Made {
  readonly id: number
  readonly signing_secret: string
  readonly signing_public_key: string | null
  readonly signing: Record<string, unknown>
  readonly header_templates: object
  readonly cloudevents: object | null
}

async function make(body: object): Promise<Made> {
  const { status, json, text } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url, ...body },
  })
  assert.equal(status, 201, text)
  return json as Made // as openapi.json has it
}

/** Which fields are refused. */
async function refused(body: object): Promise<readonly string[]> {
  const { status, json, text } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url, ...body },
  })
  assert.equal(status, 422, text)
  return Object(json).errors.map(({ pointer }: { pointer: string }) => pointer)
}

/** What the receiver gets of a test. */
async function tried({ id }: { readonly id: number }, body: object = {}): Promise<Received> {
  const { status, json, text } = await server.request(`/subscriptions/${id}/test`, {
    method: 'POST',
    json: body,
  })
  assert.equal(status, 200, text)
  assert.equal(Object(json).delivered, true, text)
  const request = receiver.received.at(-1)
  assert.ok(request)
  return request
}

const headersOf = ({ headers }: Received) => headers as Record<string, string> // each comes once

test('CloudEvents: both forms, with attributes of the subscription', async () => {
  const cloudevents = {
    source: 'https://shop.test/{tenant}',
    type: 'test.shop.{event_type}',
    extensions: { team: 'a' },
  }
  for (const format of ['cloudevents-structured', 'cloudevents-binary']) {
    const made = await make({ format, cloudevents })
    assert.deepEqual(made.cloudevents, cloudevents)
    const { headers, body } = await tried(made, { event_type: 'order.paid', payload: { total: 7 } })
    const event = HTTP.toEvent<unknown>({ headers, body: body.toString() })
    assert.ok(event instanceof CloudEvent)
    assert.deepEqual(
      [event.source, event.type, event.team],
      ['https://shop.test/default', 'test.shop.order.paid', 'a'],
    )
    assert.deepEqual([event.id, event.data], [headers['webhook-id'], { total: 7 }])
    assert.equal(event.validate(), true)
  }
})

test('attributes of CloudEvents that could not be are refused', async () => {
  assert.deepEqual(await refused({ cloudevents: { source: 'a b' } }), ['/cloudevents/source'])
  assert.deepEqual(await refused({ cloudevents: { type: '{payload.type}' } }), ['/cloudevents/type'])
  assert.deepEqual(await refused({ cloudevents: { subject: 'a\n' } }), ['/cloudevents/subject'])
  for (const name of ['Team', 'my-name', 'id', 'data', 'datacontenttype', 'a'.repeat(21)]) {
    assert.deepEqual(await refused({ cloudevents: { extensions: { [name]: 'x' } } }), [
      `/cloudevents/extensions/${name}`,
    ])
  }
  assert.deepEqual(await refused({ cloudevents: { dataschema: 'x' } }), ['/cloudevents/dataschema'])
  const binary = { format: 'cloudevents-binary', cloudevents: { extensions: { team: 'a' } } }
  assert.deepEqual(await refused({ ...binary, headers: { 'CE-Team': 'b' } }), ['/headers/CE-Team'])
  assert.deepEqual(await refused({ ...binary, header_templates: { 'ce-id': 'b' } }), [
    '/header_templates/ce-id',
  ])
})

test('a merge patch changes one attribute, and takes one away', async () => {
  const { id } = await make({
    cloudevents: { source: '/a', subject: 'b', extensions: { one: '1', two: '2' } },
  })
  const patch = { cloudevents: { subject: null, extensions: { two: null, three: '3' } } }
  const { json } = await server.request(`/subscriptions/${id}`, { method: 'PATCH', json: patch })
  assert.deepEqual(Object(json).cloudevents, { source: '/a', extensions: { one: '1', three: '3' } })
  const none = await server.request(`/subscriptions/${id}`, { method: 'PATCH', json: { cloudevents: null } })
  assert.equal(Object(none.json).cloudevents, null)
})

test('headers are made of templates for each attempt, and one without a value is not sent', async () => {
  const header_templates = {
    'X-Kind': '{event_type} of {tenant}',
    'X-Try': '{attempt}{{}}',
    'X-Order': '{metadata.order}',
    'X-Time': '{timestamp}',
  }
  const made = await make({ header_templates, headers: { 'X-Fixed': 'fixed {id}' } })
  assert.deepEqual(made.header_templates, header_templates)
  const headers = headersOf(await tried(made, { event_type: 'order.paid' }))
  assert.deepEqual(
    [headers['x-kind'], headers['x-try'], headers['x-order']],
    ['order.paid of default', '1{}', undefined],
  )
  assert.equal(headers['x-time'], headers['webhook-timestamp'])
  assert.equal(headers['x-fixed'], 'fixed {id}', 'what is no template is sent as it is')
  const { json } = await server.request(`/subscriptions/${made.id}`, {
    method: 'PATCH',
    json: { header_templates: { 'x-kind': null, 'x-try': 'n' } },
  })
  assert.deepEqual(Object(json).header_templates, {
    'X-Order': '{metadata.order}',
    'X-Time': '{timestamp}',
    'x-try': 'n',
  })
})

test('a template cannot take a name that the service uses, nor hold what no header can', async () => {
  for (const name of [
    'Host',
    'content-length',
    'webhook-x',
    'Content-Type',
    'x-event-type',
    'a b',
    'X-Hub-Signature-256',
  ]) {
    assert.equal((await refused({ header_templates: { [name]: 'x' } })).length, 1, name)
  }
  for (const text of ['a\r\nb', '{body}', 'ü', '{id', '']) {
    assert.deepEqual(await refused({ header_templates: { 'x-a': text } }), ['/header_templates/x-a'], text)
  }
  assert.deepEqual(await refused({ headers: { 'X-A': '1' }, header_templates: { 'x-a': '2' } }), [
    '/header_templates/x-a',
  ])
  const bearer = { auth: { type: 'bearer', token: 'abc' }, header_templates: { Authorization: '{id}' } }
  assert.deepEqual(await refused(bearer), ['/header_templates/Authorization'])
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`x-${n}`, 'a']))
  assert.deepEqual(await refused({ header_templates: many }), ['/header_templates'])
})

test('RFC 9421 with the key pair whose public key is shown, and with the secret', async () => {
  const made = await make({
    signing: {
      scheme: ['v1', 'rfc9421-ed25519', 'rfc9421-hmac-sha256'],
      message_signature: { tag: 'hooks' },
    },
    header_templates: { 'X-Kind': '{event_type}' },
  })
  const { signing_public_key: publicKey, signing_secret: secret } = made
  assert.ok(publicKey)
  const x = Buffer.from(publicKey.slice('whpk_'.length), 'base64').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const hmac = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const verifiedBy: string[] = []
  const request = await tried(made)
  const isRight = await httpbis.verifyMessage(
    {
      keyLookup: async ({ keyid, alg, tag }) => {
        assert.equal(tag, 'hooks')
        verifiedBy.push(`${alg} ${keyid === publicKey ? 'public key' : keyid?.length}`)
        const verify =
          alg === 'ed25519' ? createVerifier(key, 'ed25519') : createVerifier(hmac, 'hmac-sha256')
        return { id: String(keyid), algs: [String(alg)], verify }
      },
      all: true,
      requiredFields: ['content-digest'],
    },
    { method: request.method, url: receiver.origin + request.path, headers: headersOf(request) },
  )
  assert.equal(isRight, true)
  assert.deepEqual(verifiedBy.sort(), ['ed25519 public key', 'hmac-sha256 16'])
  assert.match(String(request.headers['webhook-signature']), /^v1,/)
})

test('a team keeps the signature that its receivers know, and its secret', async () => {
  const secret = 'the secret of long ago'
  const custom = {
    ...{ content: '{timestamp}.{body}', header: 'Stripe-Signature' },
    ...{ value: 't={timestamp},{signatures}', entry: 'v1={signature}' },
  }
  const made = await make({ signing_secret: secret, signing: { scheme: 'custom', custom } })
  assert.deepEqual(made.signing.custom, {
    ...{ algorithm: 'hmac-sha256', encoding: 'hex', key: 'text', separator: ',' },
    ...custom,
  })
  const isTaken = (request: Received, secrets: readonly string[]) => {
    const preset = presetOf('stripe')
    assert.ok(preset)
    const { headers, body, method } = request
    const inbound = new InboundRequest({ headers, body, method, search: '' })
    return verifyRequest(preset.verification, inbound, { secrets, now: Date.now() }).kind
  }
  const request = await tried(made)
  assert.equal(isTaken(request, [secret]), 'verified')
  assert.equal(request.headers['webhook-signature'], undefined)
  const rotated = await server.request(`/subscriptions/${made.id}/rotate-secret`, {
    method: 'POST',
    json: { secret: 'the secret of today' },
  })
  assert.equal(rotated.status, 200, rotated.text)
  const both = await tried(made)
  for (const one of [secret, 'the secret of today']) assert.equal(isTaken(both, [one]), 'verified')
  const revealed = await server.request(`/subscriptions/${made.id}/reveal-secret`, { method: 'POST' })
  assert.deepEqual(Object(revealed.json).secrets[0].scheme, ['custom'])
})

test('a custom signature that could not be made is refused', async () => {
  const base = { content: '{body}', header: 'X-Sig' }
  const fault = (custom: object, more: object = {}) =>
    refused({ signing: { scheme: 'custom', custom, ...more } })
  assert.deepEqual(await refused({ signing: { scheme: 'custom' } }), ['/signing/custom'])
  assert.deepEqual(await fault({ content: '{body}' }), ['/signing/custom/header'])
  assert.deepEqual(await fault({ ...base, content: '{payload}' }), ['/signing/custom/content'])
  assert.deepEqual(await fault({ ...base, value: 'v1' }), ['/signing/custom/value'])
  assert.deepEqual(await fault({ ...base, value: '{signature}{signatures}' }), ['/signing/custom/value'])
  assert.deepEqual(await fault({ ...base, entry: 'v1' }), ['/signing/custom/entry'])
  assert.deepEqual(await fault({ ...base, header: 'Host' }), ['/signing/custom/header'])
  assert.deepEqual(await fault({ ...base, header: 'webhook-id' }), ['/signing/custom/header'])
  assert.deepEqual(await fault({ ...base, algorithm: 'md5' }), ['/signing/custom/algorithm'])
  assert.deepEqual(await fault({ ...base, value: 'a\n{signature}' }), ['/signing/custom/value'])
  assert.deepEqual(
    await refused({ signing: { scheme: 'custom', custom: base }, headers: { 'x-sig': 'a' } }),
    ['/headers/x-sig'],
  )
  const inHeader = (header: string) => ({ signing: { scheme: 'custom', custom: { ...base, header } } })
  const bearer = { ...inHeader('Authorization'), auth: { type: 'bearer', token: 'abc' } }
  assert.deepEqual(await refused(bearer), ['/signing/custom/header'])
  const binary = { ...inHeader('ce-id'), format: 'cloudevents-binary' }
  assert.deepEqual(await refused(binary), ['/signing/custom/header'])
  await make(inHeader('Authorization'))
  const rfc = (message_signature: object) =>
    refused({ signing: { scheme: 'rfc9421-ed25519', message_signature } })
  assert.deepEqual(await rfc({ components: ['@method'] }), ['/signing/message_signature/components'])
  assert.deepEqual(await rfc({ components: ['@status', 'content-digest', 'Date', 'host'] }), [
    ...['/signing/message_signature/components/0', '/signing/message_signature/components/2'],
    '/signing/message_signature/components/3',
  ])
  assert.deepEqual(await rfc({ label: 'A' }), ['/signing/message_signature/label'])
})

test('an answer can be sent back as it is', async () => {
  const made = await make({
    signing: {
      scheme: ['rfc9421-ed25519', 'custom'],
      custom: { content: '{body}', header: 'X-Hub-Signature-256', value: 'sha256={signature}' },
      message_signature: { components: ['@authority', 'content-digest'] },
    },
    ...{
      format: 'cloudevents-structured',
      cloudevents: { source: '/a' },
      header_templates: { 'x-a': '{id}' },
    },
  })
  const before = (await server.request(`/subscriptions/${made.id}`)).json as object
  const { status, json, text } = await server.request(`/subscriptions/${made.id}`, {
    method: 'PUT',
    json: before,
  })
  assert.equal(status, 200, text)
  const comparable = (answer: object) => ({ ...answer, version: 0, updated_at: '' })
  assert.deepEqual(comparable({ ...before, ...{ in_flight_now: 0, waiting: 0 } }), {
    ...comparable(Object(json)),
    ...{ in_flight_now: 0, waiting: 0 },
  })
})

test('a test of a subscription says what went wrong with its credentials, and shows none', async () => {
  await using endpoint = await startTokenEndpoint((_request, index) =>
    index === 0 ? { status: 400, body: '{"error":"invalid_scope"}' } : undefined,
  )
  const auth = { type: 'oauth2', token_url: endpoint.url, client_id: 'me', client_secret: 'correct horse' }
  const { json } = await server.request('/subscriptions/test', {
    method: 'POST',
    json: { target_url, auth },
  })
  const { delivered, error_class, error, hint, response } = Object(json)
  assert.deepEqual([delivered, error_class, response], [false, 'credentials', null], JSON.stringify(json))
  assert.equal(error, 'the token endpoint answered 400: invalid_scope')
  assert.match(hint, /scope/)
  const again = await server.request('/subscriptions/test', {
    method: 'POST',
    json: { target_url, auth },
  })
  assert.equal(Object(again.json).delivered, true, again.text)
  assert.equal(receiver.received.at(-1)?.headers.authorization, 'Bearer token-2')
  assert.doesNotMatch(again.text, /token-2|correct horse/)
})
