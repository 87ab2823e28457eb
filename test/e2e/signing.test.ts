import assert from 'node:assert/strict'
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { eventually } from '../support/eventually.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { client, processWorld, testService } from '../support/service.ts'

const body = '{"n": 1 }'

/** The headers of Standard Webhooks, under whatever names they came. */
function standardHeaders({ headers }: Received, prefix = 'webhook'): Record<string, string> {
  return Object.fromEntries(
    ['id', 'timestamp', 'signature'].map(name => [`webhook-${name}`, String(headers[`${prefix}-${name}`])]),
  )
}

/** As a receiver verifies v1a who knows nothing but `whpk_…`. */
function verifiesV1a({ headers, body }: Received, publicKey: string): boolean {
  const x = Buffer.from(publicKey.slice('whpk_'.length), 'base64').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const content = Buffer.concat([
    Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`),
    body,
  ])
  return String(headers['webhook-signature'])
    .split(' ')
    .filter(entry => entry.startsWith('v1a,'))
    .some(entry => verify(null, content, key, Buffer.from(entry.slice('v1a,'.length), 'base64')))
}

/** As GitHub documents it: the secret as it is shown, over the body alone. */
function hubOf(secret: string, bytes: string | Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`
}

/** As Stripe documents it: split the header, sign `t.body`, compare with every v1, refuse what is old. */
function verifiesStripe(secret: string, { headers, body }: Received, now: number): boolean {
  const parts = String(headers['stripe-signature'])
    .split(',')
    .map(part => part.split('='))
  const time = parts.find(([name]) => name === 't')?.[1] ?? ''
  if (!(Math.abs(now / 1000 - Number(time)) <= 300)) return false
  const expected = createHmac('sha256', secret).update(`${time}.${body.toString()}`).digest('hex')
  return parts.some(
    ([name, value = '']) =>
      name === 'v1' &&
      value.length === expected.length &&
      timingSafeEqual(Buffer.from(value), Buffer.from(expected)),
  )
}

/** As Shopify documents it: the base64 digest of the raw body. */
function verifiesShopify(secret: string, { headers, body }: Received): boolean {
  return headers['x-shopify-hmac-sha256'] === createHmac('sha256', secret).update(body).digest('base64')
}

test('each scheme is verified by a receiver of its own kind', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const deliver = async (signing: object, own: object = {}) => {
    const made = await api.subscribe({ target_url: receiver.origin, signing, ...own })
    const before = receiver.received.length
    await api.ingest(made.id, body)
    await receiver.waitFor(before + 1)
    const got = receiver.received.at(-1)
    assert.ok(got)
    const { signing_public_key: publicKey } = Object(made)
    return { got, secret: made.signing_secret, publicKey: String(publicKey) }
  }

  const v1 = await deliver({ scheme: 'v1' })
  assert.deepEqual(new Webhook(v1.secret).verify(v1.got.body, standardHeaders(v1.got)), { n: 1 })
  assert.equal(v1.got.headers['x-hub-signature-256'], undefined)

  const v1a = await deliver({ scheme: 'v1a' })
  assert.ok(verifiesV1a(v1a.got, v1a.publicKey))
  assert.match(String(v1a.got.headers['webhook-signature']), /^v1a,[A-Za-z0-9+/]{86}==$/)

  const hub = await deliver({ scheme: 'hub-sha256' })
  assert.equal(hub.got.headers['x-hub-signature-256'], hubOf(hub.secret, hub.got.body))
  assert.equal(hub.got.headers['webhook-signature'], undefined)
  assert.ok(hub.got.headers['webhook-id'], 'a repeat must be recognisable, signed or not')

  const text = await deliver({ scheme: 'hub-sha256' }, { signing_secret: "It's a Secret to Everybody" })
  assert.equal(text.got.headers['x-hub-signature-256'], hubOf("It's a Secret to Everybody", body))

  const now = world.clock.now()
  const stripe = await deliver({ scheme: 'stripe-sha256' })
  assert.ok(verifiesStripe(stripe.secret, stripe.got, now))
  assert.ok(!verifiesStripe(`${stripe.secret}x`, stripe.got, now))
  assert.equal(stripe.got.headers['webhook-signature'], undefined)

  const shopify = await deliver({ scheme: 'shopify-sha256' }, { signing_secret: 'shpss_0123456789abcdef' })
  assert.ok(verifiesShopify('shpss_0123456789abcdef', shopify.got))

  const all = await deliver({ scheme: ['hub-sha256', 'v1a', 'v1', 'stripe-sha256', 'shopify-sha256'] })
  assert.ok(verifiesStripe(all.secret, all.got, now))
  assert.ok(verifiesShopify(all.secret, all.got))
  new Webhook(all.secret).verify(all.got.body, standardHeaders(all.got))
  assert.ok(verifiesV1a(all.got, all.publicKey))
  assert.equal(all.got.headers['x-hub-signature-256'], hubOf(all.secret, body))

  const none = await deliver({ scheme: 'none' })
  assert.ok(!Object.keys(none.got.headers).some(name => name.includes('signature')))
  assert.ok(none.got.headers['webhook-id'])
})

test('under the names of another service its own library verifies, and every attempt says its number', async () => {
  await using receiver = await startReceiver((_request, index) => ({ status: index === 0 ? 500 : 200 }))
  await using world = await testService()
  const api = client(world.url)
  const { id, signing_secret } = await api.subscribe({
    target_url: receiver.origin,
    retry: { schedule_seconds: [0] },
    signing: {
      headers: {
        id: 'svix-id',
        timestamp: 'svix-timestamp',
        signature: 'svix-signature',
        attempt: 'Webhook-Attempt',
      },
    },
  })
  await api.ingest(id, body)
  await receiver.waitFor(2)
  for (const [index, got] of receiver.received.entries()) {
    assert.equal(got.headers['webhook-id'], undefined)
    assert.equal(got.headers['webhook-attempt'], String(index + 1))
    const { 'svix-id': svixId, 'svix-timestamp': time, 'svix-signature': signature } = got.headers
    const headers = { 'svix-id': `${svixId}`, 'svix-timestamp': `${time}`, 'svix-signature': `${signature}` }
    new SvixWebhook(signing_secret).verify(got.body.toString(), headers)
    new Webhook(signing_secret).verify(got.body, standardHeaders(got, 'svix'))
  }
})

test('both secrets sign during the overlap, the new one first; then the old one ends by itself', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const signing = { scheme: ['v1', 'v1a', 'hub-sha256', 'stripe-sha256', 'shopify-sha256'] }
  const old = Object(await api.subscribe({ target_url: receiver.origin, signing }))
  const rotated = await api.post(`/subscriptions/${old.id}/rotate-secret`, '{"overlap_seconds":60}', {
    'content-type': 'application/json',
  })
  const fresh = Object(await rotated.json())
  const deliver = async () => {
    const before = receiver.received.length
    await api.ingest(old.id, body)
    await receiver.waitFor(before + 1)
    const got = receiver.received.at(-1)
    assert.ok(got)
    return got
  }
  const verifies = (secret: string, got: Received, only?: number) => {
    const headers = standardHeaders(got)
    const entries = String(headers['webhook-signature']).split(' ')
    const signature = only === undefined ? entries.join(' ') : String(entries[only])
    try {
      new Webhook(secret).verify(got.body, { ...headers, 'webhook-signature': signature })
      return true
    } catch {
      return false
    }
  }

  const during = await deliver()
  assert.ok(verifies(fresh.signing_secret, during, 0), 'new first')
  assert.ok(verifies(old.signing_secret, during, 1), 'then the old one')
  assert.ok(verifiesV1a(during, fresh.signing_public_key))
  assert.ok(verifiesV1a(during, old.signing_public_key))
  assert.equal(during.headers['x-hub-signature-256'], hubOf(old.signing_secret, body))
  assert.ok(verifiesStripe(fresh.signing_secret, during, world.clock.now()), 'each finds its own')
  assert.ok(verifiesStripe(old.signing_secret, during, world.clock.now()))
  assert.ok(verifiesShopify(old.signing_secret, during), 'one place, for the secret that all have')

  world.clock.advance(60_000)
  const after = await deliver()
  assert.ok(verifies(fresh.signing_secret, after))
  assert.ok(!verifies(old.signing_secret, after))
  assert.ok(verifiesV1a(after, fresh.signing_public_key))
  assert.ok(!verifiesV1a(after, old.signing_public_key))
  assert.equal(after.headers['x-hub-signature-256'], hubOf(fresh.signing_secret, body))
  assert.ok(verifiesStripe(fresh.signing_secret, after, world.clock.now()))
  assert.ok(!verifiesStripe(old.signing_secret, after, world.clock.now()))
  assert.ok(verifiesShopify(fresh.signing_secret, after))
})

