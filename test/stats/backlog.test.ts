import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Reach } from '../../src/model/caller.ts'
import { Stats } from '../../src/stats/stats.ts'
import { minuteMs } from '../../src/stats/steps.ts'
import { fakeClock } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { subscribe } from '../support/replay.ts'
import { emptyAll, idAt, owe } from '../support/rows.ts'
import { logAttempts, rollUpsAt } from '../support/stats.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const samples = async () =>
  (await database.query({ text: 'select pending, oldest_due_seconds from backlog_samples order by minute' }))
    .rows

test('once a minute what waits is kept, and shown over the window of all tenants', async () => {
  const now = Math.floor(Date.now() / minuteMs) * minuteMs + 30_000
  await subscribe(database, [1])
  await logAttempts(database, [{ at: now - 10 * minuteMs }])
  await owe(database, { webhookId: idAt(now - 90_000), subscriptionIds: [1] })
  const clock = fakeClock(now)
  await rollUpsAt(database, clock).run()
  await rollUpsAt(database, clock).run() // another process, in the same minute
  const kept = (await samples()) as { pending: number; oldest_due_seconds: number }[]
  assert.equal(kept.length, 1)
  assert.equal(kept[0]?.pending, 1)
  assert.ok(Math.abs((kept[0]?.oldest_due_seconds ?? 0) - 90) <= 1, String(kept[0]?.oldest_due_seconds))

  const stats = new Stats({ database, clock })
  const { backlog, buckets } = await stats.ofAll(Reach.all, '1h')
  assert.deepEqual(
    backlog?.map(({ start }) => start),
    buckets.map(({ start }) => start),
  )
  assert.deepEqual(
    backlog?.map(({ pending }) => pending),
    [...Array.from({ length: 59 }, () => null), 1],
    'gaps are gaps',
  )
  assert.equal((await stats.ofAll(Reach.of('default'), '1h')).backlog, null)
  assert.equal((await stats.ofAll(Reach.all, '30d', 'Asia/Tashkent')).backlog?.at(-1)?.pending, 1)
})

test('a bucket has the most of its samples, and old samples go', async () => {
  const now = Math.floor(Date.now() / (60 * minuteMs)) * 60 * minuteMs + 40 * minuteMs
  const minute = Math.floor(now / minuteMs)
  await subscribe(database, [1])
  await logAttempts(database, [{ at: now - 10 * minuteMs }])
  await database.query({
    text: `insert into backlog_samples values ($1, 7, null), ($1 - 1, 3, 60), ($1 - 60 * 24 * 4000, 9, 9)`,
    values: [minute - 2],
  })
  const clock = fakeClock(now)
  await rollUpsAt(database, clock).run()
  const last = (await new Stats({ database, clock }).ofAll(Reach.all, '7d')).backlog?.at(-1)
  assert.deepEqual([last?.pending, last?.oldest_due_seconds], [7, 60])
  assert.equal((await samples()).length, 3)
})

test('what is too old goes though the sample could not be kept', async t => {
  const now = Math.floor(Date.now() / minuteMs) * minuteMs + 30_000
  await subscribe(database, [1])
  await logAttempts(database, [{ at: now - 10 * minuteMs }])
  await database.query({ text: 'insert into backlog_samples values (1, 9, 9)' })
  await database.query({
    text: 'alter table backlog_samples add constraint none check (minute < 2) not valid',
  })
  t.after(() => database.query({ text: 'alter table backlog_samples drop constraint none' }))
  await assert.rejects(rollUpsAt(database, fakeClock(now)).run(), /none/)
  assert.deepEqual(await samples(), [])
})
