import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { loggedFrom } from '../../src/model/logged-from.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { parseUuid, type Uuid } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { type DeliveryKey, readCandidates } from '../../src/replay/candidates-store.ts'
import { removeFinishedReplays } from '../../src/replay/finished.ts'
import { oweAgain, takeEnded } from '../../src/replay/owe-store.ts'
import { besideFresh, quietMs } from '../../src/replay/pace.ts'
import { firstKey, Replays } from '../../src/replay/replays.ts'
import { runReplays } from '../../src/replay/run.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { ended, owedRuns, settle, subscribe } from '../support/replay.ts'
import { emptyAll } from '../support/rows.ts'
import { countingVisited } from '../support/visited-rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const replays = new Replays({ database, clock: systemClock(), retentionMs: 72 * 3_600_000 })
const deps = { database, clock: systemClock(), logger: silentLogger(), replays }

async function make(filter: object, rate?: number): Promise<Uuid> {
  // Ids of events made in a hurry run some milliseconds ahead of the clock.
  const until = new Date(Date.now() + 1000).toISOString()
  const { id } = await replays.create(localOperator, { until, ...filter }, rate)
  return parseUuid(id) as Uuid // made just now
}
const read = async (id: Uuid) => (await replays.read(Reach.all, id)) ?? assert.fail('it is gone')

/** Delivers what is owed, all of it each time, until the replay has ended. */
async function deliverAll(id: Uuid, verdict: 'delivered' | 'given_up' = 'delivered'): Promise<number> {
  let most = 0
  await eventually(async () => {
    const owed = await owedRuns(database)
    most = Math.max(most, owed.length)
    for (const row of owed) await settle(database, row.webhook_id, row.subscription_id, row.attempt, verdict)
    return (await read(id)).finished_at !== null
  })
  return most
}

test('a replay counts first, then sends all that matches again, and says how each ended', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 20; n++) await ended(database, { 1: n % 2 ? 'given_up' : 'delivered' })
  const id = await make({ subscription_id: 1 })
  const running = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  assert.equal(await running, true)
  const { state, total, queued, delivered, failed, skipped } = await read(id)
  assert.deepEqual(
    { state, total, queued, delivered, failed, skipped },
    { state: 'done', total: 10, queued: 10, delivered: 10, failed: 0, skipped: 0 },
  )
  const { rows } = await database.query({
    text: `select distinct trigger::text, attempt from delivery_logs where attempt > 1`,
  })
  assert.deepEqual(rows, [{ trigger: 'auto', attempt: 2 }]) // written by this test, which knows no trigger
})

test('who delivers is told of each step that queues something, once it is committed', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 30; n++) await ended(database, { 1: 'given_up' })
  const id = await make({})
  const seen: Promise<readonly unknown[]>[] = []
  const bell = { ring: () => void seen.push(owedRuns(database)) }
  const running = runReplays({ ...deps, bell }, new AbortController().signal)
  await eventually(async () => (await read(id)).queued === 30)
  await deliverAll(id)
  await running
  const first = (await seen[0])?.length ?? 0
  assert.ok(first >= 10, `${first} of the first step`)
  assert.ok(seen.length < 10, `${seen.length} times for 30`)
})

test('little of it waits at a time, so that retries behind it are not late', async () => {
  await subscribe(database, [1])
  await database.query({
    text: `with made as (
             insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7000'
                     || lpad(to_hex(n), 16, '8000'))::uuid, 'default', 'text/plain', 'x', '{1}'
             from generate_series(1, 1600) n returning webhook_id)
           insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict)
           select webhook_id, webhook_id, 1, 1, 'failed', 'given_up' from made`,
  })
  const id = await make({}, 5000)
  const running = runReplays(deps, new AbortController().signal)
  const most = await deliverAll(id)
  await running
  assert.ok(most <= 500, `${most} were owed at a time`)
  const { delivered, total } = await read(id)
  assert.deepEqual({ delivered, total }, { delivered: 1600, total: 1600 })
})

