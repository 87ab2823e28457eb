import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { keepRowsOf } from '../../src/log/kept-partitions.ts'
import { listPartitions, type PartitionedTable, pathTables } from '../../src/log/partition-store.ts'
import { ensureAuditPartitions, ensurePartitions } from '../../src/log/partitions.ts'
import { planPrune } from '../../src/log/prune-plan.ts'
import { type RetentionDeps, runRetention } from '../../src/log/retention.ts'
import { recordAttempts } from '../../src/log/store.ts'
import type { ExchangeDetails } from '../../src/model/exchange-details.ts'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { audit } from '../../src/monitor/audit.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { Database, type Queryable } from '../../src/platform/postgres.ts'
import type { TenantRetention } from '../../src/tenants/schema.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { type Preparation, testDatabase } from '../support/database.ts'
import { hourOf, hoursBetween, makePartitions } from '../support/partitions.ts'
import { allOwed, idAt, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

// Subscription 1 is of the default tenant, 2 of acme, 3 of zeta.
const tenants = ['default', 'acme', 'zeta'] as const
type Tenant = (typeof tenants)[number]

/** Hourly partitions for these hours before noon, for noon and for the present. */
const partitionsOf = (name: string, hoursAgo: readonly number[]): Preparation => ({
  name: `retention_tenants_${name}`,
  async make(database) {
    const present = hourOf(Date.now())
    const hours = new Set(hoursAgo.flatMap(hours => [hours, hours - 1]))
    await makePartitions(database, [
      ...[...hours].flatMap(hours => hoursBetween(noon - hours * hourMs, noon - hours * hourMs)),
      ...hoursBetween(noon - hourMs, noon + 6 * hourMs),
      [present, present + 2 * hourMs],
    ])
    for (const time of [...hoursAgo.map(hours => noon - hours * hourMs), noon, present]) {
      await ensureAuditPartitions(database, time, 365)
    }
    await ensurePartitions(database, noon, 72)
  },
})

const someHours = partitionsOf('some', [74, 31, 20, 11, 6, 3])

async function aWorld(t: TestContext, partitions = someHours) {
  const { database, connection, close } = await testDatabase({ partitions })
  t.after(close)
  await database.query({ text: `insert into tenants (id, name) values ('acme', 'Acme'), ('zeta', 'Zeta')` })
  for (const [index, tenant] of tenants.entries())
    await database.query({
      text: `insert into subscriptions (id, tenant, target_url, signing_secrets) values ($1, $2, 'http://localhost/', '[]')`,
      values: [index + 1, tenant],
    })
  const known = new Map(
    tenants.map((tenant, index) => {
      const retry = { ...defaultRetryPolicy, maxAgeSeconds: 100 * 3600 }
      return [index + 1, aSubscription({ id: index + 1, tenant, retry })]
    }),
  )
  const deps: RetentionDeps = {
    ...{ database, clock: fakeClock(noon), logger: silentLogger(), retentionHours: 72, auditDays: 365 },
    subscriptions: {
      get: id => known.get(id),
      whichExist: async ids => new Set(ids.filter(id => known.has(id))),
    },
  }
  return {
    ...{ database, deps },
    run: async (changes: Partial<RetentionDeps> = {}, signal?: AbortSignal) => {
      const report = await runRetention({ ...deps, ...changes }, signal)
      if (!report) throw new Error('another process is at it')
      return report
    },
    keep: (tenant: Tenant, retention: TenantRetention | null) =>
      database.query({
        text: 'update tenants set retention = $2 where id = $1',
        values: [tenant, retention && JSON.stringify(retention)],
      }),
    hurried: (queryTimeoutMs: number) => {
      const hurried = new Database({ connection, poolSize: 2, queryTimeoutMs, connectTimeoutMs: 5000 })
      t.after(() => hurried.close())
      return hurried
    },
  }
}

/** An event that was delivered that long before noon, with its details; its attempt has the same id. */
async function deliver(database: Database, tenant: Tenant, hoursAgo: number): Promise<Uuid> {
  const ms = noon - hoursAgo * hourMs
  const subscriptionId = tenants.indexOf(tenant) + 1
  const id = await owe(database, { webhookId: idAt(ms), tenant, subscriptionIds: [subscriptionId] })
  const timings = {
    reused: false,
    repeated: false,
    dns: null,
    connect: null,
    tls: null,
    first_byte: null,
    total: 1,
  }
  const exchange: ExchangeDetails = {
    request: { method: 'POST', url: 'http://localhost/', headers: {} },
    ...{ response: null, responseBody: Buffer.from('an answer'), timings, remoteAddress: null },
  }
  await recordAttempts(
    database,
    1,
    [
      {
        ...{
          id,
          subscriptionId,
          webhookId: id,
          timestamp: ms,
          attempt: 1,
          status: 'success',
          verdict: 'delivered',
        },
        ...{ httpStatus: 200, durationMs: 1, nextAt: null, error: null },
      },
    ],
    [],
    [{ id, exchange }],
  )
  return id
}

/** The ids that are left in a table. */
async function left(db: Queryable, table: PartitionedTable): Promise<readonly string[]> {
  const key = table === 'events' ? 'webhook_id' : 'id'
  const { rows } = await db.query<{ id: string }>({ text: `select ${key} as id from ${table} order by 1` })
  return rows.map(({ id }) => id)
}

const hoursOf = async (db: Queryable, table: PartitionedTable) =>
  (await left(db, table)).map(id =>
    Math.round((noon - Number.parseInt(id.replace('-', '').slice(0, 12), 16)) / hourMs),
  )

test('a tenant can keep less: events, details and log go by themselves, and what all keep stays', async t => {
  const { database, run, keep } = await aWorld(t)
  await keep('acme', { payload_hours: 5, log_hours: 10, details_hours: 2 })
  for (const hours of [11, 6, 3, 1]) {
    await deliver(database, 'acme', hours)
    await deliver(database, 'default', hours)
  }
  const report = await run()
  assert.deepEqual(report.removed, { events: 2, log: 1, details: 3, audit: 0 })
  assert.deepEqual(await hoursOf(database, 'events'), [11, 6, 3, 3, 1, 1])
  assert.deepEqual(await hoursOf(database, 'delivery_logs'), [11, 6, 6, 3, 3, 1, 1])
  assert.deepEqual(await hoursOf(database, 'attempt_details'), [11, 6, 3, 1, 1])
  assert.equal((await audit(database)).missing, 0)
  assert.deepEqual((await run()).removed, { events: 0, log: 0, details: 0, audit: 0 })
  const later = await run({ clock: fakeClock(noon + 2 * hourMs) })
  assert.deepEqual(later.removed, { events: 0, log: 0, details: 1, audit: 0 })
})

test('what a tenant keeps for less and is still owed stays, and nothing seems to be missing', async t => {
  const { database, run, keep } = await aWorld(t)
  await keep('acme', { log_hours: 10 })
  const id = idAt(noon - 11 * hourMs)
  await owe(database, { webhookId: id, tenant: 'acme', subscriptionIds: [2, 4] })
  await recordAttempts(
    database,
    1,
    [
      {
        ...{ id, subscriptionId: 2, webhookId: id, timestamp: noon - 11 * hourMs, attempt: 1 },
        ...{
          status: 'success',
          verdict: 'delivered',
          httpStatus: 200,
          durationMs: 1,
          nextAt: null,
          error: null,
        },
      },
    ],
    [],
  )
  await run()
  assert.deepEqual(await left(database, 'events'), [id])
  assert.deepEqual(await left(database, 'delivery_logs'), [])
  assert.equal((await audit(database)).missing, 0)
  assert.equal((await allOwed(database)).length, 1)
})

test('a tenant can keep more: its rows outlive the partitions of all, and go after its own time', async t => {
  const { database, run, keep, deps } = await aWorld(t)
  await keep('acme', { payload_hours: 200, details_hours: 200 })
  const kept = [await deliver(database, 'acme', 73.5), await deliver(database, 'acme', 1)]
  await deliver(database, 'default', 73.5)
  await deliver(database, 'zeta', 73.5)
  const plan = await planPrune(deps)
  const rows = plan.kinds.map(({ kind, tenants }) => [kind, tenants.map(one => [one.tenant, one.rows])])
  const others = [
    ['default', 1],
    ['zeta', 1],
  ]
  assert.deepEqual(rows.slice(0, 3), [
    ['events', others],
    ['log', others],
    ['details', others],
  ])
  const report = await run()
  assert.equal(report.isDone, true)
  for (const table of ['events', 'delivery_logs', 'attempt_details'] as const) {
    assert.deepEqual(await left(database, table), kept, table)
    const [oldest] = await listPartitions(database, table)
    assert.match(oldest?.name ?? '', /_k[0-9]{10}_[0-9]{10}$/, table)
  }
  assert.equal((await audit(database)).missing, 0)
  assert.deepEqual((await run()).partitionsDropped, [])
  assert.deepEqual(await left(database, 'events'), kept)
  await run({ clock: fakeClock(noon + 130 * hourMs) }) // when the older one is over 200 hours old
  for (const table of ['events', 'delivery_logs', 'attempt_details'] as const)
    assert.deepEqual(await left(database, table), kept.slice(1), table)
  await run({ clock: fakeClock(noon + 300 * hourMs) })
  for (const table of ['events', 'delivery_logs', 'attempt_details'] as const) {
    assert.deepEqual(await left(database, table), [], table)
    assert.equal(
      (await listPartitions(database, table)).filter(({ name }) => /_k/.test(name)).length,
      0,
      table,
    )
  }
})

test('a kept event that is still owed is neither carried over nor lost, and is carried over at the end', async t => {
  const { database, run, keep, deps } = await aWorld(t)
  await keep('acme', { log_hours: 80, payload_hours: 80 })
  const id = await owe(database, {
    webhookId: idAt(noon - 73.5 * hourMs),
    tenant: 'acme',
    subscriptionIds: [2],
  })
  assert.equal((await run()).carried, 0)
  assert.deepEqual(await left(database, 'events'), [id])
  assert.equal((await run({ ...deps, clock: fakeClock(noon + 9 * hourMs) })).carried, 1)
  assert.deepEqual(await left(database, 'events'), [])
  const { rows } = await database.query({ text: 'select webhook_id from events_carried' })
  assert.deepEqual(rows, [{ webhook_id: id }])
  assert.equal((await audit(database)).missing, 0)
})

test('of tenants that keep more each keeps its own time, and the partitions become few', async t => {
  const hours = [73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84]
  const { database, run, keep } = await aWorld(t, partitionsOf('twelve', [...hours, 85]))
  await keep('acme', { payload_hours: 500 }) // so partitions of six hours are enough
  await keep('zeta', { payload_hours: 80 })
  for (const one of hours.toReversed()) {
    await deliver(database, 'acme', one + 0.5)
    await deliver(database, 'zeta', one + 0.5)
  }
  await run()
  const kept = (await listPartitions(database, 'events')).filter(({ name }) => /_k/.test(name))
  assert.ok(kept.length < hours.length / 2, `${kept.length} partitions`)
  assert.equal((await hoursOf(database, 'events')).length, 12 + 7, 'of zeta those of 73.5 to 79.5 hours')
  assert.equal((await audit(database)).missing, 0)
})

test('what is kept of a tenant goes when it is deleted', async t => {
  const { database, run, keep } = await aWorld(t)
  await keep('acme', { payload_hours: 200 })
  await deliver(database, 'acme', 73.5)
  await run()
  await database.query({ text: 'delete from subscriptions where id = 2' })
  await database.query({ text: `update tenants set deleted_at = now() where id = 'acme'` })
  await run()
  for (const table of ['events', 'delivery_logs'] as const) assert.deepEqual(await left(database, table), [])
})

test('an open transaction that has read the table puts it off, holds up nobody for long, and nothing is lost', async t => {
  const { database, run, keep, hurried } = await aWorld(t)
  await keep('acme', { payload_hours: 200 })
  const id = await deliver(database, 'acme', 73.5)
  await deliver(database, 'default', 73.5)
  const [other, impatient] = [hurried(2000), hurried(500)]
  await database.transaction(async tx => {
    await tx.query({ text: 'select count(*) from events' })
    const running = run({ database: impatient, exchangeAgainMs: 20 })
    for (let n = 0; n < 20; n++) await owe(other, { webhookId: idAt(noon) }) // within 2 s each, or it fails
    assert.equal((await running).isDone, true)
  })
  assert.ok((await left(database, 'events')).includes(id))
  assert.equal((await audit(database)).missing, 0)
  await run()
  assert.equal((await listPartitions(database, 'events')).filter(({ name }) => /_k/.test(name)).length, 1)
  assert.ok((await left(database, 'events')).includes(id))
})

test('what is cut off in the midst leaves nothing that is read, and the next round does it', async t => {
  const { database, run, keep, deps } = await aWorld(t)
  await keep('acme', { payload_hours: 200 })
  const id = await deliver(database, 'acme', 73.5)
  const partition = (await listPartitions(database, 'events')).find(({ from, to }) => from <= id && id < to)
  assert.ok(partition)
  // As after a kill between the copy and the exchange.
  await besideThePath(database, 'test', async session => {
    const dying = {
      query: session.query.bind(session),
      transaction: () => Promise.reject(new Error('killed')),
    }
    const parts = { database, session: dying, logger: silentLogger(), signal: new AbortController().signal }
    await assert.rejects(keepRowsOf(parts as never, 'events', partition, ['acme']), /killed/)
  })
  const { rows } = await database.query({
    text: `select from pg_class where relname like 'events_k%' and relkind = 'r'`,
  })
  assert.equal(rows.length, 1)
  assert.deepEqual(await left(database, 'events'), [id])
  assert.equal((await run(deps)).isDone, true)
  assert.deepEqual(await left(database, 'events'), [id])
  const all = await database.query({
    text: `select from pg_class where relname like 'events_k%' and relkind = 'r'`,
  })
  assert.equal(all.rows.length, 1)
})

test('a payload that is expunged while it is copied is gone from the copy, too', async t => {
  const { database, keep } = await aWorld(t)
  await keep('acme', { payload_hours: 200 })
  const id = await deliver(database, 'acme', 73.5)
  const partition = (await listPartitions(database, 'events')).find(({ from, to }) => from <= id && id < to)
  assert.ok(partition)
  await besideThePath(database, 'test', async session => {
    const meanwhile = {
      query: session.query.bind(session),
      transaction: async (work: (tx: Queryable) => Promise<unknown>) => {
        await database.query({
          text: `update events set payload = '', metadata = '{"expunged": {"size_bytes": 7}}' where webhook_id = $1`,
          values: [id],
        })
        return session.transaction(work)
      },
    }
    const parts = {
      database,
      session: meanwhile,
      logger: silentLogger(),
      signal: new AbortController().signal,
    }
    assert.equal(await keepRowsOf(parts as never, 'events', partition, ['acme']), 'exchanged')
  })
  const { rows } = await database.query({ text: 'select payload, metadata from events' })
  assert.deepEqual(rows, [{ payload: Buffer.alloc(0), metadata: { expunged: { size_bytes: 7 } } }])
})

test('entries of the audit log go after the time of their tenant', async t => {
  const { database, run, keep } = await aWorld(t, partitionsOf('days', [24 * 400, 24 * 3]))
  await keep('acme', { audit_days: 2 })
  await keep('zeta', { audit_days: 1000 })
  for (const days of [400, 3, 0.04]) {
    for (const tenant of ['default', 'acme', 'zeta', null]) {
      await database.query({
        text: `insert into audit_log (id, at, actor_kind, actor_name, action, tenant, subject_kind, changes)
               values ($1, now(), 'operator', 'x', 'tenant.updated', $2, 'tenant', '[]')`,
        values: [idAt(noon - days * 24 * hourMs), tenant],
      })
    }
  }
  await run()
  const { rows } = await database.query({
    text: 'select tenant, count(*)::int as count from audit_log group by tenant order by tenant',
  })
  assert.deepEqual(rows, [
    { tenant: 'acme', count: 1 },
    { tenant: 'default', count: 2 },
    { tenant: 'zeta', count: 3 },
    { tenant: null, count: 2 },
  ])
})

test('payloads can be kept for less than the log, by all', async t => {
  const { database, run } = await aWorld(t)
  const old = await deliver(database, 'default', 30.5)
  const young = await deliver(database, 'default', 20)
  await run({ payloadHours: 24 })
  assert.deepEqual(await left(database, 'events'), [young])
  assert.deepEqual(await left(database, 'delivery_logs'), [old, young])
  assert.equal((await audit(database)).missing, 0)
})

test('a plan says what would go and changes nothing; what is owed does not count', async t => {
  const { database, run, keep, deps } = await aWorld(t)
  await keep('acme', { log_hours: 10, details_hours: 10 })
  await deliver(database, 'default', 73.5)
  await deliver(database, 'acme', 11)
  await owe(database, { webhookId: idAt(noon - 11 * hourMs), tenant: 'acme', subscriptionIds: [2] })
  const plan = await planPrune(deps)
  assert.deepEqual(
    plan.kinds.map(({ kind, tenants }) => [kind, tenants.map(({ tenant, rows }) => [tenant, rows])]),
    [
      [
        'events',
        [
          ['acme', 1],
          ['default', 1],
        ],
      ],
      [
        'log',
        [
          ['acme', 1],
          ['default', 1],
        ],
      ],
      [
        'details',
        [
          ['acme', 1],
          ['default', 1],
        ],
      ],
      ['audit log', []],
      ['names', []],
    ],
  )
  assert.ok(plan.kinds.every(({ tenants }) => tenants.every(({ bytes }) => bytes > 0)))
  assert.ok(plan.partitions.length >= 3 && plan.partitions.every(({ bytes }) => bytes > 0))
  assert.equal((await left(database, 'events')).length, 3)
  const report = await run()
  assert.deepEqual(report.partitionsDropped.toSorted(), plan.partitions.map(({ name }) => name).toSorted())
  assert.deepEqual(
    (await planPrune(deps)).kinds.flatMap(({ tenants }) => tenants),
    [],
  )
  assert.equal((await left(database, 'events')).length, 1)
})

test('partitions are as long as what they hold is kept', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  await ensurePartitions(database, noon, 960, 960, { payloadHours: 24, namesHours: 2000 })
  const lengths = await Promise.all(
    pathTables.map(async table => {
      const { from, to } = (await listPartitions(database, table)).at(-1) ?? { from: '', to: '' }
      const at = (id: string) => Number.parseInt(id.replace('-', '').slice(0, 12), 16)
      return [table, Math.round((at(to) - at(from)) / hourMs)]
    }),
  )
  assert.deepEqual(lengths, [
    ['events', 1],
    ['delivery_logs', 10],
    ['attempt_details', 10],
    ['taken_names', 2000],
  ])
})
