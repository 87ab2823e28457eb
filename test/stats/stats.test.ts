import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { parkedAt } from '../../src/lanes/parked.ts'
import { Reach } from '../../src/model/caller.ts'
import { uuidTime } from '../../src/platform/id.ts'
import { daysOf } from '../../src/stats/days.ts'
import { relativeErrorMax } from '../../src/stats/latency.ts'
import { lookedAt, readRetrying } from '../../src/stats/retrying-store.ts'
import { Stats } from '../../src/stats/stats.ts'
import { beginsOf, minuteMs, minuteOf, type WindowName, windowNames, windows } from '../../src/stats/steps.ts'
import { readSubscriptionCounts, readSubscriptionPeriods } from '../../src/stats/store.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { subscribe } from '../support/replay.ts'
import { emptyAll, owe } from '../support/rows.ts'
import {
  type ExactFigures,
  exactly,
  exactPercentile,
  logAttempts,
  randomAttempts,
  readLogged,
  rollUpsAt,
} from '../support/stats.ts'
import { countingVisited } from '../support/visited-rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const now = noon + 34 * minuteMs + 56_789
const clock = fakeClock(now)
const stats = new Stats({ database, clock })

/** What an answer says in a bucket or in all. */
interface Figures {
  readonly success: number
  readonly failed: number
  readonly given_up: number
  readonly by_class: Readonly<Record<string, number>>
  readonly p50_ms: number | null
  readonly p95_ms: number | null
  readonly p99_ms: number | null
}

function assertFigures(found: Figures, exact: ExactFigures, of: string): void {
  const { success, failed, given_up, by_class } = found
  assert.deepEqual(
    { success, failed, given_up, by_class },
    { success: exact.success, failed: exact.failed, given_up: exact.givenUp, by_class: exact.byClass },
    of,
  )
  for (const [value, share] of [
    [found.p50_ms, 0.5],
    [found.p95_ms, 0.95],
    [found.p99_ms, 0.99],
  ] as const) {
    const exactly = exactPercentile(exact.durations, share)
    if (exactly === null) assert.equal(value, null, of)
    else
      assert.ok(
        Math.abs((value ?? Number.NaN) - exactly) <= exactly * relativeErrorMax,
        `${of}: ${value}, ${exactly}`,
      )
  }
}

/** Holds an answer against the log. @param isMeant which rows it is about */
async function assertAnswer(
  answer: Awaited<ReturnType<typeof stats.ofSubscription>>,
  window: WindowName,
  isMeant: (row: Awaited<ReturnType<typeof readLogged>>[number]) => boolean,
  begins: readonly number[] = beginsOf(windows[window], clock.now()),
): Promise<void> {
  const rows = (await readLogged(database)).filter(isMeant)
  const { step, count } = windows[window]
  const [from = 0, ...later] = begins.map(minute => minute * minuteMs)
  const between = (start: number, end: number) =>
    exactly(rows.filter(({ id }) => uuidTime(id) >= start && uuidTime(id) < end))
  assert.equal(answer.step_seconds, step * 60)
  assert.equal(answer.buckets.length, count)
  for (const [index, bucket] of answer.buckets.entries()) {
    const start = [from, ...later][index] ?? 0
    assert.equal(bucket.start, new Date(start).toISOString())
    assertFigures(
      bucket,
      between(start, later[index] ?? Number.POSITIVE_INFINITY),
      `${window} ${bucket.start}`,
    )
  }
  const all = between(from, Number.POSITIVE_INFINITY)
  assertFigures(answer.totals, all, window)
  assert.equal(
    answer.totals.last_success_at,
    all.lastSuccessAt === null ? null : new Date(all.lastSuccessAt).toISOString(),
  )
  assert.equal(answer.complete_until, new Date(clock.now()).toISOString())
}