test('dead letters that were given up more than once do not pass for the end', async () => {
  await subscribe(database, [1])
  await database.query({
    text: `with made as (
             insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 1000), 12, '0') || '7000'
                     || lpad(to_hex(n), 16, '8000'))::uuid, 'default', 'other', 'text/plain', 'x', '{1}'
             from generate_series(1, 1500) n returning webhook_id)
           insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict)
           select overlay(webhook_id::text placing again from 20)::uuid, webhook_id, 1, 1, 'failed', 'given_up'
           from made cross join unnest('{8,9}'::text[]) as t (again)`,
  })
  for (let n = 0; n < 5; n++) await ended(database, { 1: 'given_up' }, { eventType: 'wanted' })
  const id = await make({ event_type: 'wanted' })
  const running = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  await running
  const { total, delivered } = await read(id)
  assert.deepEqual({ total, delivered }, { total: 5, delivered: 5 })
})

test('a run that is cut off at any step goes on where it was, and owes nothing twice', async () => {
  await subscribe(database, [1, 2])
  for (let n = 0; n < 60; n++) await ended(database, { 1: 'given_up', 2: 'given_up' })
  const id = await make({})
  for (let cut = 0; cut < 3; cut++) {
    const cutting = new AbortController()
    const running = runReplays(deps, cutting.signal)
    await eventually(async () => (await read(id)).total !== null)
    cutting.abort()
    await running
  }
  const running = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  await running
  const { rows } = await database.query<{ n: number; most: number }>({
    text: `select count(*)::int as n, max(times)::int as most from (
             select count(*) as times from delivery_logs where verdict = 'delivered' group by webhook_id, subscription_id) d`,
  })
  assert.deepEqual(rows, [{ n: 120, most: 1 }])
  assert.equal((await read(id)).delivered, 120)
})

test('its rate is not exceeded', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 30; n++) await ended(database, { 1: 'given_up' })
  const id = await make({}, 20)
  const startedAt = performance.now()
  const running = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  await running
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs > 1400, `30 at 20 a second took ${tookMs} ms`)
})

test('without a rate it is slow while fresh events come, and fast a while after the last one', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 150; n++) await ended(database, { 1: 'given_up' })
  /** Between the first step and the last one, seen by the times of their rows. */
  const msFromFirstToLast = async (now: () => number) => {
    await database.query({ text: 'delete from owed' })
    const id = await make({})
    const cutting = new AbortController()
    const running = runReplays({ ...deps, clock: { now } }, cutting.signal)
    await eventually(async () => (await read(id)).queued === 150)
    await replays.cancel(localOperator, id)
    cutting.abort()
    await running
    const { rows } = await database.query<{ ms: number }>({
      text: 'select (extract(epoch from max(due_at) - min(due_at)) * 1000)::float8 as ms from owed',
    })
    return rows[0]?.ms ?? 0
  }
  const beside = await msFromFirstToLast(Date.now)
  assert.ok(beside > 120 * (1000 / besideFresh.least), `150 within ${beside} ms beside fresh events`)
  const alone = await msFromFirstToLast(() => Date.now() + quietMs + 5000)
  assert.ok(alone < beside / 2, `150 within ${alone} ms while nothing fresh comes, and ${beside} beside it`)
})

test('its statements go through as many rows as they are about, also where statistics take the tables for empty', async () => {
  await subscribe(database, [1])
  for (const table of ['events', 'delivery_logs', 'owed', 'replay_deliveries']) {
    await database.query({ text: `analyze ${table}` })
  }
  const count = 400
  await database.query({
    text: `with made as (
             insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7000'
                     || lpad(to_hex(n), 16, '8000'))::uuid, 'default', 'text/plain', 'x', '{1}'
             from generate_series(1, $1::int) n returning webhook_id)
           insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict)
           select webhook_id, webhook_id, 1, 1, 'failed', 'given_up' from made`,
    values: [count],
  })
  const { id } = await replays.create(localOperator, {}, undefined)
  const selection = replays.selection({}, Reach.all)
  const from = loggedFrom(selection.from)
  await besideThePath(database, 'test', async session => {
    const seen = async (ask: (db: Queryable) => Promise<unknown>) => {
      const { visited, counting } = countingVisited(session)
      await session.query({ text: 'begin' })
      await ask(counting)
      await session.query({ text: 'rollback' })
      return visited.rows
    }
    const { matching } = await readCandidates(session, selection, firstKey, from, count)
    assert.equal(matching.length, count)
    const reading = await seen(db => readCandidates(db, selection, firstKey, from, count))
    const owing = await seen(db => oweAgain(db, matching, 'replay', parseUuid(id) as Uuid))
    await oweAgain(session, matching, 'replay', parseUuid(id) as Uuid)
    await session.query({ text: 'delete from owed' })
    const ending = await seen(db => takeEnded(db, parseUuid(id) as Uuid, from, count))
    // Joined, each would meet each: 160,000.
    for (const [what, rows] of Object.entries({ reading, owing, ending }))
      assert.ok(rows < count * 50, `${what} ${count} deliveries, ${rows} rows were visited`)
  })
})

