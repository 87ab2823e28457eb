import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { recordFinalAttempts } from '../src/log/store.ts'
import { type TestDatabase, testDatabase } from './support/database.ts'
import { anEvent, newId, owe } from './support/rows.ts'

// What the schema promises by itself, whoever writes. It is in migrations/.

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
after(() => world.close())

const query = (text: string, values: readonly unknown[] = []) => world.database.query({ text, values })

async function subscribe(tenant = 'default', uid: string | null = null): Promise<number> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into subscriptions (tenant, uid, target_url, signing_secrets)
           values ($1, $2, 'https://example.com/a', '[]') returning id`,
    values: [tenant, uid],
  })
  return rows[0]?.id ?? 0
}

/** Logs a delivered event of a subscription. */
async function logOne(subscriptionId: number): Promise<void> {
  const { webhookId } = anEvent()
  const at = { id: newId(), timestamp: Date.now(), nextAt: null, durationMs: 1 }
  const well = { status: 'success', verdict: 'delivered', httpStatus: 200, error: null } as const
  await recordFinalAttempts(world.database, [{ ...at, ...well, subscriptionId, webhookId, attempt: 1 }])
}

test('a deletion leaves a tombstone in its transaction, and none when that is rolled back', async () => {
  const id = await subscribe('system', 'mine')
  await assert.rejects(
    world.database.transaction(async tx => {
      await tx.query({ text: 'delete from subscriptions where id = $1', values: [id] })
      throw new Error('not after all')
    }),
  )
  const tombstone = 'select tenant, uid, target_url from subscription_tombstones where id = $1'
  assert.deepEqual((await query(tombstone, [id])).rows, [])
  await query('delete from subscriptions where id = $1', [id])
  assert.deepEqual((await query(tombstone, [id])).rows, [
    { tenant: 'system', uid: 'mine', target_url: 'https://example.com/a' },
  ])
})

test('the tenant of every row of the log is known, also after a deletion', async () => {
  const [kept, deleted] = [await subscribe('default'), await subscribe('system')]
  for (const id of [kept, deleted]) await logOne(id)
  await query('delete from subscriptions where id = $1', [deleted])
  const { rows } = await query(
    `select l.subscription_id as id, s.tenant from delivery_logs l
     left join (select id, tenant from subscriptions union all select id, tenant from subscription_tombstones) s
       on s.id = l.subscription_id
     where l.subscription_id = any($1) order by id`,
    [[kept, deleted]],
  )
  assert.deepEqual(rows, [
    { id: kept, tenant: 'default' },
    { id: deleted, tenant: 'system' },
  ])
})

test('an id is never used again, and neither id nor tenant of a subscription changes', async () => {
  const id = await subscribe()
  const [change, make] = [
    'update subscriptions set',
    "insert into subscriptions (id, target_url, signing_secrets) values ($1, 'https://example.com/b', '[]')",
  ]
  await assert.rejects(query(`${change} tenant = 'system' where id = $1`, [id]), /never change/)
  await assert.rejects(query(`${change} id = id + 100000 where id = $1`, [id]), /never change/)
  await query(`${change} tenant = tenant, uid = 'other' where id = $1`, [id])
  await query('delete from subscriptions where id = $1', [id])
  await assert.rejects(query(make, [id]), /was deleted, and an id is never used again/)
})

test('a uid is unique within its tenant, and free again after a deletion', async () => {
  const id = await subscribe('default', 'one')
  await subscribe('system', 'one')
  await assert.rejects(subscribe('default', 'one'), /subscriptions_uid/)
  await query('delete from subscriptions where id = $1', [id])
  assert.ok((await subscribe('default', 'one')) > id)
})

test('a key names only scopes that there are, and a tenant where its scopes are of one', async () => {
  const make = (hash: string, scopes: readonly string[], tenant: string | null) =>
    query(
      'insert into api_keys (name, hash, prefix, scopes, tenant) values ($1, $1::text::bytea, $1, $2, $3)',
      [hash, scopes, tenant],
    )
  await make('a', ['read'], null)
  await make('b', ['publish', 'read'], 'default')
  for (const [scopes, tenant] of [
    [[], null],
    [['raed'], null],
    [['publish'], null],
    [['read', 'tenant'], null],
    [['read'], 'nobody'],
  ] as const) {
    await assert.rejects(make('c', scopes, tenant), /violates/, `${scopes} of ${tenant}`)
  }
})

test('what was written without a trigger was made by itself', async () => {
  await logOne(1)
  const { rows } = await query('select distinct trigger from delivery_logs')
  assert.deepEqual(rows, [{ trigger: 'auto' }])
})

test('each row of what is owed has a due time of its own, and why it is tried', async () => {
  const { webhookId } = anEvent()
  await query(
    `insert into owed (webhook_id, subscription_id, size_bytes, due_at, trigger)
     values ($1, 1, 1, '2026-01-01Z', null), ($1, 2, 1, '2026-02-01Z', 'replay')`,
    [webhookId],
  )
  const { rows } = await query(
    'select due_at, trigger from owed where webhook_id = $1 order by subscription_id',
    [webhookId],
  )
  assert.deepEqual(rows, [
    { due_at: new Date('2026-01-01Z'), trigger: null },
    { due_at: new Date('2026-02-01Z'), trigger: 'replay' },
  ])
})

// What a delivery writes most of. A column more that is not null in each row, or one in the wrong place, shows here.
test('the rows of the happy path are narrow', async () => {
  await query('truncate owed, delivery_logs')
  await owe(world.database, { owner: 1 })
  await logOne(1)
  const { rows } = await query(
    'select (select pg_column_size(o.*) from owed o) as owed, (select pg_column_size(l.*) from delivery_logs l) as log',
  )
  assert.deepEqual(rows, [{ owed: 70, log: 96 }])
})

test('a change of the state of a subscription is noted, whoever makes it, and no other change is', async () => {
  const id = await subscribe('system')
  await query(`update subscriptions set description = 'mine' where id = $1`, [id])
  await query(`update subscriptions set paused = true where id = $1`, [id])
  await query(
    `update subscriptions set paused = true, state = 'degraded', state_reason = 'fails' where id = $1`,
    [id],
  )
  const { rows } = await query(
    `select paused_before, paused, state_before, state, reason, substr(id::text, 15, 1) as version
     from subscription_changes where subscription_id = $1 order by paused_before`,
    [id],
  )
  const paused = { paused_before: false, paused: true, state_before: 'active', state: 'active', reason: null }
  const failing = {
    paused_before: true,
    paused: true,
    state_before: 'active',
    state: 'degraded',
    reason: 'fails',
  }
  assert.deepEqual(rows, [
    { ...paused, version: '7' },
    { ...failing, version: '7' },
  ])
})
