import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { ensurePartitions } from '../../src/log/partitions.ts'
import { runRetention } from '../../src/log/retention.ts'
import { type AttemptEntry, recordAttempts } from '../../src/log/store.ts'
import { localOperator } from '../../src/model/caller.ts'
import type { VerdictWord } from '../../src/model/verdict.ts'
import { audit } from '../../src/monitor/audit.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { ReceiverStates } from '../../src/subscriptions/receiver-states.ts'
import { publishFacts } from '../../src/system-events/system-events.ts'
import { noteSourceRejecting } from '../../src/system-facts/facts.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aTenant } from '../support/keys.ts'
import { allOwed, owe } from '../support/rows.ts'
import { testSubscriptions } from '../support/server.ts'
import { aSubscription } from '../support/subscription.ts'

interface SystemEvent {
  readonly tenant: string
  readonly event_type: string
  readonly subscription_ids: readonly number[]
  readonly metadata: object
  readonly content_type: string
  readonly payload: {
    readonly type: string
    readonly timestamp: string
    readonly data: Record<string, unknown>
  }
}

interface Wanted {
  readonly tenant?: string
  readonly types?: readonly string[] | null
  readonly hours?: number
  readonly state?: string
  readonly uid?: string
}

const newId = uuidV7Source(systemClock())

async function aWorld(t: TestContext, partitions: true | 'hourly' = true) {
  const world = await testDatabase({ partitions })
  t.after(() => world.close())
  const { database } = world
  await aTenant(database, 'acme')
  const subscriptions = testSubscriptions(world)
  let rings = 0
  const deps = {
    ...{ database, subscriptions, logger: silentLogger(), clock: systemClock() },
    tenants: { isDeleted: () => false },
    bell: { ring: () => void rings++ },
    unwritten: new Unwritten(systemClock()),
  }
  /** A subscription, failing for these hours if given. */
  const subscribe = async ({ tenant = 'acme', types = null, hours, state = 'active', uid }: Wanted = {}) => {
    const { rows } = await database.query<{ id: number }>({
      text: `insert into subscriptions (tenant, target_url, signing_secrets, event_types, state, failing_since, uid)
             values ($1, 'https://hooks.example.com/secret/path', '[]', $2, $3, now() - make_interval(hours => $4), $5)
             returning id`,
      values: [tenant, types, hours === undefined ? state : 'circuit_open', hours ?? null, uid ?? null],
    })
    const id = rows[0]?.id ?? 0
    await database.query({ text: 'insert into lanes (subscription_id) values ($1)', values: [id] })
    await subscriptions.load()
    return id
  }
  const states = () =>
    new ReceiverStates({
      ...{ database, logger: silentLogger(), lanes: subscriptionLanes },
      refresh: id => subscriptions.refresh(id),
      disableAfterHours: 100,
    })
  const publish = () => publishFacts(deps)
  const events = async () => {
    const { rows } = await database.query<SystemEvent & { payload: Buffer }>({
      text: `select tenant, event_type, subscription_ids, metadata, content_type, payload
             from events where metadata ? 'system' order by webhook_id`,
    })
    return rows.map(row => ({ ...row, payload: JSON.parse(row.payload.toString()) }) as SystemEvent)
  }
  return { database, subscriptions, deps, subscribe, states, publish, events, rings: () => rings }
}

async function countFacts(database: Database): Promise<number> {
  const { rows } = await database.query<{ count: number }>({
    text: 'select count(*)::int as count from system_facts',
  })
  return rows[0]?.count ?? 0
}

/** Deliveries of events of their own that end like this in one statement of the log. */
async function end(
  database: Database,
  subscriptionIds: readonly number[],
  verdict: VerdictWord = 'given_up',
  changes: Partial<AttemptEntry> & { readonly webhookId?: Uuid } = {},
): Promise<void> {
  const rows: AttemptEntry[] = []
  for (const subscriptionId of subscriptionIds) {
    const webhookId =
      changes.webhookId ?? (await owe(database, { webhookId: newId(), subscriptionIds: [subscriptionId] }))
    rows.push({
      ...{
        id: newId(),
        subscriptionId,
        webhookId,
        timestamp: Date.now(),
        attempt: 1,
        status: 'failed',
        verdict,
      },
      ...{
        httpStatus: 500,
        durationMs: 1,
        nextAt: null,
        error: 'HTTP 500',
        errorClass: 'http',
        errorCode: '500',
      },
      ...changes,
    })
  }
  await recordAttempts(database, 1, rows, [])
}

