import assert from 'node:assert/strict'
import { createPublicKey, createSecretKey, verify } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import {
  hubSignature,
  shopifySignature,
  signatureHeader,
  signatures,
  signV1,
  signV1a,
  stripeSignature,
} from '../../src/deliver/signatures.ts'
import { makeKeyPair, privateKey } from '../../src/subscriptions/key-pair.ts'
import { headersOf } from '../../src/subscriptions/signing.ts'
import type { SigningKey } from '../../src/subscriptions/subscription.ts'
import { noon } from '../support/clock.ts'
import { aSubscription } from '../support/subscription.ts'
import vectors from '../support/vectors.json' with { type: 'json' }

const { standardWebhooks_v1: vector, standardWebhooks_v1a: vectorA, standardWebhooks_wrong: wrong } = vectors
const vectorBytes = Buffer.from(vector.secret.replace('whsec_', ''), 'base64')
const vectorKey = createSecretKey(vectorBytes)
const oldBytes = Buffer.alloc(32, 7)
const oldKey = createSecretKey(oldBytes)
const body = Buffer.from('{"data":{"foo":"bar"}}')
const id = '01890000-0000-7000-8000-000000000001'

const v1 = (key: typeof vectorKey, expiresAt: number | null = null): SigningKey => ({
  scheme: 'v1',
  key,
  expiresAt,
})

/** Verifies a v1a entry as a receiver would who has only `whpk_…`. */
function verifiesV1a(entry: string, publicKey: string, content: string): boolean {
  const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, Buffer.from(content), key, Buffer.from(entry.replace('v1a,', ''), 'base64'))
}

test('signs as the vector of Standard Webhooks says', () => {
  assert.equal(vectorBytes.length, vector.keyBytes)
  const signature = signV1(vectorKey, vector.id, vector.timestamp, Buffer.from(vector.body))
  assert.equal(signature, vector.signature)
  assert.ok(!wrong.entries.includes(signature))
})

test('signs v1a as the vector of Svix says', () => {
  const key = privateKey(vectorA.secretKey)
  const signature = signV1a(key, vectorA.id, vectorA.timestamp, Buffer.from(vectorA.body))
  assert.equal(signature, vectorA.signature)
})

test('a new key pair is verified with its public key alone, and no other', () => {
  const [pair, other] = [makeKeyPair(), makeKeyPair()]
  assert.match(pair.secret, /^whsk_[A-Za-z0-9+/]{86}==$/)
  assert.match(pair.public, /^whpk_[A-Za-z0-9+/]{43}=$/)
  const entry = signV1a(privateKey(pair.secret), id, 1, body)
  assert.ok(verifiesV1a(entry, pair.public, `${id}.1.${body}`))
  assert.ok(!verifiesV1a(entry, pair.public, `${id}.2.${body}`))
  assert.ok(!verifiesV1a(entry, other.public, `${id}.1.${body}`))
})

test('signs the body alone as the vector of GitHub says', () => {
  const key = createSecretKey(vectors.github.secret, 'utf8')
  const signature = hubSignature([{ key, expiresAt: null }], Buffer.from(vectors.github.body), noon)
  assert.equal(`X-Hub-Signature-256: ${signature}`, vectors.github.header)
})

// Neither vendor publishes a vector. These were computed with Python's hmac and, alike, with openssl:
// printf '1614265330.{"test": 2432232314}' | openssl dgst -sha256 -hmac whsec_MfKQ…
test("signs time and body as Stripe's documentation says, with the whole text of the secret", () => {
  const key = createSecretKey(vector.secret, 'utf8')
  assert.equal(
    stripeSignature([{ key, expiresAt: null }], vector.timestamp, Buffer.from(vector.body), noon),
    't=1614265330,v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964',
  )
})

test("signs the body in base64 as Shopify's documentation says, with the whole text of the secret", () => {
  const key = createSecretKey(vector.secret, 'utf8')
  assert.equal(
    shopifySignature([{ key, expiresAt: null }], Buffer.from(vector.body), noon),
    'gOyKic480iEzoQZsrstNBP6nRnZXyFFNcX7ELDilyUw=',
  )
})

test('the form of Stripe has an entry for each live key, newest first', () => {
  const keys = [
    { key: vectorKey, expiresAt: null },
    { key: oldKey, expiresAt: noon },
  ]
  const entry = (key: typeof vectorKey) =>
    String(stripeSignature([{ key, expiresAt: null }], 1, body, noon)).replace('t=1,', '')
  assert.equal(stripeSignature(keys, 1, body, noon - 1), `t=1,${entry(vectorKey)},${entry(oldKey)}`)
  assert.equal(stripeSignature(keys, 1, body, noon), `t=1,${entry(vectorKey)}`)
  assert.equal(stripeSignature([], 1, body, noon), undefined)
})

test('each scheme has its header, under the name that the subscription gives it', () => {
  const key = { key: vectorKey, expiresAt: null }
  const schemes = ['hub-sha256', 'stripe-sha256', 'shopify-sha256'] as const
  const textKeys = schemes.map(scheme => ({ scheme, ...key }))
  const namesOf = (changes: object) => {
    const headers = signatures(aSubscription(changes), id, 1, body, noon)
    return headers.filter((_, index) => index % 2 === 0)
  }
  const usual = ['X-Hub-Signature-256', 'Stripe-Signature', 'X-Shopify-Hmac-SHA256']
  assert.deepEqual(namesOf({ textKeys }), ['webhook-signature', ...usual])
  assert.deepEqual(namesOf({ textKeys, signingKeys: [] }), usual)
  assert.deepEqual(namesOf({}), ['webhook-signature'])
  const signing = { headers: { stripe_signature: 'Calendly-Webhook-Signature', shopify_signature: 'X-Hmac' } }
  const renamed = { textKeys: textKeys.slice(1), signingKeys: [], signingHeaders: headersOf(signing) }
  assert.deepEqual(namesOf(renamed), ['Calendly-Webhook-Signature', 'X-Hmac'])
})

