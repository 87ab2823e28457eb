import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Reach } from '../../src/model/caller.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import { deleteSomeStatsOf } from '../../src/stats/of-tenant.ts'
import { combineRows, readRolledUp, subjects } from '../../src/stats/roll-up-store.ts'
import { Stats } from '../../src/stats/stats.ts'
import { minuteMs, minuteOf } from '../../src/stats/steps.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { subscribe } from '../support/replay.ts'
import { emptyAll } from '../support/rows.ts'
import { assertEqualsLog, logAttempts, randomAttempts, rollUpsAt, storedRollUps } from '../support/stats.ts'
import { countingVisited } from '../support/visited-rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

/** The same numbers each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

const clockAt = (ms: number) => fakeClock(ms)

test('roll-ups of all lengths are what the log says, by subscription, by tenant and in all', async () => {
  await subscribe(database, [1, 2])
  await subscribe(database, [3], { tenant: 'system' })
  const from = noon - 50 * hourMs
  // 4 is a subscription of which nothing is left: nobody knows its tenant.
  await logAttempts(database, randomAttempts(numbers(1), 3000, from, noon, [1, 2, 3, 4]))
  await logAttempts(database, [
    { at: noon - hourMs, durationMs: null, errorClass: 'http' }, // ended without an attempt
    { at: noon - hourMs, trigger: 'test' },
    { at: noon - hourMs, trigger: 'replay' },
  ])
  const report = await rollUpsAt(database, clockAt(noon + 5000)).run()
  assert.ok((report?.minutes ?? 0) > 2900, 'two days of minutes')
  await assertEqualsLog(database, minuteOf(noon))
})

test('a minute is rolled up when it is over, once, by one process', async () => {
  await subscribe(database, [1])
  await logAttempts(database, [{ at: noon + 1000 }])
  const clock = clockAt(noon + minuteMs + 2000)
  const [one, other] = [rollUpsAt(database, clock), rollUpsAt(database, clock)]
  assert.equal(await one.run(), undefined, 'it may not be all in the log yet')
  clock.advance(2000)
  await besideThePath(database, 'test', async session => {
    await tryLockForSession(session, 'stats')
    assert.equal(await one.run(), undefined, 'another process is at it')
  })
  assert.equal((await one.run())?.minutes, 1)
  assert.equal(await one.run(), undefined)
  assert.equal(await other.run(), undefined)
  await assertEqualsLog(database, minuteOf(noon) + 1)
})

test('rows that are committed after their minute was rolled up are found, and all that is made of it is made again', async () => {
  await subscribe(database, [1, 2])
  const begin = noon - 30 * hourMs
  await logAttempts(database, randomAttempts(numbers(2), 500, begin, noon, [1]))
  const clock = clockAt(noon + 5000)
  const rollUps = rollUpsAt(database, clock)
  await rollUps.run()
  // Committed late: in a minute that was empty, in one that was not, for another subscription.
  await logAttempts(database, randomAttempts(numbers(3), 50, noon - 2 * hourMs, noon, [1, 2]))
  clock.advance(25 * minuteMs)
  const report = await rollUps.run()
  assert.ok((report?.again ?? 0) > 0)
  // Those that are older were looked at for the last time, or are looked at later.
  for (const hours of [3, 25]) {
    clock.set(noon + hours * hourMs)
    await rollUps.run()
  }
  await assertEqualsLog(database, minuteOf(clock.now()))
})

test('what retention has taken of the log stays in the roll-ups', async () => {
  await subscribe(database, [1])
  await logAttempts(database, randomAttempts(numbers(4), 200, noon - hourMs, noon, [1]))
  const clock = clockAt(noon + 5000)
  const rollUps = rollUpsAt(database, clock)
  await rollUps.run()
  const before = await storedRollUps(database, 1)
  await database.query({ text: 'truncate delivery_logs' })
  clock.advance(4 * hourMs)
  await rollUps.run()
  assert.deepEqual(await storedRollUps(database, 1), before)
})

test('when a clock that was days ahead comes back, what is logged from then on is rolled up as if it had not been', async () => {
  await subscribe(database, [1, 2])
  await logAttempts(database, randomAttempts(numbers(6), 100, noon - hourMs, noon, [1]))
  const clock = clockAt(noon + 5000)
  const rollUps = rollUpsAt(database, clock)
  await rollUps.run()
  const ahead = noon + 50 * hourMs
  clock.set(ahead)
  await logAttempts(database, [{ at: ahead - minuteMs, subscriptionId: 2 }])
  await rollUps.run()
  const back = noon + 5 * minuteMs
  clock.set(back)
  await logAttempts(database, [{ at: back - minuteMs, subscriptionId: 2 }]) // by a process that knew sooner
  await rollUps.run()
  await logAttempts(database, randomAttempts(numbers(7), 200, back, back + hourMs, [1, 2]))
  clock.set(back + hourMs)
  await rollUps.run()
  const { buckets } = await new Stats({ database, clock }).ofAll(Reach.all, '1h')
  assert.ok(buckets.filter(({ success, failed }) => success + failed > 0).length > 30)
  // And when the time comes for which minutes had been made.
  await logAttempts(database, randomAttempts(numbers(8), 200, ahead - 3 * hourMs, ahead + hourMs, [1, 2]))
  for (const hours of [-2, 0, 1]) {
    clock.set(ahead + hours * hourMs)
    await rollUps.run()
  }
  await assertEqualsLog(database, minuteOf(clock.now() - 3000))
})

test('a clock that is set back for a while costs no roll-up, also where its log is gone', async () => {
  await subscribe(database, [1])
  await logAttempts(database, randomAttempts(numbers(9), 100, noon - 3 * hourMs, noon, [1]))
  const clock = clockAt(noon + 5000)
  const rollUps = rollUpsAt(database, clock)
  await rollUps.run()
  const stored = () => Promise.all(([1, 15, 60, 1440] as const).map(step => storedRollUps(database, step)))
  const before = await stored()
  const kept = uuidLowerBound(noon - 75 * minuteMs)
  await database.query({ text: 'delete from delivery_logs where id < $1', values: [kept] })
  clock.set(noon - 2 * hourMs)
  assert.ok(await rollUps.run())
  const { buckets } = await new Stats({ database, clock }).ofAll(Reach.all, '1h')
  assert.ok(buckets.some(({ success }) => success > 0))
  clock.set(noon + 5000)
  await rollUps.run()
  assert.deepEqual(await stored(), before)
})

test('a round that is cut off at any point is taken up where it was', async () => {
  await subscribe(database, [1, 2, 3])
  await logAttempts(database, randomAttempts(numbers(5), 800, noon - 3 * hourMs, noon, [1, 2, 3]))
  const clock = clockAt(noon + 5000)
  for (let statements = 5; ; statements += 40) {
    const stopping = new AbortController()
    const report = await rollUpsAt(stopAfter(statements, stopping), clock).run(stopping.signal)
    if (!stopping.signal.aborted && report === undefined) break
  }
  await assertEqualsLog(database, minuteOf(noon))

  /** The database, which tells the round to end after a number of transactions. */
  function stopAfter(count: number, stopping: AbortController): typeof database {
    let left = count
    return new Proxy(database, {
      get(target, name) {
        if (name !== 'connection') {
          const value = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return (...given: Parameters<typeof database.connection>) => {
          const session = database.connection(...given)
          const transaction = session.transaction.bind(session)
          session.transaction = work => {
            if (--left <= 0) stopping.abort()
            return transaction(work)
          }
          return session
        }
      },
    })
  }
})