test('that a receiver fails is told at 50, 70 and 90 percent of the time, and at its end that it is disabled', async t => {
  const { database, subscribe, states, publish, events, rings } = await aWorld(t)
  const operators = await subscribe({ tenant: 'system' })
  const id = await subscribe({ hours: 49, uid: 'customer-42' })
  const told = []
  for (const hours of [49, 51, 69, 75, 99, 101]) {
    await database.query({
      text: 'update subscriptions set failing_since = now() - make_interval(hours => $1) where id = $2',
      values: [hours, id],
    })
    // Each process reviews, and each publishes.
    await Promise.all([states().review(), states().review()])
    await Promise.all([publish(), publish()])
    await publish()
    told.push((await events()).length)
  }
  assert.deepEqual(told, [0, 1, 1, 2, 3, 4])
  const all = await events()
  assert.deepEqual(
    all.map(({ payload: { type, data } }) => [type, data.percent]),
    [
      ['subscription.failing', 50],
      ['subscription.failing', 70],
      ['subscription.failing', 90],
      ['subscription.disabled', undefined],
    ],
  )
  const [first] = all
  assert.ok(first)
  assert.deepEqual(
    { tenant: first.tenant, type: first.event_type, to: first.subscription_ids, as: first.content_type },
    { tenant: 'system', type: 'subscription.failing', to: [operators], as: 'application/json' },
  )
  const { subject, text, failing_since: since, disabled_at: at, ...data } = first.payload.data
  assert.deepEqual(data, {
    tenant: 'acme',
    subscription_id: id,
    uid: 'customer-42',
    description: null,
    target_origin: 'https://hooks.example.com',
    percent: 50,
  })
  assert.equal(Date.parse(String(at)) - Date.parse(String(since)), 100 * 3_600_000)
  assert.match(String(subject), /^Failing, 50 % .*subscription customer-42 at https:\/\/hooks\.example\.com$/)
  assert.match(
    String(text),
    /No delivery to subscription \d+ \(customer-42\) of tenant acme .* has succeeded since/,
  )
  assert.doesNotMatch(JSON.stringify(all), /secret\/path/, 'a path may be a secret, and this goes to others')
  assert.ok(rings() > 0)
  assert.deepEqual(
    (await allOwed(database)).map(row => row.subscriptionId),
    [operators, operators, operators, operators],
  )
})

test('that a receiver works again is told where it was told to fail, and not else', async t => {
  const { database, subscriptions, subscribe, states, publish, events } = await aWorld(t)
  const [short, long, gone, resumed] = [
    await subscribe({ hours: 10 }),
    await subscribe({ hours: 60 }),
    await subscribe(),
    await subscribe({ hours: 60 }),
  ]
  const process = states()
  await process.review()
  process.recovered(short)
  process.recovered(long)
  process.gone(gone, 'the receiver answered 410')
  await eventually(async () => {
    const { rows } = await database.query({
      text: `select from subscriptions where id = any($1) and state in ('active', 'disabled') and
               (state = 'disabled' or failing_since is null)`,
      values: [[short, long, gone]],
    })
    return rows.length === 3
  })
  await subscriptions.resume(localOperator, gone)
  await subscriptions.resume(localOperator, resumed)
  await subscriptions.resume(localOperator, resumed)
  await publish()
  const told = (await events()).map(
    ({ payload: { type, data } }) => `${data.subscription_id} ${type} ${data.by ?? ''}`,
  )
  assert.deepEqual(told.toSorted(), [
    `${long} subscription.failing `,
    `${long} subscription.recovered success`,
    `${gone} subscription.disabled `,
    `${gone} subscription.recovered resumed`,
    `${resumed} subscription.failing `,
    `${resumed} subscription.recovered resumed`,
  ])
  assert.equal(await countFacts(database), 0)
})

