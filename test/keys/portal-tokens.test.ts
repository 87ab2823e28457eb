import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayCall } from '../../src/http/access.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { PortalTokens } from '../../src/keys/portal-tokens.ts'
import { type Caller, localOperator, Reach } from '../../src/model/caller.ts'
import { testDatabase } from '../support/database.ts'
import { aTenant } from '../support/keys.ts'
import { testServer } from '../support/server.ts'

async function world(publicUrl?: string) {
  const { database, close } = await testDatabase()
  for (const tenant of ['blue', 'red']) await aTenant(database, tenant)
  const time = { now: Date.now() }
  const clock = { now: () => time.now }
  const check = new ApiKeys({ database, clock })
  const tokens = new PortalTokens({ database, clock, publicUrl, changed: change => check.refresh(change) })
  return { database, time, check, tokens, [Symbol.asyncDispose]: close }
}

const blue: Caller = { ...localOperator, scope: 'tenant', reach: Reach.of('blue') }
const asked = 'http://localhost:8000'
const hourMs = 3_600_000

test('a token opens what its tenant has, for an hour unless said otherwise', async () => {
  await using one = await world()
  const { id, token, url, expires_at } = await one.tokens.create(blue, {}, asked)
  assert.match(token, /^whp_[\w-]{43}$/)
  assert.equal(url, `http://localhost:8000/ui/portal#token=${token}`)
  assert.equal(Date.parse(expires_at), one.time.now + hourMs)
  const caller = await one.check.identify(`Bearer ${token}`)
  assert.equal(caller?.scope, 'tenant')
  assert.equal(caller?.reach.tenant, 'blue')
  assert.equal(caller?.actor.kind, 'portal_token')
  assert.equal(caller?.actor.id, String(id))
  one.time.now += hourMs - 1
  assert.ok(await one.check.identify(`Bearer ${token}`))
  one.time.now += 1
  assert.equal(await one.check.identify(`Bearer ${token}`), undefined)
})

test('a token may do what a key of its tenant may, or read; it makes no keys and no tokens', async () => {
  await using one = await world()
  const callerOf = async (read_only: boolean) =>
    one.check.identify(`Bearer ${(await one.tokens.create(blue, { read_only }, asked)).token}`)
  const [full, reading] = [await callerOf(false), await callerOf(true)]
  assert.ok(full && reading)
  const may = (caller: Caller) =>
    (['any', 'publish', 'read', 'write', 'keys', 'read_all', 'admin'] as const).filter(kind =>
      mayCall(caller, kind),
    )
  assert.deepEqual(may(full), ['any', 'publish', 'read', 'write'])
  assert.deepEqual(may(reading), ['any', 'read'])
})

test('a token is not valid for longer than the key that makes it, and is revoked within its tenant', async () => {
  await using one = await world('https://webhooks.example.com')
  const ending = { ...blue, expiresAt: one.time.now + 60_000 }
  const made = await one.tokens.create(ending, { expires_in_seconds: 7200 }, asked)
  assert.equal(Date.parse(made.expires_at), ending.expiresAt)
  assert.ok(made.url.startsWith('https://webhooks.example.com/ui/portal#token=whp_'))
  assert.equal(await one.tokens.revoke({ ...blue, reach: Reach.of('red') }, made.id), false)
  assert.ok(await one.check.identify(`Bearer ${made.token}`))
  assert.equal(await one.tokens.revoke(blue, made.id), true)
  assert.equal(await one.check.identify(`Bearer ${made.token}`), undefined)
})

test('expired tokens are removed, and others stay', async () => {
  await using one = await world()
  for (let n = 0; n < 3; n++) await one.tokens.create(blue, {}, asked)
  await one.database.query({ text: 'update portal_tokens set expires_at = now() where id < 3' })
  await one.tokens.removeExpired(new AbortController().signal)
  const { rows } = await one.database.query({ text: 'select id from portal_tokens' })
  assert.deepEqual(rows, [{ id: 3 }])
})

test('an operator says for which tenant a token is, and is told who they are', async () => {
  await using server = await testServer()
  const make = (json: object) => server.request('/portal-tokens', { method: 'POST', json })
  assert.equal((await make({})).status, 422)
  assert.equal((await make({ tenant: 'nobody' })).status, 422)
  for (const json of [
    { tenant: 'default', expires_in_seconds: 59 },
    { tenant: 'default', expires_in_seconds: 604_801 },
    { tenant: 'default', views: [] },
    { tenant: 'default', views: ['A b'] },
  ]) {
    assert.equal((await make(json)).status, 422, JSON.stringify(json))
  }
  const made = await make({ tenant: 'default', views: ['subscriptions'] })
  assert.equal(made.status, 201)
  assert.equal(made.headers.get('cache-control'), 'no-store')
  assert.ok(Object(made.json).url.startsWith(`${server.url}/ui/portal#token=`))
  const path = `/portal-tokens/${Object(made.json).id}`
  assert.equal((await server.request(path, { method: 'DELETE' })).status, 204)
  assert.equal((await server.request(path, { method: 'DELETE' })).status, 404)
  assert.deepEqual((await server.request('/me')).json, {
    actor: { kind: 'operator', id: null, name: 'operator' },
    scope: 'admin',
    tenant: null,
    expires_at: null,
  })
})

test('a token is told what its page shows', async () => {
  await using one = await world()
  const made = await one.tokens.create(blue, { views: ['subscriptions', 'events'], read_only: true }, asked)
  const caller = await one.check.identify(`Bearer ${made.token}`)
  assert.ok(caller)
  assert.deepEqual(await one.tokens.describe(caller), {
    actor: { kind: 'portal_token', id: String(made.id), name: 'portal of blue' },
    scope: 'read',
    tenant: 'blue',
    expires_at: made.expires_at,
    views: ['subscriptions', 'events'],
    portal: { name: null, accent: null, logo: null },
  })
  await one.database.query({
    text: `update tenants set portal = '{"name": "Blue", "accent": "#0055ff"}' where id = 'blue'`,
  })
  const { portal } = await one.tokens.describe(caller)
  assert.deepEqual(portal, { name: 'Blue', accent: '#0055ff', logo: null })
})