test('the answer for each window is what counting the log gives, the last minute included', async () => {
  await subscribe(database, [1, 2])
  await subscribe(database, [3], { tenant: 'system' })
  const attempts = [
    ...randomAttempts(Math.random, 2000, now - 12 * 24 * hourMs, now, [1, 2, 3]),
    ...randomAttempts(Math.random, 500, now - 50 * minuteMs, now, [1, 2, 3]),
    ...randomAttempts(Math.random, 100, now - 50_000, now, [1, 2, 3]),
  ]
  // As it grows: roll-ups are made of what is older, and what is older than they are kept by the minute goes.
  const rollUps = rollUpsAt(database, clock)
  await logAttempts(database, attempts)
  await rollUps.run()
  for (const window of windowNames) {
    await assertAnswer(await stats.ofSubscription(1, window), window, row => row.subscription_id === 1)
    await assertAnswer(await stats.ofAll(Reach.all, window), window, () => true)
    await assertAnswer(await stats.ofAll(Reach.of('system'), window), window, row => row.tenant === 'system')
  }
})

test('days begin at midnight of a time zone, also before its clock was changed', async t => {
  const later = Date.UTC(2026, 3, 10, 12, 34)
  clock.set(later) // twelve days after it was, in Berlin
  t.after(() => clock.set(now))
  await subscribe(database, [1, 2])
  const rollUps = rollUpsAt(database, clock)
  await logAttempts(database, randomAttempts(Math.random, 2000, later - 29 * 24 * hourMs, later, [1, 2]))
  await rollUps.run()
  for (const zone of ['Etc/GMT+12', 'Europe/Berlin']) {
    const begins = daysOf(zone, 30, later)
    assert.ok(typeof begins !== 'string')
    const ofAll = await stats.ofAll(Reach.all, '30d', zone)
    await assertAnswer(ofAll, '30d', () => true, begins)
    const ofOne = await stats.ofSubscription(1, '30d', zone)
    await assertAnswer(ofOne, '30d', row => row.subscription_id === 1, begins)
    // Shorter periods are the same on all these clocks.
    assert.deepEqual(
      (await stats.ofAll(Reach.all, '7d', zone)).buckets,
      (await stats.ofAll(Reach.all, '7d')).buckets,
    )
  }
})

test('before anything is rolled up the answer comes from the log', async () => {
  await subscribe(database, [1])
  await logAttempts(database, [{ at: now - 100, durationMs: 250 }])
  await rollUpsAt(database, clock).run()
  const { totals } = await stats.ofSubscription(1, '1h')
  assert.equal(totals.success, 1)
  assert.equal(totals.success_rate, 1)
})

test('of a subscription with too many attempts in the last minute, the answer says up to when it is complete', async () => {
  await subscribe(database, [1])
  await logAttempts(database, [{ at: now - 10 * minuteMs }])
  await rollUpsAt(database, clock).run()
  await database.query({
    text: `insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict, duration_ms)
           select overlay((lpad(to_hex($1::bigint), 12, '0') || '7000' || lpad(to_hex(n), 16, '8000')) placing '' from 1 for 0)::uuid,
             gen_random_uuid(), 1, 1, 'success', 'delivered', 5
           from generate_series(1, 10001) n`,
    values: [now - 5000],
  })
  const whole = minuteMs * Math.floor(now / minuteMs)
  for (const answer of [await stats.ofSubscription(1, '1h'), await stats.ofAll(Reach.all, '1h')]) {
    assert.equal(answer.complete_until, new Date(whole).toISOString())
    assert.equal(answer.totals.success, 1)
    assert.equal(answer.buckets.length, 59, 'no bucket says that there was nothing')
  }
  clock.advance(minuteMs)
  await rollUpsAt(database, clock).run()
  assert.equal((await stats.ofSubscription(1, '1h')).totals.success, 10_002)
  clock.set(now)
})

test('what waits is counted, and since when the oldest waits that is due', async () => {
  await subscribe(database, [1, 2])
  await subscribe(database, [3], { tenant: 'system', paused: true })
  const [early, late] = [now - 60_000, now + 60_000]
  await owe(database, { webhookId: idAt(1), subscriptionIds: [1], dueAt: early })
  await owe(database, { webhookId: idAt(2), subscriptionIds: [1], dueAt: late })
  await owe(database, { webhookId: idAt(3), subscriptionIds: [3], dueAt: early + 1 })
  const backlog = ({
    pending,
    pending_exact,
    oldest_due_at,
  }: Awaited<ReturnType<typeof stats.ofSubscription>>) => ({
    ...{ pending, pending_exact },
    oldest: oldest_due_at && Date.parse(oldest_due_at),
  })
  assert.deepEqual(backlog(await stats.ofSubscription(1, '1h')), {
    pending: 2,
    pending_exact: true,
    oldest: early,
  })
  assert.deepEqual(backlog(await stats.ofSubscription(2, '1h')), {
    pending: 0,
    pending_exact: true,
    oldest: null,
  })
  assert.deepEqual(backlog(await stats.ofAll(Reach.of('system'), '1h')), {
    ...{ pending: 1, pending_exact: true },
    oldest: early + 1,
  })
  assert.equal((await stats.ofAll(Reach.all, '1h')).pending, 3)
})

