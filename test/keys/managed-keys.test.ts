import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lacksAdminKey } from '../../src/keys/first-key.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { ManagedKeys } from '../../src/keys/managed-keys.ts'
import type { KeyCreate } from '../../src/keys/schema.ts'
import { type Caller, localOperator, Reach } from '../../src/model/caller.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aTenant } from '../support/keys.ts'
import { testServer } from '../support/server.ts'

async function world() {
  const { database, close } = await testDatabase()
  for (const tenant of ['blue', 'red']) await aTenant(database, tenant)
  const clock = systemClock()
  const check = new ApiKeys({ database, clock })
  const keys = new ManagedKeys({ database, clock, changed: change => check.refresh(change) })
  return { database, clock, check, keys, [Symbol.asyncDispose]: close }
}

const admin: Caller = { ...localOperator, actor: { kind: 'key', id: '1', name: 'admin' } }
const tenantKey: Caller = { ...admin, scope: 'tenant', reach: Reach.of('blue') }
const refusedWith = (code: string) => (error: unknown) => Object(error).code === code

test('a key is valid as soon as it is made, shown this once, and stored as a hash', async () => {
  await using one = await world()
  const { key, ...made } = await one.keys.create(admin, { name: 'billing', scope: 'publish', tenant: 'blue' })
  assert.match(key, /^whk_[\w-]{43}$/)
  assert.equal(made.prefix, key.slice(0, 8))
  const caller = one.check.identify(`Bearer ${key}`)
  assert.ok(caller && !(caller instanceof Promise), 'from memory')
  assert.equal(caller.scope, 'publish')
  assert.equal(caller.reach.tenant, 'blue')
  assert.deepEqual(caller.actor, { kind: 'key', id: String(made.id), name: 'billing' })
  assert.deepEqual(await one.keys.read(Reach.all, made.id), made)
  const { rows } = await one.database.query<{ row: string }>({
    text: 'select row_to_json(k)::text as row from api_keys k',
  })
  assert.ok(!rows[0]?.row.includes(key))
})

test('a revoked key is refused at once', async () => {
  await using one = await world()
  const { key, id } = await one.keys.create(admin, { name: 'x', scope: 'read' })
  assert.equal(await one.keys.revoke(admin, id), true)
  assert.equal(await one.check.identify(`Bearer ${key}`), undefined)
  assert.equal(await one.keys.revoke(admin, id), false)
})

test('a key that has ended manages nothing any more', async () => {
  await using one = await world()
  const { database, keys } = one
  assert.equal(await lacksAdminKey(database), true)
  const { id } = await keys.create(admin, { name: 'x', scope: 'admin' })
  assert.deepEqual([await lacksAdminKey(database), await keys.hasAdmin()], [false, true])
  await database.query({
    text: `update api_keys set expires_at = now() - interval '1 s' where id = $1`,
    values: [id],
  })
  assert.deepEqual([await lacksAdminKey(database), await keys.hasAdmin()], [true, false])
})

test('nobody makes a key that may do more than their own, or for longer', async () => {
  await using one = await world()
  const make = (caller: Caller, body: KeyCreate) => one.keys.create(caller, body)
  await assert.rejects(make(tenantKey, { name: 'x', scope: 'admin' }), refusedWith('forbidden'))
  for (const scope of ['tenant', 'publish', 'read'] as const) {
    assert.equal((await make(tenantKey, { name: 'x', scope })).tenant, 'blue')
  }
  const end = Date.now() + 3_600_000
  const ending = { ...tenantKey, expiresAt: end }
  const at = (ms: number) => ({ name: 'x', scope: 'read', expires_at: new Date(ms).toISOString() }) as const
  await assert.rejects(make(ending, { name: 'x', scope: 'read' }), refusedWith('validation_failed'))
  await assert.rejects(make(ending, at(end + 1)), refusedWith('validation_failed'))
  assert.equal((await make(ending, at(end))).expires_at, new Date(end).toISOString())
})

test('a scope goes with a tenant or without one, and the tenant has to be there', async () => {
  await using one = await world()
  for (const body of [
    { name: 'x', scope: 'admin', tenant: 'blue' },
    { name: 'x', scope: 'tenant' },
    { name: 'x', scope: 'publish', tenant: null },
    { name: 'x', scope: 'publish', tenant: 'nobody' },
  ] as const) {
    await assert.rejects(one.keys.create(admin, body), refusedWith('validation_failed'), JSON.stringify(body))
  }
  assert.equal((await one.keys.create(admin, { name: 'x', scope: 'read' })).tenant, null)
  assert.equal((await one.keys.list(Reach.all, { limit: 10 })).length, 1)
})

