import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import type { Place } from '../../src/sources/preset.ts'
import { presetOf, presets } from '../../src/sources/presets.ts'
import type { Verified } from '../../src/sources/verified.ts'
import { verifyRequest } from '../../src/sources/verify.ts'
import { type Provider, providers, type Sent } from '../support/providers.ts'

const now = Date.parse('2026-11-29T05:00:00.250Z')

function presetFor(id: string) {
  const preset = presetOf(id)
  assert.ok(preset, id)
  return preset
}

const asCame = (sent: Sent) => new InboundRequest({ ...sent, body: Buffer.from(sent.body) })

function check(id: string, sent: Sent, secrets: readonly string[], at = now): Verified {
  const key = providers[id]?.certified
  const certificateKey = () => key
  return verifyRequest(presetFor(id).verification, asCame(sent), { secrets, now: at, certificateKey })
}

const signed = Object.entries(providers).filter(([, { change }]) => change !== undefined)
const dated = signed.filter(([, { tolerance }]) => tolerance !== undefined)
const withSecret = Object.entries(providers).filter(([id]) => id !== 'none')
const sendAs = ({ send, body }: Provider, secret: string, at = now) => send(secret, at, body)
const refusal = (reason: string) => ({ kind: 'failed', reason })

test('every preset is tried with what its provider sends', () => {
  assert.deepEqual(
    Object.keys(providers).sort(),
    presets.map(({ id }) => id),
  )
  assert.equal(dated.length, 15)
  assert.equal(signed.length, presets.length - 8)
})

for (const [id, provider] of Object.entries(providers)) {
  test(`${id}: what the provider sends is believed, and its type and id are read`, () => {
    const kind = id === 'none' ? 'unattempted' : provider.change ? 'verified' : 'authenticated'
    const [first] = provider.secrets
    const sent = sendAs(provider, first)
    const secret = id === 'none' ? {} : { secret: 0 }
    assert.deepEqual(check(id, sent, [first]), { kind, ...secret })
    const preset = presetFor(id)
    const request = asCame(sent)
    const read = (places: readonly Place[]) => places.map(place => request.textAt(place)).find(Boolean)
    if (provider.type) assert.equal(read(preset.eventType), provider.type)
    assert.equal(read(preset.dedupe), provider.repeat)
    assert.equal(preset.needsPublicUrl === true, sent.publicUrl !== undefined)
  })
}

for (const [id, provider] of withSecret) {
  test(`${id}: the second secret is as good as the first, and another one is not`, () => {
    const [first, second] = provider.secrets
    const sent = sendAs(provider, second)
    const kind = provider.change ? 'verified' : 'authenticated'
    assert.deepEqual(check(id, sent, [first, second]), { kind, secret: 1 })
    const foreign = id === 'aws-sns' ? 'unknown_sender' : 'signature_mismatch'
    assert.deepEqual(check(id, sent, [first]), refusal(provider.change ? foreign : 'wrong_token'))
    if (provider.certified) return
    assert.deepEqual(check(id, sent, ['']), refusal('unusable_secret'))
    assert.deepEqual(check(id, sent, []), refusal('unusable_secret'))
  })

  test(`${id}: without a signature it is refused`, () => {
    const sent = sendAs(provider, provider.secrets[0])
    const bare = { ...sent, headers: {}, search: '', body: '{}' }
    assert.deepEqual(
      check(id, bare, provider.secrets),
      refusal(provider.change ? 'missing_signature' : 'missing_token'),
    )
  })
}

for (const [id, provider] of signed) {
  test(`${id}: a changed byte is found`, () => {
    const [first] = provider.secrets
    const sent = sendAs(provider, first)
    const body = sent.body.replace(...(provider.change ?? ['', '']))
    assert.notEqual(body, sent.body)
    assert.deepEqual(check(id, { ...sent, body }, [first]), refusal('signature_mismatch'))
  })
}

for (const [id, provider] of dated) {
  test(`${id}: what is too old, or of the future, is refused`, () => {
    const [first] = provider.secrets
    const within = (provider.tolerance ?? 0) * 1000 - 1000
    const beyond = within + 2001
    const sentAt = (at: number) => check(id, sendAs(provider, first, at), [first])
    assert.deepEqual(sentAt(now - within), { kind: 'verified', secret: 0 })
    assert.deepEqual(sentAt(now - beyond), refusal('timestamp_too_old'))
    assert.deepEqual(sentAt(now + within), { kind: 'verified', secret: 0 })
    assert.deepEqual(sentAt(now + beyond), refusal('timestamp_in_future'))
  })

  test(`${id}: a time that was changed is found`, () => {
    if (provider.certified) return // test/sources/certificates.test.ts
    const [first] = provider.secrets
    const sent = sendAs(provider, first)
    const later = sendAs(provider, first, now + 2000)
    const signature = Object.keys(sent.headers).find(name => /signature(-v3|-ed25519)?$/.test(name)) ?? ''
    // Where time and signature are in one text, only the time is changed.
    const old = sent.headers[signature] ?? ''
    const mixed = old.replace(/^(t|ts)=\d+/, text => text.replace(/\d+/, s => String(Number(s) + 2)))
    const changed =
      id === 'mailgun'
        ? {
            ...sent,
            body: sent.body.replace(/"timestamp":"\d+"/, `"timestamp":"${Math.floor(now / 1000) + 2}"`),
          }
        : { ...later, headers: { ...later.headers, [signature]: mixed } }
    assert.deepEqual(check(id, changed, [first]), refusal('signature_mismatch'))
  })
}

test('a provider that signs no time is believed whenever it comes', () => {
  for (const [id, provider] of signed) {
    if (provider.tolerance !== undefined) continue
    const [first] = provider.secrets
    const sent = sendAs(provider, first, now - 86_400_000)
    assert.equal(check(id, sent, [first]).kind, 'verified', id)
  }
})

test('ids are in order, and each leads to the documentation of the provider', () => {
  const ids = presets.map(({ id }) => id)
  assert.deepEqual(ids, [...new Set(ids)].sort())
  const own = presets.filter(({ documentation }) => documentation === null).map(({ id }) => id)
  assert.deepEqual(own, ['api-key', 'basic', 'bearer', 'hmac', 'none'])
  for (const { documentation, id } of presets)
    if (documentation !== null) assert.match(documentation, /^https:\/\/[a-z.]+\/\S+$/, id)
})