test('custom headers arrive as they were written, beside those of the service', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const headers = { 'X-API-Key': 'abc def', Authorization: 'Bearer x.y.z', Accept: 'application/json' }
  const { id } = await api.subscribe({ target_url: receiver.origin, headers })
  await api.ingest(id, body)
  await receiver.waitFor(1)
  const [got] = receiver.received
  assert.ok(got)
  for (const [name, value] of Object.entries(headers)) {
    const at = got.rawHeaders.indexOf(name)
    assert.ok(at >= 0, `${name} keeps its case`)
    assert.equal(got.rawHeaders[at + 1], value)
  }
  const names = got.rawHeaders.filter((_text, index) => index % 2 === 0).map(name => name.toLowerCase())
  assert.equal(new Set(names).size, names.length, 'no header stands there twice')
})

test('a header that was stored before its name was reserved cannot stand in for one of the service', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const { id, signing_secret } = await api.subscribe({
    target_url: receiver.origin,
    headers: { 'X-Own': 'a' },
  })
  await world.world.database.query({
    text: `update subscriptions set headers = jsonb_build_object('Webhook-Signature', headers->'X-Own', 'Host', headers->'X-Own')`,
  })
  await api.patch(id, { description: 'read again' })
  await api.ingest(id, body)
  await receiver.waitFor(1)
  const [got] = receiver.received
  assert.ok(got)
  new Webhook(signing_secret).verify(got.body, standardHeaders(got))
})

