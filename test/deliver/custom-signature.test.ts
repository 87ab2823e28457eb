import assert from 'node:assert/strict'
import { createHmac, createSecretKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { customSignature } from '../../src/deliver/custom-signature.ts'
import type { LoadedDelivery } from '../../src/deliver/message.ts'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import { presetOf } from '../../src/sources/presets.ts'
import { verifyRequest } from '../../src/sources/verify.ts'
import { type CustomSignatureFields, openCustomSignature } from '../../src/subscriptions/custom-signature.ts'
import type { ExpiringKey } from '../../src/subscriptions/expiring-key.ts'
import { noon } from '../support/clock.ts'
import { fields } from '../support/message.ts'
import { newId } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const secret = 'the secret of long ago'
const older = 'the secret before that'
const keyOf = (text: string, expiresAt: number | null = null): ExpiringKey => ({
  ...{ key: createSecretKey(text, 'utf8'), expiresAt },
})
const body = Buffer.from('{"a":"\u00fc"}')

function message(payload = body): LoadedDelivery {
  const to = aSubscription({ targetUrl: 'https://example.com/hooks?x=1', path: '/hooks?x=1', tenant: 'acme' })
  const content = {
    ...{ eventType: 'order.paid', contentType: 'application/json', payload },
    metadata: { shop: 'a\r\nb' },
  }
  return { delivery: { webhookId: newId(), attempt: 2 }, to, content }
}

function signed(wanted: CustomSignatureFields, keys = [keyOf(secret)], loaded = message()) {
  return fields(customSignature(openCustomSignature(wanted, keys), loaded, noon))
}

/** Whether a preset of src/sources/, which was made by the documentation of the provider, takes it. */
function isTaken(provider: string, headers: Record<string, string>, secrets = [secret], sent = body): string {
  const preset = presetOf(provider)
  assert.ok(preset)
  const request = new InboundRequest({ method: 'POST', headers, search: '', body: sent })
  const result = verifyRequest(preset.verification, request, { secrets, now: noon })
  return result.kind === 'failed' ? result.reason : result.kind
}

const github = { content: '{body}', header: 'X-Hub-Signature-256', value: 'sha256={signature}' } as const
const stripe = {
  ...{ content: '{timestamp}.{body}', header: 'Stripe-Signature' },
  ...{ value: 't={timestamp},{signatures}', entry: 'v1={signature}' },
} as const
const shopify = { content: '{body}', header: 'X-Shopify-Hmac-SHA256', encoding: 'base64' } as const

test('the signatures of GitHub, Stripe, Shopify, Slack and PagerDuty are made by it as they make them', () => {
  assert.equal(isTaken('github', signed(github)), 'verified')
  assert.equal(isTaken('stripe', signed(stripe)), 'verified')
  assert.equal(isTaken('shopify', signed(shopify)), 'verified')
  const slack = signed({
    content: 'v0:{timestamp}:{body}',
    header: 'X-Slack-Signature',
    value: 'v0={signature}',
  })
  assert.equal(isTaken('slack', { ...slack, 'x-slack-request-timestamp': String(noon / 1000) }), 'verified')
  const pagerDuty = {
    content: '{body}',
    header: 'X-PagerDuty-Signature',
    value: '{signatures}',
    entry: 'v1={signature}',
  }
  assert.equal(isTaken('pagerduty', signed(pagerDuty)), 'verified')
  for (const [provider, wanted] of Object.entries({ github, stripe, shopify })) {
    assert.equal(isTaken(provider, signed(wanted), ['another secret']), 'signature_mismatch', provider)
    assert.equal(
      isTaken(provider, signed(wanted), [secret], Buffer.from('{}')),
      'signature_mismatch',
      provider,
    )
  }
})

test('the signatures of Convoy and Outpost are made by it, with one for each secret', () => {
  const keys = [keyOf(secret), keyOf(older, noon + 1)]
  const mac = (key: string, content: string) =>
    createHmac('sha256', key).update(content).update(body).digest('hex')
  const at = noon / 1000
  const convoy = {
    ...{ content: '{timestamp},{body}', header: 'X-Convoy-Signature' },
    ...{ value: 't={timestamp},{signatures}', entry: 'v1={signature}' },
  }
  const [one, two] = [mac(secret, `${at},`), mac(older, `${at},`)]
  assert.deepEqual(signed(convoy, keys), { 'x-convoy-signature': `t=${at},v1=${one},v1=${two}` })
  const outpost = { content: '{body}', header: 'x-outpost-signature', value: 'v0={signatures}' }
  assert.deepEqual(signed(outpost, keys), {
    'x-outpost-signature': `v0=${mac(secret, '')},${mac(older, '')}`,
  })
})

test('while a secret is replaced, a list has a signature of each, and a single one is that of the older', () => {
  const keys = [keyOf(secret), keyOf(older, noon + 1)]
  const list = signed(stripe, keys)
  assert.equal(list['stripe-signature']?.match(/v1=/g)?.length, 2)
  for (const one of [secret, older]) assert.equal(isTaken('stripe', list, [one]), 'verified')
  assert.equal(isTaken('github', signed(github, keys), [older]), 'verified')
  const afterwards = [keyOf(secret), keyOf(older, noon)]
  assert.equal(isTaken('github', signed(github, afterwards), [secret]), 'verified')
  assert.deepEqual(signed(github, [keyOf(secret, noon)]), {})
})

test('what is signed may hold whatever the message has, and any bytes as its body', () => {
  const bytes = Buffer.from([0xff, 0x00, 0x0a])
  const loaded = message(bytes)
  const content =
    '{method} {url} {path} {tenant} {attempt} {event_type} {metadata.shop} {timestamp_ms} {{}}\n{body}'
  const sent = signed(
    { content, header: 'x-s', algorithm: 'hmac-sha512', encoding: 'base64url' },
    undefined,
    loaded,
  )
  const text = `POST https://example.com/hooks?x=1 /hooks?x=1 acme 2 order.paid a\r\nb ${noon} {}\n`
  const expected = createHmac('sha512', secret).update(text).update(bytes).digest('base64url')
  assert.equal(sent['x-s'], expected)
})

test('a value cannot end the line of its header, and is encoded once', () => {
  const wanted = {
    content: '{body}',
    header: 'x-s',
    value: '{metadata.shop};{signatures}',
    entry: '{metadata.shop}:{signature}',
  }
  assert.match(signed(wanted)['x-s'] ?? '', /^a%0D%0Ab;a%0D%0Ab:[0-9a-f]{64}$/)
})

test('Ed25519 signs with a key pair, as Discord does', () => {
  const pair = generateKeyPairSync('ed25519')
  const wanted = {
    algorithm: 'ed25519',
    content: '{timestamp}{body}',
    header: 'X-Signature-Ed25519',
  } as const
  const sent = signed(wanted, [{ key: pair.privateKey, expiresAt: null }])
  const signature = Buffer.from(sent['x-signature-ed25519'] ?? '', 'hex')
  assert.ok(verify(null, Buffer.concat([Buffer.from(String(noon / 1000)), body]), pair.publicKey, signature))
  const raw = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex')
  assert.equal(
    isTaken('discord', { ...sent, 'x-signature-timestamp': String(noon / 1000) }, [raw]),
    'verified',
  )
})
