import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../src/config/config.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { planAll, pruneAll } from '../../src/service/prune.ts'
import type { Subscriptions } from '../../src/subscriptions/subscriptions.ts'
import { fakeClock, hourMs } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { logged, owing, store } from '../support/events.ts'
import { idAt } from '../support/rows.ts'

const tables = [
  ...[
    'events',
    'taken_names',
    'owed',
    'delivery_logs',
    'attempt_details',
    'audit_log',
    'subscription_changes',
  ],
  ...['tenant_stats', 'replays', 'test_receivers'],
]

async function counted(db: Queryable): Promise<Record<string, number>> {
  const { rows } = await db.query<{ name: string; n: number }>({
    text: tables.map(name => `select '${name}' as name, count(*)::int as n from ${name}`).join(' union all '),
  })
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]))
}

/** Of each kind that is kept for a time something that is some minutes old. */
async function someOfAll(db: Queryable): Promise<void> {
  const ago = idAt(Date.now() - 120_000)
  const minute = Math.floor(Date.now() / 60_000) - 2
  const event = await store(db, { to: [1, 2], eventId: 'one' })
  await logged(db, event, 1, 'delivered')
  await owing(db, event, 2)
  for (const text of [
    `insert into attempt_details (id, request, response_body, timings) select id, '{}', '', '{}' from delivery_logs`,
    `insert into audit_log (id, at, actor_kind, actor_name, subject_kind, action, tenant, changes) values ('${ago}', now(), 'operator', 'x', 'x', 'x', 'default', '[]')`,
    `insert into subscription_changes (id, subscription_id, paused_before, paused, state_before, state)
     values ('${ago}', 1, false, true, 'active', 'active')`,
    `insert into tenant_stats (step, minute, tenant, success, failed, given_up, cells) values (1, ${minute}, 'default', 1, 0, 0, '{1}')`,
    `insert into stats_periods (step, minute) values (1, ${minute})`,
    `insert into replays (id, tenant, filter, state, finished_at) values ('${ago}', 'default', '{}', 'done', now())`,
    `insert into test_receivers (tenant, token, url, answer, expires_at) values ('default', 't', 'u', '{}', now() + interval '1 h')`,
  ])
    await db.query({ text })
}

test('a clock that is far ahead of the database removes nothing that is not old', async t => {
  const { database, close } = await testDatabase({ partitions: 'hourly' })
  t.after(close)
  await someOfAll(database)
  const before = await counted(database)
  for (const name of tables) assert.equal(before[name], 1, name)
  const deps = { database, config: readConfig({}), clock: fakeClock(Date.now() + 24_000 * hourMs) }
  const plan = await planAll(deps)
  assert.deepEqual(plan.partitions, [])
  assert.deepEqual(
    plan.kinds.filter(({ tenants }) => tenants.length > 0),
    [],
  )
  // Nothing is asked of it: nothing is old.
  const subscriptions = {
    get: () => undefined,
    whichExist: async () => new Set(),
  } as unknown as Subscriptions
  const done = await pruneAll({ ...deps, logger: silentLogger(), subscriptions })
  assert.deepEqual(done?.partitionsDropped, [])
  assert.deepEqual(await counted(database), before)
})
