import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { KeyCheck } from '../../src/http/auth.ts'
import { keyScopes, Reach } from '../../src/model/caller.ts'
import { SourcePreset } from '../../src/sources/preset-schema.ts'
import { testServer } from '../support/server.ts'

// A key's text is its scope.
const keys: KeyCheck = {
  identify: authorization => {
    const scope = keyScopes.find(one => one === authorization)
    if (scope === undefined) return undefined
    const reach = scope === 'admin' ? Reach.all : Reach.of('acme')
    return { actor: { kind: 'key', id: scope, name: scope }, scope, reach, expiresAt: null }
  },
}
const server = await testServer({ keys })
after(() => server[Symbol.asyncDispose]())

async function list(authorization: string, query = '') {
  const { statusCode, json } = await server.app.inject({
    url: `/sources/presets${query}`,
    headers: { authorization },
  })
  return { status: statusCode, body: json() }
}

const answer = await list('admin')
const listed: readonly Record<string, unknown>[] = answer.body
const presetNamed = (id: string) => listed.find(preset => preset.id === id)

test('whoever has a key gets all presets, as the document describes them', async () => {
  assert.equal(answer.status, 200)
  // What is not described is not there.
  const shape = Compile(Type.Array(Type.Object(SourcePreset.properties, { additionalProperties: false })))
  assert.deepEqual([...shape.Errors(listed)], [])
  for (const scope of keyScopes) assert.deepEqual(await list(scope), answer, scope)
  assert.equal((await list('nobody')).status, 401)
  assert.equal((await list('admin', '?limit=1')).status, 422)
})

test('a preset says what is signed, where the signature stands, and what is read', () => {
  assert.deepEqual(presetNamed('stripe'), {
    id: 'stripe',
    name: 'Stripe',
    documentation: 'https://docs.stripe.com/webhooks/signature',
    secret: { kind: 'shared_secret', description: 'The signing secret of the endpoint, with its whsec_' },
    signatures: [
      {
        algorithm: 'hmac-sha256',
        encoding: 'hex',
        at: 'header:stripe-signature',
        prefix: 'v1=',
        signed: '{timestamp}.{body}',
        signed_at: 'header:stripe-signature',
        tolerance_seconds: 300,
      },
    ],
    headers: ['stripe-signature'],
    event_type: ['field:type'],
    dedupe: ['field:id'],
    answer: null,
    answers_challenge: false,
    needs_public_url: false,
  })
  const kinds = ['standard-webhooks', 'discord', 'api-key', 'basic', 'none'].map(
    id => Object(presetNamed(id)?.secret).kind,
  )
  assert.deepEqual(kinds, ['shared_secret_or_public_key', 'public_key', 'token', 'user_and_password', 'none'])
  assert.deepEqual(presetNamed('standard-webhooks')?.headers, [
    'webhook-id',
    'webhook-signature',
    'webhook-timestamp',
  ])
  assert.deepEqual(presetNamed('bearer')?.headers, ['authorization'])
  assert.equal(presetNamed('twilio')?.needs_public_url, true)
  assert.equal(presetNamed('slack')?.answers_challenge, true)
})