test('a connection that is killed in the middle of a transaction leaves nothing half done', async () => {
  await subscribe(database, [1])
  await logAttempts(database, randomAttempts(numbers(6), 300, noon - hourMs, noon, [1]))
  const clock = clockAt(noon + 5000)
  const kill = () =>
    database.query({
      text: `select pg_terminate_backend(pid) from pg_stat_activity
             where application_name like '%roll-ups%' and datname = current_database()`,
    })
  for (let round = 0; round < 5; round++) {
    const running = rollUpsAt(database, clock)
      .run()
      .catch(() => undefined)
    await kill()
    await running
  }
  await rollUpsAt(database, clock).run()
  await assertEqualsLog(database, minuteOf(noon))
})

test('after a long stop minutes without a row are passed over', async () => {
  await subscribe(database, [1])
  const clock = clockAt(noon + 5000)
  await logAttempts(database, [{ at: noon - 40 * 24 * hourMs }, { at: noon - 10_000 }])
  const report = await rollUpsAt(database, clock).run()
  assert.ok((report?.minutes ?? 0) < 2000, `${report?.minutes} minutes`)
  await assertEqualsLog(database, minuteOf(noon))
  assert.equal((await readRolledUp(database))[1], minuteOf(noon))
})

test('nothing is rolled up for a deleted tenant, and what was is removed with it', async () => {
  await database.query({ text: "insert into tenants (id, name) values ('gone', 'Gone')" })
  await subscribe(database, [1], { tenant: 'gone' })
  await logAttempts(database, [{ at: noon - 3 * minuteMs }])
  const clock = clockAt(noon - 2 * minuteMs + 4000)
  const rollUps = rollUpsAt(database, clock)
  await rollUps.run()
  const ofGone = async () =>
    (await storedRollUps(database, 1)).filter(row => row.whose === 'tenant gone').length
  assert.equal(await ofGone(), 1)
  await database.query({ text: "update tenants set deleted_at = now() where id = 'gone'" })
  assert.deepEqual(await deleteSomeStatsOf(database, 'gone', 10), { rows: 1, last: 0 })
  await logAttempts(database, [{ at: noon - minuteMs }])
  clock.set(noon + 4000)
  await rollUps.run()
  assert.equal(await ofGone(), 0)
  await database.query({ text: "delete from subscriptions; delete from tenants where id = 'gone'" })
})

test('to combine an hour takes as many steps as it has rows, also where statistics are older than they', async () => {
  const subscriptions = 400
  const fill = (from: number) =>
    database.query({
      text: `insert into subscription_stats (step, minute, subscription_id, success, failed, given_up, cells)
             select 15, $1::int + 15 * part, id, 3, 0, 0, array[(2::int8 ^ 36)::int8 + 3]
             from generate_series(0, 3) part, generate_series(1, $2::int) id`,
      values: [from, subscriptions],
    })
  const hour = minuteOf(noon)
  await fill(hour - 60)
  await database.query({ text: 'analyze subscription_stats' })
  await fill(hour)
  const span = { step: 60, minute: hour, count: 1 } as const
  const visited = await besideThePath(database, 'test', async session => {
    const { visited, counting } = countingVisited(session)
    await combineRows(counting, subjects[0], span, 0, undefined)
    return visited
  })
  const { rows } = await database.query({
    text: 'select success, cardinality(cells) as cells from subscription_stats where step = 60 and minute = $1',
    values: [hour],
  })
  assert.deepEqual(
    rows,
    Array.from({ length: subscriptions }, () => ({ success: 12, cells: 1 })),
  )
  // 4 parts with a cell each: 8 rows of a subscription, through some steps of the plan. Joined, each would meet each.
  assert.ok(visited.rows < subscriptions * 100, `${visited.rows} rows were visited`)
})