test('is verified by the reference libraries, with the key as a whsec_ secret', () => {
  const seconds = Math.floor(Date.now() / 1000)
  const header = signatureHeader([v1(vectorKey)], id, seconds, body, noon)
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': header }
  assert.deepEqual(new Webhook(vector.secret).verify(body, headers), { data: { foo: 'bar' } })
  new SvixWebhook(vector.secret).verify(body.toString(), headers)
  assert.throws(() => new Webhook(vector.secret).verify(Buffer.from('{"data":{}}'), headers))
  assert.throws(() => new SvixWebhook(vector.secret).verify('{"data":{}}', headers))
  assert.throws(() => new Webhook(vector.secret).verify(body, { ...headers, 'webhook-id': 'another' }))
})

test('during a rotation all live keys sign, newest first, and a receiver with either verifies', () => {
  const seconds = Math.floor(Date.now() / 1000)
  const now = seconds * 1000
  const header = signatureHeader([v1(vectorKey), v1(oldKey, now + 1)], id, seconds, body, now)
  const each = [signV1(vectorKey, id, seconds, body), signV1(oldKey, id, seconds, body)]
  assert.equal(header, each.join(' '))
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': header }
  for (const bytes of [vectorBytes, oldBytes]) new Webhook(bytes.toString('base64')).verify(body, headers)
})

test('entries of two versions stand in one list, and a receiver of either passes over the other', () => {
  const seconds = Math.floor(Date.now() / 1000)
  const pair = makeKeyPair()
  const keys: SigningKey[] = [v1(vectorKey), { scheme: 'v1a', key: privateKey(pair.secret), expiresAt: null }]
  const header = signatureHeader(keys, id, seconds, body, noon)
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': header }
  new Webhook(vector.secret).verify(body, headers)
  const [, entry = ''] = header.split(' ')
  assert.ok(verifiesV1a(entry, pair.public, `${id}.${seconds}.${body}`))
})

test('a key signs until the moment it expires, and not at that moment', () => {
  const keys = [v1(vectorKey), v1(oldKey, noon)]
  const entries = (now: number) => signatureHeader(keys, id, 1, body, now).split(' ').length
  assert.equal(entries(noon - 1), 2)
  assert.equal(entries(noon), 1)
  assert.equal(entries(noon + 1), 1)
  assert.equal(signatureHeader([], id, 1, body, noon), '')
})

test('where there is room for one signature, the oldest live key signs', () => {
  const keys = [
    { key: vectorKey, expiresAt: null },
    { key: oldKey, expiresAt: noon },
  ]
  const alone = (key: typeof vectorKey) => hubSignature([{ key, expiresAt: null }], body, noon)
  assert.equal(hubSignature(keys, body, noon - 1), alone(oldKey))
  assert.equal(hubSignature(keys, body, noon), alone(vectorKey))
  assert.equal(hubSignature([], body, noon), undefined)
  const shopify = (key: typeof vectorKey) => shopifySignature([{ key, expiresAt: null }], body, noon)
  assert.equal(shopifySignature(keys, body, noon - 1), shopify(oldKey))
  assert.equal(shopifySignature(keys, body, noon), shopify(vectorKey))
})

test('the receivers of the guide take what is signed here, for five minutes before and after, and nothing else', async () => {
  const guide = await readFile(new URL('../../docs/guides/signatures.md', import.meta.url), 'utf8')
  const blocks = guide.split('```js\n').map(part => part.split('\n```')[0] ?? '')
  const receivers = blocks.filter(code => code.includes('export function verifies'))
  assert.equal(receivers.length, 2, 'one for v1, one for v1a')
  const pair = makeKeyPair()
  const keys: SigningKey[] = [v1(vectorKey), { scheme: 'v1a', key: privateKey(pair.secret), expiresAt: null }]
  for (const [index, code] of receivers.entries()) {
    const { verifies } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
    const key = index === 0 ? vector.secret : pair.public
    const takes = (ageSeconds: number, bytes = body, changes: object = {}) => {
      const seconds = Math.floor(Date.now() / 1000) - ageSeconds
      const signature = signatureHeader(keys, id, seconds, body, noon)
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': signature,
      }
      return verifies(key, { ...headers, ...changes }, bytes)
    }
    for (const age of [0, 290, -290]) assert.ok(takes(age), `${age} s old`)
    for (const age of [310, -310]) assert.ok(!takes(age), `${age} s old`)
    assert.ok(!takes(0, Buffer.from('{}')))
    assert.ok(!takes(0, body, { 'webhook-id': 'another' }))
    assert.ok(!takes(0, body, { 'webhook-timestamp': 'soon' }))
    assert.ok(!takes(0, body, { 'webhook-signature': 'v1, v1a,' }))
  }
})

test('any bytes are signed as they are, also those that are no text', () => {
  const webhook = new Webhook(vectorBytes.toString('base64'))
  const date = new Date(noon)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      const signature = signV1(vectorKey, id, noon / 1000, Buffer.from(text))
      assert.equal(signature, webhook.sign(id, date, text))
    }),
  )
  const low = signV1(vectorKey, id, 1, Buffer.from([0x80]))
  assert.notEqual(low, signV1(vectorKey, id, 1, Buffer.from([0x81])))
})
