import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withdrawAccess } from '../../src/keys/keys.ts'
import { dropPartitions, ensurePartitions, oldestKept } from '../../src/log/partitions.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { belongings } from '../../src/service/belongings.ts'
import { emptyTenants, freeTenantIds } from '../../src/tenants/removal.ts'
import { Tenants } from '../../src/tenants/tenants.ts'
import { hourMs } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { owe } from '../support/rows.ts'

test('of what was owed as many are told as have ended, however many subscriptions there were', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await database.query({ text: `insert into tenants (id, name, deleted_at) values ('acme', 'Acme', now())` })
  await database.query({
    text: `with made as (
             insert into subscription_tombstones (id, tenant, target_url) select n, 'acme', '' from generate_series(1, 450) n returning id)
           insert into lanes (subscription_id) select id from made`,
  })
  await owe(database, { tenant: 'acme', subscriptionIds: [1, 250, 450] })
  const tenants = new Tenants({ database, withdrawAccess })
  await tenants.load()
  const told: unknown[] = []
  const logger = silentLogger()
  logger.info = (fields: unknown) => void told.push(fields)
  const clock = systemClock()
  const deps = { database, belongings, clock, logger, tenants, oldestKept: () => oldestKept(database) }
  assert.equal(await emptyTenants(deps, new AbortController().signal), 1)
  assert.deepEqual(told, [{ tenant: 'acme', removed: { 'owed deliveries': 3 }, is_all: true }])
})

test('the id of a deleted tenant is free when neither its events nor the names they had are kept', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const now = Date.now()
  for (const hours of [100, 0]) await ensurePartitions(database, now - hours * hourMs, 72)
  await database.query({
    text: `insert into tenants (id, name, deleted_at, emptied_at) values ('acme', 'Acme', $1, $1)`,
    values: [new Date(now - 90 * hourMs)],
  })
  const free = () =>
    freeTenantIds({
      ...{ database, belongings, clock: systemClock(), logger: silentLogger() },
      tenants: new Tenants({ database, withdrawAccess }),
      oldestKept: () => oldestKept(database),
    })
  assert.equal(await free(), 0)
  await dropPartitions(database, 'events', now - 72 * hourMs)
  // Another tenant with this id would be answered with what this one has sent, where both use the same Idempotency-Key.
  assert.equal(await free(), 0)
  await dropPartitions(database, 'taken_names', now - 2 * hourMs)
  assert.equal(await free(), 1)
  const { rows } = await database.query({ text: `select from tenants where id = 'acme'` })
  assert.equal(rows.length, 0)
})