test('a filter that nearly nothing matches makes no statement look at more', async () => {
  await subscribe(database, [1, 2])
  await database.query({
    text: `with made as (
             insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7000'
                     || lpad(to_hex(n), 16, '8000'))::uuid, 'default', case when n = 1999 then 'rare' else 'usual' end,
                    'text/plain', 'x', case when n = 1999 then '{1,2}' when n % 2 = 0 then '{}' else '{1}' end::int[]
             from generate_series(1, 2000) n returning webhook_id, subscription_ids)
           insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict)
           select overlay(webhook_id::text placing s::text from 16 for 1)::uuid, webhook_id, s, 1, 'failed', 'given_up'
           from made, unnest(subscription_ids) s`,
  })
  for (const table of ['events', 'delivery_logs']) await database.query({ text: `analyze ${table}` })
  for (const filter of [
    { state: 'any', event_type: 'rare', subscription_id: 1 },
    { state: 'any', subscription_id: 2 },
    { state: 'failed', subscription_id: 2 },
  ] as const) {
    const selection = replays.selection(filter, Reach.all)
    const from = loggedFrom(selection.from)
    const { visited, counting } = countingVisited(database)
    await readCandidates(counting, selection, firstKey, from, 100)
    assert.ok(visited.rows < 100 * 15, `${JSON.stringify(filter)}: ${visited.rows} rows were visited for 100`)
    const found: number[] = []
    let looked = 0
    for (let after: DeliveryKey | undefined = firstKey; after; ) {
      const page = await readCandidates(database, selection, after, from, 100)
      found.push(...page.matching.map(({ subscriptionId }) => subscriptionId))
      looked += page.looked
      after = page.last
    }
    assert.deepEqual(found, [filter.subscription_id])
    assert.equal(looked, filter.state === 'any' ? 2001 : 1001)
  }
})

test('one that cannot go on stops no other', async () => {
  await subscribe(database, [1])
  await ended(database, { 1: 'given_up' })
  const broken = await make({})
  await database.query({
    text: `update replays set filter = '{"since": "never"}' where id = $1`,
    values: [broken],
  })
  const id = await make({})
  const cutting = new AbortController()
  const running = runReplays(deps, cutting.signal)
  await deliverAll(id)
  cutting.abort()
  await running
  assert.equal((await read(id)).delivered, 1)
  assert.equal((await read(broken)).state, 'counting')
})

test('what was counted and cannot be sent any more is told', async () => {
  await subscribe(database, [1, 2])
  for (let n = 0; n < 5; n++) await ended(database, { 1: 'given_up', 2: 'given_up' })
  const id = await make({})
  const counting = new AbortController()
  const counted = runReplays(deps, counting.signal)
  await eventually(async () => (await read(id)).queued > 0)
  counting.abort()
  await counted
  const again = await make({}) // all of it is owed already
  const running = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  await eventually(async () => (await read(again)).finished_at !== null)
  await running
  const { total, queued, skipped, gone } = await read(again)
  assert.equal(queued + skipped + gone, total)
})