const idAt = (n: number) => `01936b6e-0000-7000-8000-00000000000${n}` as Parameters<typeof uuidTime>[0]

test('the subscriptions that fail most come first, those of the caller only, the last minute included', async () => {
  await subscribe(database, [1, 2, 3])
  await subscribe(database, [4], { tenant: 'system' })
  const failing = (subscriptionId: number, count: number, at: number) =>
    Array.from({ length: count }, (_, index) => ({
      at: at + index,
      subscriptionId,
      errorClass: 'http' as const,
    }))
  await logAttempts(database, [
    ...failing(1, 5, now - 3 * hourMs),
    ...failing(2, 4, now - 40 * minuteMs),
    ...failing(4, 9, now - 2 * hourMs),
    ...failing(7, 50, now - 2 * hourMs), // of a subscription that is gone
    { at: now - 1000, subscriptionId: 3 },
  ])
  await rollUpsAt(database, clock).run()
  await logAttempts(database, failing(2, 2, now - 2000))
  const ids = async (reach: Reach, limit: number, window: WindowName) =>
    (await stats.ofFailing(reach, limit, window)).map(row => row.subscription_id)
  assert.deepEqual(await ids(Reach.all, 5, '24h'), [4, 2, 1])
  assert.deepEqual(await ids(Reach.all, 2, '24h'), [4, 2])
  assert.deepEqual(await ids(Reach.of('default'), 5, '24h'), [2, 1])
  assert.deepEqual(await ids(Reach.of('system'), 5, '7d'), [4])
  assert.deepEqual(await ids(Reach.all, 5, '1h'), [2])
  const [first] = await stats.ofFailing(Reach.of('default'), 1, '1h')
  assert.equal(first?.totals.failed, 6)
})

test('what is retried now is counted by subscription: not what was accepted since, never tried, parked or paused', async () => {
  await subscribe(database, [1, 2, 5, 6])
  await subscribe(database, [3], { tenant: 'system' })
  await subscribe(database, [4], { paused: true })
  const later = now + 60_000
  const isRetried = (subscriptionId: number, attempt: number, from: number | null = null) =>
    database.query({
      text: 'update owed set attempt = $2, replay_from = $3 where subscription_id = $1',
      values: [subscriptionId, attempt, from],
    })
  const oweTo = async (ids: readonly number[], number: number, dueAt = later) => {
    await owe(database, { webhookId: idAt(number), subscriptionIds: [...ids], dueAt })
  }
  await oweTo([1, 2, 3, 4, 6], 1)
  await oweTo([1], 2)
  for (const [id, attempt] of [
    [1, 2],
    [3, 2],
    [4, 5],
  ] as const)
    await isRetried(id, attempt)
  await isRetried(6, 4, 4) // a replay that begins
  await oweTo([1], 3, now - 1000) // waits for its turn
  await oweTo([5], 4, parkedAt)
  await isRetried(5, 2)
  // The attempt of 2 that failed was followed by one that was accepted.
  await logAttempts(database, [
    { at: now - 2000, subscriptionId: 2, errorClass: 'http' },
    { at: now - 1000, subscriptionId: 2 },
  ])
  await database.query({
    text: `insert into lanes (subscription_id, due_at)
           select distinct subscription_id, now() from owed on conflict (subscription_id) do update set due_at = now()`,
  })
  const most = async (reach: Reach, limit = 5) =>
    (await stats.ofRetrying(reach, limit, '1h')).map(row => [row.subscription_id, row.retrying])
  assert.deepEqual(await most(Reach.all), [
    [1, 2],
    [3, 1],
  ])
  assert.deepEqual(await most(Reach.all, 1), [[1, 2]])
  assert.deepEqual(await most(Reach.of('system')), [[3, 1]])
  const listed = await stats.ofSubscriptions(Reach.all, [2, 4, 5, 6], '1h')
  assert.deepEqual(
    listed.map(row => row.retrying),
    [0, 1, 0, 0],
  )
})

