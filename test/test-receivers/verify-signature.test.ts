import assert from 'node:assert/strict'
import { createHmac, createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { signMore } from '../../src/deliver/extras.ts'
import { describe, sign } from '../../src/deliver/message.ts'
import { signatures } from '../../src/deliver/signatures.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { type CustomSignatureFields, openCustomSignature } from '../../src/subscriptions/custom-signature.ts'
import { makeKeyPair, privateKey } from '../../src/subscriptions/key-pair.ts'
import { messageSignatureAnswer } from '../../src/subscriptions/message-signature.ts'
import { headersOf } from '../../src/subscriptions/signing.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { verifyRequest } from '../../src/test-receivers/verify-signature.ts'
import { fields } from '../support/message.ts'
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
})

const keyOf = (text: string) => ({ key: createSecretKey(text, 'utf8'), expiresAt: null })
const noExtras = {
  cloudEvents: null,
  headers: [],
  messageSignature: null,
  customSignature: null,
  usesMetadata: false,
}
const id = uuidV7Source({ now: () => now })()

/** A request as a subscription signs it, by the way that all deliveries go. */
function sentAs(to: Subscription, at = now): Record<string, string> {
  const content = { eventType: 'order.paid', contentType: 'application/json', payload: body }
  const loaded = { to, delivery: { webhookId: id, attempt: 3 }, content }
  const own = [...describe(loaded, 'test/1'), ...sign(loaded, at)]
  return fields([...own, ...(to.extras ? signMore(loaded, to.extras, own, at) : [])])
}

function withCustom(
  wanted: CustomSignatureFields,
  changes: Partial<Subscription> = {},
  secrets = ['a secret of sixteen'],
) {
  const customSignature = openCustomSignature(wanted, secrets.map(keyOf))
  return aSubscription({ id: 7, signingKeys: [], extras: { ...noExtras, customSignature }, ...changes })
}

function withMessageSignature(secrets = ['a secret of sixteen'], changes: object = {}) {
  const { signingHeaders } = aSubscription()
  const keys = secrets.map(text => ({ ...keyOf(text), algorithm: 'hmac-sha256', keyId: text }) as const)
  const messageSignature = { ...messageSignatureAnswer(changes, signingHeaders), keys }
  return aSubscription({ id: 7, signingKeys: [], extras: { ...noExtras, messageSignature } })
}

const found = (headers: Record<string, string>, to: Subscription, sent = body, at = now) => {
  const { signature, detail } = verifyRequest({ headers, body: sent }, null, [to], at)
  return [signature, detail]
}

test('a signature of RFC 9421 is verified: its digest, its time, what is signed, and the key', () => {
  const to = withMessageSignature()
  const headers = sentAs(to)
  assert.deepEqual(found(headers, to), ['valid', null])
  assert.deepEqual(found(sentAs(to, now - 299_000), to), ['valid', null])
  for (const [changed, sent, at, detail] of [
    [{}, Buffer.from('{"a":2}'), now, /another body/],
    [{ 'content-type': 'text/plain' }, body, now, /not of this request/],
    [
      { signature: headers.signature?.replace('sig1=:', 'sig1=:AAAA') },
      body,
      now,
      /not made with this secret/,
    ],
    [{ 'signature-input': '' }, body, now, /is missing/],
    [{ 'signature-input': 'sig1=();keyid="x"' }, body, now, /no time|is missing/],
    [{}, body, now + 301_000, /five minutes/],
  ] as const) {
    const [word, reason] = found({ ...headers, ...changed } as Record<string, string>, to, sent, at)
    assert.equal(word, 'invalid', String(detail))
    assert.match(reason ?? '', detail)
  }
  assert.equal(found(headers, withMessageSignature(['another secret of mine']))[0], 'invalid')
  // The secret is replaced between the request and its check.
  assert.deepEqual(found(headers, withMessageSignature(['a new secret', 'a secret of sixteen'])), [
    'valid',
    null,
  ])
  assert.equal(found(headers, withMessageSignature(undefined, { tag: 'shop' }))[0], 'invalid')
})

test('a signature in another form is made again from the request, and compared', () => {
  const attempts = { signingHeaders: headersOf({ headers: { attempt: 'X-Try' } }) }
  for (const to of [
    withCustom({ content: '{body}', header: 'x-s', value: 'sha256={signature}' }),
    withCustom({
      ...{ content: 'v0:{timestamp}:{id}:{event_type}:{url}:{body}', header: 'x-s' },
      ...{ value: 't={timestamp},{signatures}', entry: 'v1={signature}' },
    }),
    withCustom({ content: '{timestamp_ms}.{body}', header: 'x-s', value: 't={timestamp_ms} {signature}' }),
    withCustom({ content: '{attempt}.{body}', header: 'x-s', algorithm: 'hmac-sha512' }, attempts),
  ]) {
    const headers = sentAs(to, now + 123)
    assert.deepEqual(found(headers, to), ['valid', null])
    const [word, detail] = found(headers, to, Buffer.from('{"a":2}'))
    assert.equal(word, 'invalid')
    assert.match(detail ?? '', /was not made with this secret and body/)
    assert.equal(found({ ...headers, 'x-s': '' }, to)[0], 'invalid')
  }
  const timed = withCustom({ content: '{timestamp}.{body}', header: 'x-s' })
  assert.match(found(sentAs(timed, now - 301_000), timed)[1] ?? '', /five minutes/)
  const before = sentAs(withCustom({ content: '{body}', header: 'x-s', value: '{signatures}' }))
  const rotated = withCustom({ content: '{body}', header: 'x-s', value: '{signatures}' }, {}, [
    'new',
    'a secret of sixteen',
  ])
  assert.deepEqual(found(before, rotated), ['valid', null])
})

test('what a request does not show cannot be made again, and says so', () => {
  for (const [content, detail] of [
    ['{metadata.shop}.{body}', /what the sender says/],
    ['{event_id}.{body}', /what the sender says/],
    ['{attempt}.{body}', /number of the attempt/],
    ['{timestamp_ms}.{body}', /in milliseconds/],
  ] as const) {
    const to = withCustom({ content, header: 'x-s' })
    const [word, reason] = found(sentAs(to), to)
    assert.equal(word, 'unchecked')
    assert.match(reason ?? '', detail)
    // Beside a signature that can be checked it says nothing.
    const both = { ...to, signingKeys: aSubscription().signingKeys }
    assert.deepEqual(found(sentAs(both), both), ['valid', null])
  }
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
