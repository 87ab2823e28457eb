import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type EventRow, insertEvents } from '../../src/ingest/store.ts'
import { findTaken, type NamesRow, type Periods } from '../../src/ingest/taken-names-store.ts'
import { ensurePartitions } from '../../src/log/partitions.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { type Queryable, sqlState } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { hourMs, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aLane, allOwed, anEvent, countEvents, emptyAll, laneOf, owedFor } from '../support/rows.ts'

let world: TestDatabase
/** Two periods of a day each, and where names are taken in each of them. */
const first: Periods = { current: noon - hourMs, shared: null }
const second: Periods = { current: noon + 23 * hourMs, shared: null }
const sharing: Periods = { current: second.current, shared: first.current }

before(async () => {
  world = await testDatabase({ partitions: false, poolSize: 8 })
  for (const time of [noon, noon + 20 * hourMs]) await ensurePartitions(world.database, time, 1)
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const session = () => world.database.connection('names', { session: fixedPlans })

/** A hash that is easily told from others. */
const hash = (n: number) => `00000000-0000-0000-0000-${`${n}`.padStart(12, '0')}` as Uuid

function named(names: Partial<NamesRow>): EventRow {
  const none = { idempotencyKey: null, eventId: null, request: null, deliveries: 1 }
  return anEvent({ names: { ...none, ...names } })
}

const key = (n: number, more: Partial<NamesRow> = {}) =>
  named({ idempotencyKey: hash(n), request: hash(9), ...more })

async function insert(
  events: readonly EventRow[],
  periods: Periods = first,
  db: Queryable = world.database,
  owner: number | null = 7,
) {
  return insertEvents(
    db,
    events,
    events.flatMap(event => owedFor(event, owner)),
    noon,
    periods,
  )
}

async function allNames() {
  const { rows } = await world.database.query<{ n: number }>({
    text: 'select count(*)::int as n from taken_names',
  })
  return rows[0]?.n
}

test('the first event with a name is written, and later ones are not, with nothing of theirs', async () => {
  const one = key(1, { deliveries: 3 })
  assert.deepEqual(await insert([one]), [])
  const again = key(1)
  assert.deepEqual(await insert([again]), [again.webhookId])
  assert.equal(await countEvents(world.database), 1)
  assert.deepEqual(
    (await allOwed(world.database)).map(row => row.webhookId),
    [one.webhookId],
  )
  assert.deepEqual(
    await findTaken(world.database, [
      key(1).names ?? assert.fail(),
      { idempotencyKey: hash(2), eventId: null },
    ]),
    [
      { by: 'idempotency_key', request: hash(9), webhookId: one.webhookId, deliveries: 3, place: 1 },
      undefined,
    ],
  )
})

test('a name that is taken fails its event alone, among others with names and without', async () => {
  await insert([key(1)])
  const [taken, free, without] = [key(1), key(2), anEvent()]
  assert.deepEqual(await insert([taken, free, without]), [taken.webhookId])
  assert.equal(await countEvents(world.database), 3)
  assert.equal((await allOwed(world.database)).length, 3)
})

test('of two events with one name in the same statement one is written', async () => {
  const events = [key(1), key(2), key(1)]
  const refused = await insert(events)
  assert.equal(refused.length, 1)
  assert.equal(await countEvents(world.database), 2)
})

test('an event takes both of its names or none', async () => {
  const one = named({ idempotencyKey: hash(1), eventId: hash(1) })
  await insert([one])
  const otherKey = named({ idempotencyKey: hash(2), eventId: hash(1) })
  assert.deepEqual(await insert([otherKey]), [otherKey.webhookId])
  assert.deepEqual(await insert([key(2)]), [], 'its key is still free')
  const otherId = named({ idempotencyKey: hash(1), eventId: hash(2) })
  assert.deepEqual(await insert([otherId]), [otherId.webhookId])
  assert.deepEqual(await insert([named({ eventId: hash(2) })]), [], 'its id is still free')
  const [by] = await findTaken(world.database, [otherKey.names ?? assert.fail()])
  assert.equal(by?.by, 'idempotency_key', 'who has the key comes before who has the id')
})

test('a name of the period before is taken still', async () => {
  await insert([key(1), named({ eventId: hash(1) })], first)
  const later = [key(1), named({ eventId: hash(1) })]
  assert.deepEqual((await insert(later, second)).toSorted(), later.map(event => event.webhookId).toSorted())
  assert.deepEqual(await insert([key(2)], second), [])
  assert.equal(await allNames(), 3)
})

/** Runs statements that wait for each other: the first in a transaction that stays open until the second waits. */
async function race(
  begin: (db: Queryable) => Promise<unknown>,
  meanwhile: (db: Queryable) => Promise<readonly Uuid[]>,
  end: 'commit' | 'rollback' = 'commit',
): Promise<readonly Uuid[]> {
  const [a, b] = [session(), session()]
  try {
    await a.query({ text: 'begin' })
    await begin(a)
    const other = meanwhile(b)
    other.catch(() => {})
    await eventually(
      () =>
        world.database.query({
          text: "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        }),
      ({ rows }) => rows.length > 0,
    )
    await a.query({ text: end })
    return await other
  } finally {
    await a.close()
    await b.close()
  }
}

test('a statement waits for another one that takes the same name at this moment', async () => {
  const [one, other] = [key(1), key(1)]
  const refused = await race(
    db => insert([one], first, db),
    db => insert([other, key(2)], first, db),
  )
  assert.deepEqual(refused, [other.webhookId])
  assert.equal(await countEvents(world.database), 2)
})

test('a name of a statement that failed is free', async () => {
  const refused = await race(
    db => insert([key(1)], first, db),
    db => insert([key(1)], first, db),
    'rollback',
  )
  assert.deepEqual(refused, [])
  assert.equal(await countEvents(world.database), 1)
})

test('where two periods meet, one event has a name: whoever goes by the first, by both, or by the second alone', async () => {
  for (const [a, b] of [
    [first, sharing],
    [sharing, sharing],
    [sharing, first],
  ] as const) {
    await emptyAll(world.database)
    const other = key(1)
    const refused = await race(
      db => insert([key(1)], a, db),
      db => insert([other], b, db),
    )
    assert.deepEqual(refused, [other.webhookId])
    assert.equal(await countEvents(world.database), 1)
    assert.equal((await findTaken(world.database, [{ idempotencyKey: hash(1), eventId: null }])).length, 1)
  }
})

test('an event that got its name in one of two periods only leaves nothing behind, and is refused when it is written again', async () => {
  const [one, other] = [key(1), named({ idempotencyKey: hash(1), eventId: hash(1) })]
  await assert.rejects(
    race(
      db => insert([one], second, db),
      db => insert([other], sharing, db),
    ),
    error => sqlState(error) === '40001',
  )
  assert.equal(await countEvents(world.database), 1)
  assert.equal(await allNames(), 1)
  assert.deepEqual(await insert([other], sharing), [other.webhookId])
  assert.deepEqual(await insert([named({ eventId: hash(1) })], sharing), [], 'its other name was not taken')
})

test('statements that take the same names in any order do not wait for each other in a circle', async () => {
  const numbers = Array.from({ length: 200 }, (_, n) => n)
  const sessions = [session(), session(), session()]
  for (let round = 0; round < 5; round++) {
    const events = sessions.map(() =>
      numbers.toSorted(() => Math.random() - 0.5).map(n => key(round * 1000 + n)),
    )
    const refused = await Promise.all(sessions.map((db, n) => insert(events[n] ?? [], first, db)))
    assert.equal(refused.flat().length, 400)
  }
  assert.equal(await countEvents(world.database), 1000)
  for (const db of sessions) await db.close()
})

test('the lane of an event that is refused is not woken', async () => {
  await aLane(world.database, 1)
  await insert([key(1)], first, world.database, 7)
  await insert([key(1)], first, world.database, null)
  assert.equal((await laneOf(world.database, 1))?.dueAt, null)
  await insert([key(2)], first, world.database, null)
  assert.equal((await laneOf(world.database, 1))?.dueAt, noon)
})

test('names are looked up by probes of an index, in whatever state the statistics are', async () => {
  const db = session()
  await db.query({ text: 'begin' })
  for (let n = 0; n < 20; n++) await insert([key(n), named({ eventId: hash(n) })], first, db)
  const { rows } = await db.query<{ whole: number; probes: number }>({
    text: `select sum(seq_scan)::int as whole, sum(idx_scan)::int as probes
           from pg_stat_xact_user_tables where relname like 'taken_names_%'`,
  })
  await db.query({ text: 'rollback' })
  assert.equal(rows[0]?.whole, 0)
  assert.ok((rows[0]?.probes ?? 0) >= 40)
  await db.close()
})