test('no secret and no header value is in the log or in any later answer', async () => {
  await using receiver = await startReceiver({ status: 500, body: 'no' })
  await using world = await processWorld({ LOG_LEVEL: 'trace' })
  const service = await world.start()
  const api = client(service.url)
  const json = { 'content-type': 'application/json' }
  const path = (id: number, rest = '') => `${service.url}/subscriptions/${id}${rest}`
  const made = Object(
    await api.subscribe({
      target_url: receiver.origin,
      secret: 'inbound-secret-word',
      headers: { Authorization: 'Bearer header-value-word' },
      signing: { scheme: ['v1', 'v1a', 'hub-sha256'] },
      retry: { max_attempts: 1 },
    }),
  )
  const { id } = made
  const rotated = Object(await (await api.post(`/subscriptions/${id}/rotate-secret`, '{}', json)).json())
  const own = `whsec_${Buffer.alloc(32, 'own').toString('base64')}`
  await api.post(`/subscriptions/${id}/rotate-secret`, JSON.stringify({ secret: own }), json)
  await api.patch(id, { secret: null, headers: { 'X-Two': 'second-value-word' } })
  const webhookId = await api.ingest(id, body)
  await eventually(
    () => api.status(webhookId),
    status => status.status === 'failed',
  )

  // What is wrong about these must be told without repeating them.
  const refused = [
    await api.post(
      '/subscriptions/',
      '{"signing_secret":"whsec_refused-word","target_url":"http://a/"}',
      json,
    ),
    await api.post('/subscriptions/', '{"headers":{"Host":"refused-word"},"target_url":"http://a/"}', json),
    await api.post(`/subscriptions/${id}/rotate-secret`, '{"secret":"whsec_refused-word"}', json),
    await api.post(`/subscriptions/${id}/rotate-secret`, '{"secret":"refused-word', json),
    await api.patch(id, { signing_secret: 'refused-word' }),
  ]
  assert.deepEqual(
    refused.map(({ status }) => status),
    [422, 422, 422, 400, 422],
  )
  const answers = await Promise.all([
    ...refused.map(answer => answer.text()),
    ...[
      path(id),
      path(id).replace(/\d+$/, ''),
      `${service.url}/status/${webhookId}`,
      `${service.url}/logs/${id}`,
    ].map(async url => (await fetch(url)).text()),
    (await api.patch(id, { description: 'x' })).text(),
  ])
  await service.end('SIGTERM')
  const secrets = [
    made.signing_secret,
    rotated.signing_secret,
    own,
    'inbound-secret-word',
    'header-value-word',
    'second-value-word',
    'refused-word',
  ]
  for (const secret of secrets) {
    const bare = secret.replace('whsec_', '')
    assert.ok(!service.output().includes(bare), `in the log: ${secret}`)
    for (const answer of answers) assert.ok(!answer.includes(bare), `${secret} in ${answer}`)
  }
  assert.ok(service.output().includes(webhookId), 'the log was looked at')
})
