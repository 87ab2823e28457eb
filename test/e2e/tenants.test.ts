import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { aKey, aPortalToken, aTenant } from '../support/keys.ts'
import { startReceiver } from '../support/receiver.ts'
import { anEvent, owe } from '../support/rows.ts'
import {
  client,
  eventually,
  processWorld,
  runCommand,
  settledAudit,
  testService,
} from '../support/service.ts'

const newId = uuidV7Source(systemClock())
const json = { 'content-type': 'application/json' }

/** A database's answer to one number. */
async function count(database: Database, from: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>({ text: `select count(*)::int as n from ${from}` })
  return rows[0]?.n ?? -1
}

test('a deleted tenant takes nothing more, its subscriptions end, and what they are owed is cancelled', async () => {
  await using receiver = await startReceiver()
  await using world = await testService({ AUTH: 'keys' })
  const { database } = world.world
  for (const tenant of ['acme', 'other']) await aTenant(database, tenant)
  const admin = { ...json, authorization: `Bearer ${world.service.firstKey}` }
  const own = { ...json, authorization: `Bearer ${await aKey(database, 'tenant', 'acme')}` }
  const portal = { ...json, authorization: `Bearer ${(await aPortalToken(database, 'acme')).token}` }
  const others = { ...json, authorization: `Bearer ${await aKey(database, 'tenant', 'other')}` }
  const api = client(world.url)
  const subscribe = async (headers: Record<string, string>, body: object) =>
    Object(await (await api.post('/subscriptions/', JSON.stringify(body), headers)).json()).id as number
  const signed = await subscribe(own, { target_url: receiver.origin, paused: true, secret: 'mysecret' })
  const paused = await subscribe(own, { target_url: receiver.origin, paused: true })
  const theirs = await subscribe(others, { target_url: receiver.origin })
  const { webhook_id: owedId } = Object(await (await api.post(`/ingest/${paused}`, '{}', own)).json())

  const deleted = await fetch(`${world.url}/tenants/acme`, { method: 'DELETE', headers: admin })
  assert.equal(deleted.status, 204)
  for (const headers of [own, portal])
    assert.equal((await fetch(`${world.url}/subscriptions/`, { headers })).status, 401)
  assert.equal((await api.post(`/ingest/${paused}`, '{}', admin)).status, 404)
  assert.equal((await api.post(`/ingest/${signed}`, '{}', json)).status, 401)
  const made = await api.post(
    '/subscriptions/',
    JSON.stringify({ target_url: receiver.origin, tenant: 'acme' }),
    admin,
  )
  assert.equal(made.status, 422)
  assert.match(await made.text(), /There is no tenant acme/)

  await eventually(async () => (await count(database, 'tenants where emptied_at is not null')) === 1)
  assert.equal(await count(database, `subscriptions where tenant = 'acme'`), 0)
  const status = await (await fetch(`${world.url}/status/${owedId}`, { headers: admin })).json()
  assert.equal(Object(status).status, 'cancelled')
  const log = await (await fetch(`${world.url}/logs/${paused}`, { headers: admin })).text()
  assert.match(log, /the tenant was deleted/)
  // The other tenant notices nothing.
  assert.equal((await api.post(`/ingest/${theirs}`, '{}', others)).status, 202)
  await receiver.waitFor(1)
  assert.equal((await settledAudit(world.world)).missing, 0)
  assert.equal(await count(database, 'lanes'), 1)
})

test('the end of a tenant goes on where it was when its process is killed', async () => {
  await using world = await processWorld({ DATABASE_POOL_SIZE: '2' })
  const { database } = world.world
  const first = await world.start()
  await aTenant(database, 'acme')
  await database.query({
    text: `insert into subscriptions (tenant, target_url, signing_secrets)
           select 'acme', 'http://127.0.0.1:9/', '[]' from generate_series(1, 400)`,
  })
  await database.query({ text: 'insert into lanes (subscription_id) select id from subscriptions' })
  const event = anEvent({ webhookId: newId(), tenant: 'acme' })
  await owe(database, { ...event, subscriptionIds: [1] })
  // Ids of now: what is older than the retention would end as expired.
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, due_at, size_bytes)
           select overlay(gen_random_uuid()::text placing left($1, 8) from 1)::uuid, s.id, now() + interval '1 day', 2
           from subscriptions s, generate_series(1, 50)`,
    values: [newId()],
  })
  // While nothing can be logged it does not come to its end, however late it is killed.
  const holder = new pg.Client(world.world.connection)
  await holder.connect()
  await holder.query('begin; lock table delivery_logs in exclusive mode')
  assert.equal((await fetch(`${first.url}/tenants/acme`, { method: 'DELETE' })).status, 204)
  const waiting = `pg_locks where relation = 'delivery_logs'::regclass and mode = 'RowExclusiveLock' and not granted`
  await eventually(async () => (await count(database, waiting)) > 0)
  await first.end('SIGKILL')
  await holder.end()
  await world.start()
  await eventually(
    async () => (await count(database, 'tenants where emptied_at is not null')) === 1,
    undefined,
    60_000,
  )
  assert.equal(await count(database, 'subscriptions'), 0)
  assert.equal(await count(database, 'lanes'), 0)
  assert.equal(await count(database, 'owed'), 0)
  assert.equal(await count(database, `delivery_logs where verdict = 'cancelled'`), 20_001)
  assert.equal(runCommand(['audit'], world.environment).status, 0)
})
