import assert from 'node:assert/strict'
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createVerifier, httpbis } from 'http-message-signatures'
import type { PublicJwk } from '../../src/deliver/jwks.ts'
import { aKey } from '../support/keys.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { type TestService, testService } from '../support/service.ts'

let world: TestService
before(async () => {
  world = await testService()
})
after(() => world[Symbol.asyncDispose]())

async function call(method: string, path: string, body?: object) {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const json = JSON.parse((await answer.text()) || '{}')
  return { status: answer.status, headers: answer.headers, json }
}

const keysOf = async (id: number): Promise<readonly PublicJwk[]> =>
  (await call('GET', `/subscriptions/${id}/jwks.json`)).json.keys

/** As a receiver verifies that knows the address of the keys, and keeps what it has read there. */
async function verifies(
  { headers, body: _ }: Received,
  url: string,
  keys: readonly PublicJwk[],
): Promise<boolean> {
  const found = await httpbis.verifyMessage(
    {
      keyLookup: async ({ keyid }) => {
        const jwk = keys.find(({ kid }) => kid === keyid)
        if (jwk === undefined) return null
        const key = createPublicKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' })
        return { id: jwk.kid, algs: ['ed25519'], verify: createVerifier(key, 'ed25519') }
      },
      all: false,
    },
    { method: 'POST', url, headers: headers as Record<string, string> },
  )
  return found === true
}

test('who keeps the keys of a JWK Set verifies through a rotation, and the old key goes with its overlap', async () => {
  await using receiver = await startReceiver()
  const target = `${receiver.origin}/hooks`
  const { json: made } = await call('POST', '/subscriptions/', {
    target_url: target,
    signing: { scheme: ['v1a', 'rfc9421-ed25519'] },
  })
  const first = await call('GET', `/subscriptions/${made.id}/jwks.json`)
  assert.equal(first.status, 200, JSON.stringify(first.json))
  assert.match(first.headers.get('content-type') ?? '', /^application\/jwk-set\+json/)
  assert.equal(first.headers.get('cache-control'), 'public, max-age=300')
  const kept: readonly PublicJwk[] = first.json.keys
  assert.deepEqual(
    kept.map(({ kid }) => kid),
    [made.signing_public_key],
  )
  assert.deepEqual(Object.keys(kept[0] ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
  const sent = async () => {
    const before = receiver.received.length
    await call('POST', `/subscriptions/${made.id}/test`)
    const got = receiver.received[before]
    assert.ok(got)
    return got
  }
  assert.ok(await verifies(await sent(), target, kept))

  const { json: rotated } = await call('POST', `/subscriptions/${made.id}/rotate-secret`, {
    overlap_seconds: 600,
  })
  const both = await keysOf(made.id)
  assert.deepEqual(
    both.map(({ kid }) => kid),
    [rotated.signing_public_key, made.signing_public_key],
  )
  const during = await sent()
  assert.ok(await verifies(during, target, kept), 'with the keys that were kept')
  assert.ok(await verifies(during, target, both.slice(0, 1)), 'with the new one alone')
  world.clock.advance(601_000)
  assert.deepEqual(
    (await keysOf(made.id)).map(({ kid }) => kid),
    [rotated.signing_public_key],
  )
})

test('whatever signs with a key pair shows it; what does not is answered as one that is not there', async () => {
  const subscribe = async (signing: object, more: object = {}) =>
    (await call('POST', '/subscriptions/', { target_url: 'http://127.0.0.1:9/', signing, ...more })).json
  const custom = { algorithm: 'ed25519', content: '{body}', header: 'x-s' }
  for (const signing of [{ scheme: 'v1a' }, { scheme: 'rfc9421-ed25519' }, { scheme: 'custom', custom }]) {
    const made = await subscribe(signing)
    assert.deepEqual(
      (await keysOf(made.id)).map(({ kid }) => kid),
      [made.signing_public_key],
    )
  }
  const secret = await subscribe({ scheme: ['v1', 'rfc9421-hmac-sha256'] })
  const none = await call('GET', `/subscriptions/${secret.id}/jwks.json`)
  const nobody = await call('GET', '/subscriptions/999999/jwks.json')
  assert.deepEqual([none.status, nobody.status], [404, 404])
  assert.equal(none.json.detail, nobody.json.detail)
  for (const path of ['uid:x', '0', '-1', '1e9', '99999999999'])
    assert.equal((await call('GET', `/subscriptions/${path}/jwks.json`)).status, 404, path)
})

test('it needs no key, and no other part of a subscription is shown without one', async () => {
  await using closed = await testService({ AUTH: 'keys' })
  const admin = {
    authorization: `Bearer ${await aKey(closed.world.database, 'admin')}`,
    'content-type': 'application/json',
  }
  const made = await fetch(`${closed.url}/subscriptions/`, {
    method: 'POST',
    headers: admin,
    body: JSON.stringify({ target_url: 'http://127.0.0.1:9/', signing: { scheme: 'v1a' } }),
  })
  const { id } = JSON.parse(await made.text())
  assert.equal((await fetch(`${closed.url}/subscriptions/${id}/jwks.json`)).status, 200)
  assert.equal((await fetch(`${closed.url}/subscriptions/${id}`)).status, 401)
})