test('what was delivered since it was looked at is not sent once more', async t => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  const selection = replays.selection({}, Reach.all)
  const from = loggedFrom(selection.from)
  const { matching } = await readCandidates(database, selection, firstKey, from, 10)
  assert.deepEqual(
    matching.map(({ attempt }) => attempt),
    [1],
  )
  await replays.replayEvent(localOperator, webhookId)
  assert.equal(await oweAgain(database, matching, 'replay', null), 0, 'it is owed already')
  await settle(database, webhookId, 1, 2, 'delivered')
  const later = Date.now() + 3_600_000
  t.mock.method(Date, 'now', () => later) // the clock of this machine says nothing about it
  assert.equal(await oweAgain(database, matching, 'replay', null), 0)
  assert.deepEqual(await owedRuns(database), [])
})

test('what is settled at the very moment is not sent once more, by no kind of replay', async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  const selection = replays.selection({}, Reach.all)
  const { matching } = await readCandidates(database, selection, firstKey, loggedFrom(selection.from), 10)
  await replays.replayEvent(localOperator, webhookId)
  await database.transaction(async tx => {
    await settle(tx, webhookId, 1, 2, 'delivered') // and is not committed yet
    assert.equal(await oweAgain(database, matching, 'replay', null), 0)
    assert.equal(await replays.replayEvent(localOperator, webhookId), 0)
  })
  assert.deepEqual(await owedRuns(database), [])
})

test('what retention takes while a replay runs is told, and all else is sent', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 20; n++) await ended(database, { 1: 'given_up' })
  const id = await make({}, 1)
  const running = new AbortController()
  const first = runReplays(deps, running.signal)
  await eventually(async () => (await read(id)).queued > 0)
  running.abort()
  await first
  const { queued } = await read(id)
  // Its partition goes: the newest five events are what is left beside those that were queued.
  const { rowCount: gone } = await database.query({
    text: `with kept as (select webhook_id from events order by webhook_id desc limit 5)
           delete from events e where not exists (select from kept k where k.webhook_id = e.webhook_id)
             and not exists (select from owed o where o.webhook_id = e.webhook_id)`,
  })
  await database.query({ text: 'update replays set rate_per_second = null' })
  const rest = runReplays(deps, new AbortController().signal)
  await deliverAll(id)
  await rest
  assert.ok(gone > 0)
  const { state, total, skipped, ...now } = await read(id)
  assert.deepEqual(
    { state, total, queued: now.queued, delivered: now.delivered, skipped, gone: now.gone },
    { state: 'done', total: 20, queued: queued + 5, delivered: queued + 5, skipped: 0, gone },
  )
})

test('replays go some time after they have ended, those that run stay', async () => {
  await subscribe(database, [1])
  const [old, young, open] = [await make({}), await make({}), await make({})]
  await database.query({
    text: `update replays set state = 'done', finished_at = case when id = $1 then now() - interval '2 h' else now() end
           where id in ($1, $2)`,
    values: [old, young],
  })
  await database.query({
    text: `update replays set id = overlay(id::text placing '01900000' from 1)::uuid where id = $1`,
    values: [old],
  })
  await removeFinishedReplays(
    { ...deps, clock: systemClock(), retentionMs: 3_600_000 },
    new AbortController().signal,
  )
  const left = await replays.list(Reach.all, 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid, 10)
  assert.deepEqual(
    left.map(row => row.id),
    [open, young].toSorted().toReversed(),
  )
})

test('a cancelled one queues nothing more', async () => {
  await subscribe(database, [1])
  for (let n = 0; n < 50; n++) await ended(database, { 1: 'given_up' })
  const id = await make({}, 5)
  const running = runReplays(deps, new AbortController().signal)
  await eventually(async () => (await read(id)).queued > 0)
  await replays.cancel(localOperator, id)
  await running
  const { state, queued } = await read(id)
  assert.equal(state, 'cancelled')
  assert.ok(queued < 50, `${queued} were queued`)
  assert.equal((await owedRuns(database)).length, queued)
})

test('of several processes one runs them', async () => {
  await make({})
  await besideThePath(database, 'other', async session => {
    assert.ok(await tryLockForSession(session, 'replay'))
    assert.equal(await runReplays(deps, new AbortController().signal), false)
  })
})