test('an end is a time to come, with its zone', async () => {
  await using one = await world()
  for (const expires_at of ['tomorrow', '2027-01-01', '2999-01-01T00:00:00', '2020-01-01T00:00:00Z', '']) {
    await assert.rejects(
      one.keys.create(admin, { name: 'x', scope: 'read', expires_at }),
      refusedWith('validation_failed'),
      expires_at,
    )
  }
  const made = await one.keys.create(admin, {
    ...{ name: 'x', scope: 'read', expires_at: '2999-01-01T02:00:00+02:00' },
  })
  assert.equal(made.expires_at, '2999-01-01T00:00:00.000Z')
})

test('the last valid admin key stays, unless an operator without a key revokes it', async () => {
  await using one = await world()
  const [first, second] = [
    await one.keys.create(admin, { name: 'first', scope: 'admin' }),
    await one.keys.create(admin, { name: 'second', scope: 'admin' }),
  ]
  await one.database.query({
    text: "insert into api_keys (name, hash, prefix, expires_at) values ('over', '\\x00', 'whk_', now())",
  })
  // Of two who revoke each other's key at a time one succeeds.
  const results = await Promise.allSettled([
    one.keys.revoke(admin, first.id),
    one.keys.revoke(admin, second.id),
  ])
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const [left] = (await one.keys.list(Reach.all, { limit: 10 })).filter(({ name }) => name !== 'over')
  await assert.rejects(one.keys.revoke(admin, left?.id ?? 0), refusedWith('last_admin_key'))
  assert.equal(await one.keys.revoke(localOperator, left?.id ?? 0), true)
})

test('the last use is written once a minute at most, and not on the way of a request', async () => {
  await using one = await world()
  const { database } = one
  let now = Date.now()
  const keys = new ApiKeys({ database, clock: { now: () => now } })
  const { key, id } = await one.keys.create(admin, { name: 'x', scope: 'read' })
  const lastUse = async () => {
    const row = await one.keys.read(Reach.all, id)
    return row?.last_used_at == null ? null : Date.parse(row.last_used_at)
  }
  await keys.load()
  assert.ok(keys.identify(`Bearer ${key}`))
  assert.equal(await lastUse(), null)
  await keys.writeUses()
  const first = now
  assert.equal(await lastUse(), first)
  now += 59_000
  assert.ok(keys.identify(`Bearer ${key}`))
  await keys.writeUses()
  assert.equal(await lastUse(), first)
  // Another process knows of the use by the table.
  const others = new ApiKeys({ database, clock: { now: () => now } })
  await others.load()
  assert.ok(others.identify(`Bearer ${key}`))
  await others.writeUses()
  assert.equal(await lastUse(), first)
  now += 1000
  for (const each of [keys, others]) {
    assert.ok(each.identify(`Bearer ${key}`))
    await each.writeUses()
  }
  assert.equal(await lastUse(), now)
})

test('the list is newest first, page by page; a key of one tenant sees its own', async () => {
  await using server = await testServer()
  await aTenant(server.world.database, 'blue')
  const make = (json: object) => server.request('/keys', { method: 'POST', json })
  for (let n = 1; n <= 5; n++) await make({ name: `n${n}`, scope: 'read', tenant: n % 2 ? 'blue' : null })
  const names = async (first: string) => {
    const found: string[] = []
    for (let path: string | undefined = first; path !== undefined; ) {
      const answer = await server.request(path)
      for (const key of answer.json as { name: string }[]) found.push(key.name)
      assert.doesNotMatch(answer.text, /"key"|"hash"/)
      path = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    return found
  }
  assert.deepEqual(await names('/keys?limit=2'), ['n5', 'n4', 'n3', 'n2', 'n1'])
  assert.deepEqual(await names('/keys?tenant=blue&limit=1'), ['n5', 'n3', 'n1'])
  const made = await make({ name: 'x', scope: 'read' })
  assert.equal(made.headers.get('cache-control'), 'no-store')
  assert.equal((await server.request(made.headers.get('location') ?? '')).status, 200)
  assert.equal((await server.request('/keys/nonsense')).status, 404)
})
