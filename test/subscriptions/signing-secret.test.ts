import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSigningSecret, signingSecretFault } from '../../src/subscriptions/signing-secret.ts'

const base64 = (bytes: number) => Buffer.alloc(bytes, 0xfb).toString('base64')

test('whsec_ and base64 of 24 to 64 bytes is a key, with and without the prefix', () => {
  for (const bytes of [24, 25, 32, 64]) {
    for (const text of [`whsec_${base64(bytes)}`, base64(bytes)]) {
      assert.deepEqual(parseSigningSecret(text), { kind: 'key', key: Buffer.alloc(bytes, 0xfb) })
    }
  }
})

test('what looks like a key and is none is refused with a sentence', () => {
  const wrong = [
    `whsec_${base64(23)}`,
    `whsec_${base64(65)}`,
    'whsec_',
    `whsec_${base64(25).replace('=', '')}`,
    `whsec_${base64(24).replaceAll('+', '-')}`,
    'whsec_this is no base64 at all',
    `whsk_${base64(64)}`,
    `whpk_${base64(32)}`,
    'fifteen letters',
    '',
    ' leading space is lost',
    'a line\nand another one',
    'ünicode is left to nobody',
    'x'.repeat(257),
  ]
  for (const text of wrong) {
    const parsed = parseSigningSecret(text)
    assert.ok(parsed.kind === 'invalid', text)
    assert.match(parsed.detail, /^[A-Z].*\.$/)
    assert.ok(text.length < 10 || !parsed.detail.includes(text), 'it does not repeat what may be a secret')
  }
})

test('any other text can sign with the schemes of other services only', () => {
  const text = "It's a Secret to Everybody"
  assert.deepEqual(parseSigningSecret(text), { kind: 'text' })
  for (const scheme of ['hub-sha256', 'stripe-sha256', 'shopify-sha256', 'rfc9421-hmac-sha256'] as const) {
    assert.equal(signingSecretFault(text, { scheme }), undefined)
  }
  assert.equal(signingSecretFault(text, { scheme: ['v1a', 'hub-sha256'] }), undefined)
  assert.equal(signingSecretFault(text, { scheme: 'custom', custom: {} }), undefined)
  for (const scheme of [
    'v1',
    ['v1', 'hub-sha256'],
    ['v1', 'stripe-sha256'],
    'v1a',
    'rfc9421-ed25519',
    'none',
  ] as const) {
    assert.match(
      signingSecretFault(text, { scheme }) ?? '',
      /with hub-sha256, stripe-sha256, shopify-sha256, rfc9421-hmac-sha256 and custom only/,
    )
  }
})

test('a custom signature says in which form its key is', () => {
  const hex = 'ab'.repeat(16)
  const fault = (text: string, key: 'base64' | 'hex') =>
    signingSecretFault(text, { scheme: 'custom', custom: { key } })
  assert.equal(fault(hex, 'hex'), undefined)
  assert.match(fault('abc'.repeat(11), 'hex') ?? '', /hex digits/)
  assert.match(fault("It's a Secret to Everybody", 'base64') ?? '', /base64/)
  assert.equal(fault(`whsec_${Buffer.alloc(32, 7).toString('base64')}`, 'base64'), undefined)
})
