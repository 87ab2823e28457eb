import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { signatures } from '../../../../src/deliver/signatures.ts'
import { headersOf as namesOf } from '../../../../src/subscriptions/signing.ts'
import { checkSignature, type Step } from '../../../../ui/src/parts/signatures.ts'

const vectors = JSON.parse(
  readFileSync(new URL('../../../support/vectors.json', import.meta.url), 'utf8'),
) as Vectors
interface Vectors {
  readonly standardWebhooks_v1: {
    readonly secret: string
    readonly id: string
    readonly timestamp: number
    readonly body: string
    readonly signature: string
  }
  readonly standardWebhooks_wrong: { readonly entries: readonly string[] }
  readonly github: { readonly secret: string; readonly body: string; readonly header: string }
}

const { secret, id, timestamp, body, signature } = vectors.standardWebhooks_v1
const now = timestamp * 1000 + 5000
const lines = (signed: string) =>
  `Webhook-Id: ${id}\nwebhook-timestamp: ${timestamp}\nwebhook-signature: ${signed}`
const last = (steps: readonly Step[]) => steps.at(-1)
const check = (request: { headers?: string; body?: string; secret?: string }, at = now) =>
  checkSignature({ headers: lines(signature), body, secret, ...request }, at)

test('a signature that is right is found to be right, step by step', async () => {
  const steps = await check({})
  assert.ok(steps.every(({ holds }) => holds !== false))
  assert.equal(last(steps)?.holds, true)
  assert.deepEqual(
    steps.flatMap(({ text }) => text ?? []),
    [`${id}.${timestamp}.${body}`, signature.slice(3)],
  )
  const amongOthers = `${vectors.standardWebhooks_wrong.entries.join(' ')} ${signature}`
  assert.equal(last(await check({ headers: lines(amongOthers) }))?.holds, true)
  const { github } = vectors
  const steps2 = await checkSignature(
    { headers: github.header, body: github.body, secret: github.secret },
    now,
  )
  assert.equal(last(steps2)?.holds, true)
})

test('what is wrong is named at its step', async () => {
  const parsed = JSON.stringify(JSON.parse(body))
  assert.match(last(await check({ body: parsed }))?.detail ?? '', /parsed and written again/)
  assert.equal(
    last(await check({ headers: lines(vectors.standardWebhooks_wrong.entries[0] ?? '') }))?.holds,
    false,
  )
  assert.equal(last(await check({ secret: 'whsec_not base64!' }))?.name, 'The key')
  assert.equal(last(await check({ secret: '' }))?.name, 'The key')
  assert.equal(last(await check({ headers: `webhook-signature: ${signature}` }))?.name, 'What is signed')
  assert.equal(last(await check({ headers: 'content-type: text/plain' }))?.name, 'Which signature is it?')
  const late = await check({}, now + 3_600_000)
  assert.match(
    late.find(({ name }) => name === 'Its time')?.detail ?? '',
    /2021-02-25T15:02:10.000Z.*too old/,
  )
})

test('without the signature that came it says which one is right', async () => {
  const steps = await check({ headers: lines('') })
  assert.equal(last(steps)?.holds, undefined)
  assert.ok(steps.some(({ text }) => text === signature.slice(3)))
})

test('what this service signs is found to be right, in every way of a shared secret', async () => {
  const text = 'a secret of the text schemes'
  const schemes = ['hub-sha256', 'stripe-sha256', 'shopify-sha256'] as const
  for (const scheme of schemes) {
    const key = { scheme, key: createSecretKey(Buffer.from(text)), expiresAt: null }
    const signer = { signingHeaders: namesOf({}), signingKeys: [], textKeys: [key] }
    const content = Buffer.from('{"total": 1, "name": "Zoë"}')
    const headers = signatures(signer, id, timestamp, content, now)
    const sent = `${headers[0]}: ${headers[1]}`
    const request = { headers: sent, body: content.toString(), secret: text }
    assert.equal(last(await checkSignature(request, now))?.holds, true, scheme)
    assert.equal(last(await checkSignature({ ...request, body: '{}' }, now))?.holds, false, scheme)
  }
})