test('what is retried is seen among many that were not tried yet: first in an order, or due before scheduled ones', async () => {
  await subscribe(database, [1, 2, 3])
  await database.query({ text: 'update subscriptions set ordered = true where id = 1' })
  const waiting = (id: number, count: number, dueAt: number, { tried = 0 } = {}) =>
    database.query({
      text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at, attempt)
             select gen_random_uuid(), $1, 1, to_timestamp(($3::float8 + n) / 1000), case when n < $4 then 2 else 1 end
             from generate_series(0, $2::int4 - 1) n`,
      values: [id, count, dueAt, tried],
    })
  await waiting(1, 121, now - 1000, { tried: 1 }) // the first keeps its place
  await waiting(2, 20, now - hourMs) // wait for their turn
  await waiting(2, 122, now + 60_000, { tried: 2 })
  await waiting(3, 1, now + 60_000, { tried: 1 })
  await waiting(3, 120, now + hourMs)
  await database.query({
    text: 'insert into lanes (subscription_id, due_at) select distinct subscription_id, now() from owed on conflict (subscription_id) do update set due_at = now()',
  })
  const retryingOf = (rows: readonly { subscription_id: number; retrying: number }[]) =>
    rows.map(row => [row.subscription_id, row.retrying])
  const asked = await stats.ofSubscriptions(Reach.all, [1, 2, 3], '1h')
  assert.deepEqual(retryingOf(asked), [
    [1, 1],
    [2, 2],
    [3, 1],
  ])
  assert.deepEqual(retryingOf(await stats.ofRetrying(Reach.all, 5, '1h')), [
    [1, 1],
    [3, 1],
  ])
})

test('how many of a subscription are looked at for what is retried has a bound, however many wait', async () => {
  await subscribe(database, [1])
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at)
           select gen_random_uuid(), 1, 1, now() + n * interval '1 second' from generate_series(1, 20000) n`,
  })
  await database.query({ text: 'vacuum analyze owed' })
  const { visited, counting } = countingVisited(database)
  await readRetrying(counting, [1])
  assert.ok(visited.rows < 6 * lookedAt.most, `${visited.rows} of 20,000 rows were visited`)
})

test('several subscriptions come in the order they were asked for, and none that is not the caller’s', async () => {
  await subscribe(database, [1, 2])
  await subscribe(database, [3], { tenant: 'system' })
  await logAttempts(database, randomAttempts(Math.random, 300, now - 20 * hourMs, now, [1, 2, 3]))
  await rollUpsAt(database, clock).run()
  const asked = [3, 2, 2_147_483_648, 1, 99, 2]
  const all = await stats.ofSubscriptions(Reach.all, asked, '24h')
  assert.deepEqual(
    all.map(row => row.subscription_id),
    [3, 2, 1],
  )
  for (const row of all) {
    const alone = await stats.ofSubscription(row.subscription_id, '24h')
    assert.deepEqual(row.totals, alone.totals)
    assert.deepEqual(
      row.buckets,
      alone.buckets.map(({ start, success, failed }) => ({ start, success, failed })),
    )
  }
  const own = await stats.ofSubscriptions(Reach.of('default'), asked, '24h')
  assert.deepEqual(
    own.map(row => row.subscription_id),
    [2, 1],
  )
})

test('a list reads its own rows of the roll-ups, where to read all of them passes for cheaper', async () => {
  const from = minuteOf(noon) - 60
  await database.query({
    text: `insert into subscription_stats (step, minute, subscription_id, success, failed, given_up, cells)
           select 1, $1::int + m, id, 1, 1, 0, '{}' from generate_series(0, 59) m, generate_series(1, 800) id`,
    values: [from],
  })
  await database.query({ text: 'vacuum analyze subscription_stats' })
  const ids = Array.from({ length: 50 }, (_, index) => 1 + index * 16)
  const periods = Array.from({ length: 60 }, (_, index) => ({ step: 1 as const, minute: from + index }))
  for (const read of [readSubscriptionCounts, readSubscriptionPeriods]) {
    const { visited, counting } = countingVisited(database)
    await read(counting, ids, periods)
    assert.ok(visited.rows < 50 * 60 * 10, `${read.name}: ${visited.rows} of 48,000 rows were visited`)
  }
})
