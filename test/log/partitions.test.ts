import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Partition } from '../../src/log/partition-store.ts'
import { pathTables } from '../../src/log/partition-store.ts'
import {
  dropPartitions,
  ensurePartitions,
  missingRanges,
  namesKeptMs,
  partitionMs,
  periodsOf,
} from '../../src/log/partitions.ts'
import { uuidLowerBound, uuidTime } from '../../src/platform/id.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { countEvents, idAt, owe } from '../support/rows.ts'

async function aDatabase(t: TestContext, queryTimeoutMs?: number): Promise<Database> {
  const { database, close } = await testDatabase({
    partitions: false,
    ...(queryTimeoutMs === undefined ? {} : { queryTimeoutMs }),
  })
  t.after(close)
  return database
}

async function partitionsOf(database: Database, table: string): Promise<readonly string[]> {
  const { rows } = await database.query<{ name: string }>({
    text: 'select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass order by 1',
    values: [table],
  })
  return rows.map(row => row.name)
}

/** The tables whose partitions are an hour long; that of names has one for all of the retention. */
const hourly = pathTables.filter(table => table !== 'taken_names')

const partition = (from: number, to: number): Partition => ({
  name: `events_${from}`,
  from: uuidLowerBound(from),
  to: uuidLowerBound(to),
})

test('partitions are one hour long up to 96 hours of retention, and then few enough', () => {
  const table = [
    [1, 1],
    [72, 1],
    [96, 1],
    [97, 2],
    [720, 8],
    [8760, 92],
  ] as const
  for (const [retention, hours] of table) assert.equal(partitionMs(retention), hours * hourMs)
})

test('without any, all from an hour ago to six hours ahead are missing', () => {
  const ranges = missingRanges([], noon + 1234, hourMs)
  assert.equal(ranges.length, 8)
  assert.deepEqual(ranges[0], [noon - hourMs, noon])
  assert.deepEqual(ranges.at(-1), [noon + 6 * hourMs, noon + 7 * hourMs])
})

test('a range ends where the next partition begins, as after a change of the retention', () => {
  const there = [partition(noon - hourMs, noon), partition(noon + 2 * hourMs, noon + 20 * hourMs)]
  assert.deepEqual(missingRanges(there, noon, 8 * hourMs), [[noon, noon + 2 * hourMs]])
})

test('whatever is there, with what is made all of the time is covered, once', () => {
  const some = fc.array(fc.integer({ min: -6, max: 12 }), { maxLength: 8 })
  fc.assert(
    fc.property(
      some,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: hourMs - 1 }),
      (hours, length, past) => {
        const there = [...new Set(hours)].map(hour =>
          partition(noon + hour * hourMs, noon + (hour + 1) * hourMs),
        )
        const now = noon + past
        const ranges = missingRanges(there, now, length * hourMs)
        const all = [...there.map(({ from, to }) => [uuidTime(from), uuidTime(to)] as const), ...ranges]
        for (let time = now - hourMs; time <= now + 6 * hourMs; time += hourMs / 4) {
          assert.equal(all.filter(([from, to]) => from <= time && time < to).length, 1)
        }
        for (const [from, to] of ranges) {
          assert.equal(all.filter(other => other[0] < to && from < other[1]).length, 1, 'overlaps nothing')
        }
      },
    ),
  )
})

test('partitions are made for all tables, and once', async t => {
  const database = await aDatabase(t)
  assert.equal(await ensurePartitions(database, noon, 72), 8 * hourly.length + 1)
  assert.equal(await ensurePartitions(database, noon, 72), 0)
  assert.equal(await ensurePartitions(database, noon + hourMs, 72), hourly.length)
  assert.ok((await partitionsOf(database, 'events')).includes('events_2026030111'))
  for (const ms of [noon - hourMs, noon, noon + 7 * hourMs]) await owe(database, { webhookId: idAt(ms) })
  assert.equal(await countEvents(database), 3)
})

test('processes that make them at the same moment do not get in each other’s way', async t => {
  const database = await aDatabase(t)
  const made = await Promise.all([1, 2, 3].map(() => ensurePartitions(database, noon, 72)))
  assert.equal(
    made.reduce((sum, count) => sum + count),
    8 * hourly.length + 1,
  )
})

test('names are taken for the retention and for a day at the least, in one partition after the other', async t => {
  for (const [retention, hours] of [
    [1, 24],
    [72, 72],
    [8760, 8760],
  ] as const) {
    assert.equal(namesKeptMs(retention), hours * hourMs)
  }
  const database = await aDatabase(t)
  await ensurePartitions(database, noon, 72)
  const [first] = await periodsOf(database, 'taken_names')
  assert.deepEqual(first, { from: noon - hourMs, to: noon + 71 * hourMs })
  // A shorter retention changes what is made from now on, and not what is there.
  await ensurePartitions(database, noon + 70 * hourMs, 1)
  assert.deepEqual(await periodsOf(database, 'taken_names'), [
    first,
    { from: noon + 71 * hourMs, to: noon + 95 * hourMs },
  ])
})

test('a partition has the indexes of its table', async t => {
  const database = await aDatabase(t)
  await ensurePartitions(database, noon, 72)
  const { rows } = await database.query<{ n: number }>({
    text: "select count(*)::int as n from pg_indexes where tablename = 'delivery_logs_2026030112'",
  })
  assert.equal(rows[0]?.n, 5)
})

test('partitions that ended before a moment are dropped, and no others', async t => {
  const database = await aDatabase(t)
  await ensurePartitions(database, noon, 72)
  for (const ms of [noon - 1, noon]) await owe(database, { webhookId: idAt(ms) })
  assert.deepEqual(await dropPartitions(database, 'events', noon - 1), [])
  assert.deepEqual(await dropPartitions(database, 'events', noon), ['events_2026030111'])
  assert.equal(await countEvents(database), 1)
  assert.equal((await partitionsOf(database, 'delivery_logs')).length, 8)
  const { rows } = await database.query({ text: "select to_regclass('events_2026030111') as there" })
  assert.deepEqual(rows, [{ there: null }])
})

test('what was detached by a process that died before it dropped it is dropped, and nothing else', async t => {
  const database = await aDatabase(t)
  await ensurePartitions(database, noon, 72)
  await database.query({ text: 'alter table events detach partition events_2026030111' })
  await database.query({ text: 'create table events_backup (kept int)' })
  await dropPartitions(database, 'events', 0)
  const { rows } = await database.query({
    text: "select to_regclass('events_2026030111') as detached, to_regclass('events_backup')::text as other",
  })
  assert.deepEqual(rows, [{ detached: null, other: 'events_backup' }])
})

test('a partition whose detaching was cut short is dropped by a later round', async t => {
  const database = await aDatabase(t, 300)
  await ensurePartitions(database, noon, 72)
  await database.transaction(async tx => {
    await tx.query({ text: 'select count(*) from events' })
    assert.deepEqual(await dropPartitions(database, 'events', noon), [], 'left for later')
  })
  await dropPartitions(database, 'events', noon + hourMs)
  const left = await partitionsOf(database, 'events')
  assert.equal(left[0], 'events_2026030113')
})