test('deliveries that are given up are told together, each once, and no retry, success or test', async t => {
  const { database, subscribe, publish, events } = await aWorld(t)
  await subscribe({ tenant: 'system' })
  const [one, two] = [await subscribe(), await subscribe()]
  await end(database, [...Array.from({ length: 230 }, () => one), two])
  await end(database, [two], 'expired')
  await end(database, [two], 'delivered')
  await end(database, [two], 'cancelled')
  await end(database, [two], 'given_up', { trigger: 'test' })
  // What two processes have attempted.
  const webhookId = await owe(database, { webhookId: newId(), subscriptionIds: [two] })
  await end(database, [two], 'given_up', { webhookId })
  await end(database, [two], 'given_up', { webhookId })
  await Promise.all([publish(), publish()])
  await publish()
  const all = await events()
  assert.deepEqual(
    all.map(({ payload: { data } }) => [data.subscription_id, data.count]),
    [
      [one, 100],
      [one, 100],
      [one, 30],
      [two, 3],
    ],
  )
  const named = all.flatMap(({ payload: { data } }) => Object(data.deliveries).map(Object))
  assert.equal(new Set(named.map(({ webhook_id }) => webhook_id)).size, 233)
  const [first] = named
  assert.deepEqual(
    { ...first, webhook_id: 'x', given_up_at: 'x' },
    {
      ...{ webhook_id: 'x', event_type: 'order.created', verdict: 'given_up', trigger: 'auto', attempts: 1 },
      ...{ given_up_at: 'x', http_status: 500, error_class: 'http', error: 'HTTP 500' },
    },
  )
  assert.match(String(all[0]?.payload.data.subject), /^100 deliveries were given up/)
  assert.equal((await audit(database)).missing, 0)
})

test('what becomes too old in a round of retention is told of; what ends with its subscription is not', async t => {
  const { database, subscribe, publish, events } = await aWorld(t, 'hourly')
  await ensurePartitions(database, Date.now() - 80 * 3_600_000, 72)
  await subscribe({ tenant: 'system' })
  const [id, deleted] = [await subscribe(), await subscribe()]
  const ago = uuidV7Source({ now: () => Date.now() - 80 * 3_600_000 })
  for (const to of [id, deleted]) await owe(database, { webhookId: ago(), subscriptionIds: [to] })
  await database.query({ text: 'delete from subscriptions where id = $1', values: [deleted] })
  const subscriptions = {
    get: (one: number) => (one === id ? aSubscription({ id }) : undefined),
    whichExist: async () => new Set([id]),
  }
  const deps = { database, clock: systemClock(), logger: silentLogger(), retentionHours: 72, auditDays: 365 }
  const done = await runRetention({ ...deps, subscriptions })
  assert.deepEqual([done?.expired, done?.cancelled], [1, 1])
  await publish()
  assert.deepEqual(
    (await events()).map(({ payload: { data } }) => [
      data.subscription_id,
      Object(data.deliveries)[0].verdict,
    ]),
    [[id, 'expired']],
  )
})

test('nobody wants to hear of what is given up: no event is made, and nothing piles up', async t => {
  const { database, subscribe, publish, events } = await aWorld(t)
  const id = await subscribe()
  await end(database, [id, id])
  assert.equal(await countFacts(database), 2)
  assert.equal(await publish(), 2)
  assert.deepEqual([await events(), await countFacts(database), await publish()], [[], 0, 0])
})

test('a tenant that names a type hears of its own; others, patterns, and the subscription itself do not', async t => {
  const { database, subscribe, states, publish, events } = await aWorld(t)
  await aTenant(database, 'other')
  const asking = await subscribe({ types: ['subscription.failing', 'delivery.given_up'] })
  const itself = await subscribe({ types: ['subscription.failing'], hours: 60 })
  for (const types of [null, ['*'], ['subscription.*'], ['order.paid']]) await subscribe({ types })
  await subscribe({ tenant: 'other', types: ['subscription.failing'] })
  await states().review()
  await end(database, [itself])
  await publish()
  const told = (await events()).map(({ tenant, event_type, subscription_ids }) => [
    tenant,
    event_type,
    subscription_ids,
  ])
  assert.deepEqual(
    told.filter(([tenant]) => tenant !== 'system'),
    [
      ['acme', 'subscription.failing', [asking]],
      ['acme', 'delivery.given_up', [asking]],
    ],
  )
  assert.deepEqual(
    told.filter(([tenant]) => tenant === 'system'),
    [['system', 'subscription.failing', []]],
    'it is kept for the operators, whether or not anyone is told',
  )
})

