import assert from 'node:assert/strict'
import { createHmac, createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { signatures } from '../../src/deliver/signatures.ts'
import { openCustomSignature } from '../../src/subscriptions/custom-signature.ts'
import { makeKeyPair, privateKey } from '../../src/subscriptions/key-pair.ts'
import { headersOf } from '../../src/subscriptions/signing.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { verifyRequest } from '../../src/test-receivers/verify-signature.ts'
import { aSubscription } from '../support/subscription.ts'

const now = 1_800_000_000_000
const seconds = now / 1000
const body = Buffer.from('{"a":1}')
const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`

/** The headers that a subscription sends, in lower case as Node gives them. */
function sentBy(to: Subscription, at = seconds): Record<string, string> {
  const { signingHeaders: names } = to
  const list = [names.id, 'msg_1', names.timestamp, String(at), ...signatures(to, 'msg_1', at, body, now)]
  const pairs = list.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), list[index + 1] ?? '']] : [],
  )
  return Object.fromEntries(pairs)
}

const textKey = createSecretKey('a secret of sixteen characters', 'utf8')
const signers: Readonly<Record<string, Partial<Subscription>>> = {
  v1: {},
  v1a: { signingKeys: [{ scheme: 'v1a', key: privateKey(makeKeyPair().secret), expiresAt: null }] },
  'hub-sha256': { signingKeys: [], textKeys: [{ scheme: 'hub-sha256', key: textKey, expiresAt: null }] },
  'stripe-sha256': {
    signingKeys: [],
    textKeys: [{ scheme: 'stripe-sha256', key: textKey, expiresAt: null }],
  },
  'shopify-sha256': {
    signingKeys: [],
    textKeys: [{ scheme: 'shopify-sha256', key: textKey, expiresAt: null }],
  },
  'other names': {
    signingHeaders: headersOf({ headers: { signature: 'X-Sig', id: 'X-Id', timestamp: 'X-Time' } }),
  },
}

for (const [name, changes] of Object.entries(signers)) {
  const to = aSubscription({ id: 7, ...changes })

  test(`${name}: what the subscription signs is valid, and another body is not`, () => {
    const headers = sentBy(to)
    const { signature, subscriptionId } = verifyRequest({ headers, body }, null, [to], now)
    assert.deepEqual([signature, subscriptionId], ['valid', 7])
    const other = verifyRequest({ headers, body: Buffer.from('{"a":2}') }, null, [to], now)
    assert.equal(other.signature, 'invalid')
    assert.match(other.detail ?? '', /was not made with this secret and body/)
  })

  test(`${name}: without its signature a request is invalid`, () => {
    const signed = Object.keys(sentBy(to)).filter(one => !['id', 'time'].some(word => one.includes(word)))
    const headers = Object.fromEntries(Object.entries(sentBy(to)).filter(([one]) => !signed.includes(one)))
    const { signature, detail } = verifyRequest({ headers, body }, null, [to], now)
    assert.equal(signature, 'invalid')
    assert.match(detail ?? '', /is missing/)
  })
}

test('an old signature is not valid', () => {
  const to = aSubscription()
  for (const at of [seconds - 301, seconds + 301]) {
    const { signature, detail } = verifyRequest({ headers: sentBy(to, at), body }, null, [to], now)
    assert.equal(signature, 'invalid')
    assert.match(detail ?? '', /five minutes/)
  }
})

test('of two subscriptions that lead here, the one that has signed counts', () => {
  const other = aSubscription({
    id: 8,
    signingKeys: [{ scheme: 'v1', key: createSecretKey(Buffer.alloc(32, 9)), expiresAt: null }],
  })
  const found = verifyRequest(
    { headers: sentBy(aSubscription({ id: 7 })), body },
    null,
    [other, aSubscription({ id: 7 })],
    now,
  )
  assert.deepEqual([found.signature, found.subscriptionId], ['valid', 7])
})

test('a key that has expired makes no signature that is taken', () => {
  const old = { scheme: 'v1', key: createSecretKey(Buffer.alloc(32, 4)) } as const
  const before = aSubscription({ signingKeys: [{ ...old, expiresAt: null }] })
  const rotated = aSubscription({
    signingKeys: [...aSubscription().signingKeys, { ...old, expiresAt: now - 1 }],
  })
  assert.equal(verifyRequest({ headers: sentBy(before), body }, null, [rotated], now).signature, 'invalid')
})

test('where no secret is known nothing is said', () => {
  const headers = sentBy(aSubscription())
  assert.equal(verifyRequest({ headers, body }, null, [], now).signature, 'unchecked')
  const unsigned = aSubscription({ signingKeys: [] })
  assert.equal(verifyRequest({ headers, body }, null, [unsigned], now).signature, 'unchecked')
  const customSignature = openCustomSignature({ content: '{body}', header: 'x-s' }, [])
  const extras = {
    cloudEvents: null,
    headers: [],
    messageSignature: null,
    customSignature,
    usesMetadata: false,
  }
  const other = verifyRequest({ headers, body }, null, [{ ...unsigned, extras }], now)
  assert.deepEqual(
    [other.signature, other.detail],
    ['unchecked', 'Signatures of RFC 9421 and custom ones are not checked here.'],
  )
})

test('a secret that was given verifies what others sign, in each form that it may have', () => {
  const at = new Date(now)
  const standard = new Webhook(secret).sign('msg_1', at, body.toString())
  const hex = createHmac('sha256', secret).update(body).digest('hex')
  const base64 = createHmac('sha256', secret).update(body).digest('base64')
  const stripe = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')
  const requests = {
    standard: { 'webhook-id': 'msg_1', 'webhook-timestamp': String(seconds), 'webhook-signature': standard },
    github: { 'x-hub-signature-256': `sha256=${hex}` },
    shopify: { 'x-shopify-hmac-sha256': base64 },
    stripe: { 'stripe-signature': `t=${seconds},v1=${stripe}` },
  }
  for (const [name, headers] of Object.entries(requests)) {
    assert.equal(verifyRequest({ headers, body }, secret, [], now).signature, 'valid', name)
    const changed = { headers, body: Buffer.from('{}') }
    assert.equal(verifyRequest(changed, secret, [], now).signature, 'invalid', name)
  }
  assert.equal(verifyRequest({ headers: {}, body }, secret, [], now).signature, 'invalid')
})