test('nothing is told of subscriptions of the system tenant, nor of deliveries of system events', async t => {
  const { database, subscribe, states, publish, events } = await aWorld(t)
  const operators = await subscribe({ tenant: 'system', hours: 60 })
  const asking = await subscribe({ types: ['delivery.given_up', 'subscription.disabled'] })
  const failing = await subscribe()
  await states().review()
  await end(database, [failing])
  await publish()
  const first = await events()
  assert.deepEqual(
    first.map(({ tenant, event_type }) => [tenant, event_type]),
    [
      ['system', 'delivery.given_up'],
      ['acme', 'delivery.given_up'],
    ],
  )
  // And now both of these are given up.
  for (const row of await allOwed(database))
    await end(database, [row.subscriptionId], 'given_up', { webhookId: row.webhookId })
  assert.equal((await allOwed(database)).length, 0)
  await publish()
  assert.equal((await events()).length, first.length)
  // Also where the event has gone meanwhile.
  const webhookId = await owe(database, { webhookId: newId(), subscriptionIds: [asking] })
  await database.query({ text: 'delete from events where webhook_id = $1', values: [webhookId] })
  await end(database, [asking], 'given_up', { webhookId })
  await end(database, [operators])
  await publish()
  assert.equal((await events()).length, first.length)
})

test('a process that dies while it publishes loses nothing and doubles nothing', async t => {
  const { database, deps, subscribe, publish, events } = await aWorld(t)
  await subscribe({ tenant: 'system' })
  await end(database, [await subscribe()])
  // Its connection ends just before the commit, as all connections of a killed process do.
  const dying = {
    matching: (event: Parameters<typeof deps.subscriptions.matching>[0]) => {
      void database.query({
        text: `select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%system events%'`,
      })
      return deps.subscriptions.matching(event)
    },
    naming: () => [],
  }
  await database.query({
    text: `alter table events add constraint slow check (pg_sleep(0.3)::text is not null) not valid`,
  })
  await assert.rejects(publishFacts({ ...deps, subscriptions: dying }))
  await database.query({ text: 'alter table events drop constraint slow' })
  assert.deepEqual([await events(), await countFacts(database)], [[], 1])
  await Promise.all([publish(), publish()])
  await publish()
  assert.equal((await events()).length, 1)
})

test('one process at a time publishes', async t => {
  const { database, subscribe, publish } = await aWorld(t)
  await end(database, [await subscribe()])
  await besideThePath(database, 'another process', async session => {
    await session.query({ text: 'select pg_advisory_lock(7461905, 15)' })
    assert.equal(await publish(), undefined)
  })
  assert.equal(await publish(), 1)
})

test('a source that refuses requests is told of, to the operators and to its tenant', async t => {
  const { database, subscribe, publish, events } = await aWorld(t)
  await subscribe({ tenant: 'acme', types: ['source.rejecting'] })
  const source = {
    ...{ tenant: 'acme', sourceId: '7', name: 'payments', preset: 'stripe', reason: 'signature_invalid' },
    ...{ rejected: 12, since: Date.parse('2026-03-01T12:00:00Z') },
  }
  await database.transaction(tx => noteSourceRejecting(tx, source))
  await database.transaction(tx => noteSourceRejecting(tx, { ...source, tenant: 'system' }))
  await publish()
  const all = await events()
  assert.deepEqual(
    all.map(({ tenant, event_type }) => [tenant, event_type]),
    [
      ['system', 'source.rejecting'],
      ['acme', 'source.rejecting'],
    ],
  )
  const { subject, text, ...data } = all[0]?.payload.data ?? {}
  assert.deepEqual(data, {
    ...{ tenant: 'acme', source_id: '7', name: 'payments', preset: 'stripe', reason: 'signature_invalid' },
    ...{ rejected: 12, since: '2026-03-01T12:00:00.000Z' },
  })
  assert.match(`${subject}\n${text}`, /source payments.*\n.*has refused 12 requests/)
})
