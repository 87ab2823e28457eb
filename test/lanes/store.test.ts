import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { readContents } from '../../src/deliver/store.ts'
import { insertEvents } from '../../src/ingest/store.ts'
import { endWaitingIn } from '../../src/lanes/end-owed-store.ts'
import { type LanePosition, type Lease, leaseLanes, readDue, releaseLanes } from '../../src/lanes/store.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aLane, allAttempts, allOwed, anEvent, emptyAll, laneOf, owe, owedFor } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const start: LanePosition = { dueAt: 0, webhookId: uuidLowerBound(0) }

/** Reads one lane from a position on. */
function read(subscriptionId: number, after = start, limit = 100, now = noon) {
  return readDue(world.database, [{ subscriptionId, after, limit }], now)
}

const idsOf = (lanes: readonly Lease[]) => lanes.map(lane => lane.subscriptionId)

test('lanes with something due are leased, soonest first, and by one process only', async () => {
  const { database } = world
  for (const [id, dueAt] of [
    [1, noon - 1],
    [2, noon],
    [3, noon + 1],
    [4, noon - 50],
  ] as const) {
    await aLane(database, id)
    await owe(database, { subscriptionIds: [id], dueAt })
  }
  await aLane(database, 5)
  assert.deepEqual(await leaseLanes(database, me, noon, 1), [{ subscriptionId: 4, dueAt: noon - 50 }])
  assert.deepEqual(idsOf(await leaseLanes(database, me, noon, 10)).toSorted(), [1, 2])
  assert.deepEqual(await leaseLanes(database, 8, noon, 10), [])
  assert.deepEqual(await laneOf(database, 1), { owner: me, dueAt: Number.POSITIVE_INFINITY })
})

test('processes that lease at the same moment share the lanes, each to one', async () => {
  const { database } = world
  for (let id = 1; id <= 30; id++) {
    await aLane(database, id)
    await owe(database, { subscriptionIds: [id], dueAt: noon })
  }
  const leases = await Promise.all([1, 2, 3].map(owner => leaseLanes(database, owner, noon, 20)))
  const more = await leaseLanes(database, 4, noon, 30)
  assert.deepEqual(
    idsOf([...leases, more].flat()).toSorted((a, b) => a - b),
    Array.from({ length: 30 }, (_, index) => index + 1),
  )
})

test('a lane that is held back is not leased', async () => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  await database.query({ text: 'update lanes set held = true' })
  assert.deepEqual(await leaseLanes(database, me, noon, 10), [])
})

test('due rows are read in order of time, from a position on, each once', async () => {
  const { database } = world
  const times = [noon - 5, noon - 9, noon - 5, noon, noon + 1, noon - 7]
  const ids: string[] = []
  for (const dueAt of times) ids.push(await owe(database, { dueAt }))
  await owe(database, { dueAt: noon - 9, owner: me })
  const expected = [1, 5, 0, 2, 3].map(index => ids[index])
  const found = []
  let after = start
  for (;;) {
    const rows = await read(1, after, 2)
    found.push(...rows.map(row => row.webhookId))
    const last = rows.at(-1)
    if (!last) break
    after = last
  }
  assert.deepEqual(found, expected)
})

test('a row that is due between two milliseconds is read, and not read again', async () => {
  const { database } = world
  await owe(database, { dueAt: noon - 1000 })
  await database.query({ text: "update owed set due_at = due_at + interval '123456 microseconds'" })
  const [row] = await read(1)
  assert.ok(row)
  assert.deepEqual(await read(1, row), [])
})

test('several lanes are read at once, each with its own limit', async () => {
  const { database } = world
  for (let n = 0; n < 5; n++) await owe(database, { subscriptionIds: [1, 2, 3], dueAt: noon - n })
  const lanes = [
    { subscriptionId: 1, after: start, limit: 2 },
    { subscriptionId: 3, after: start, limit: 4 },
  ]
  const counts = Map.groupBy(await readDue(database, lanes, noon), row => row.subscriptionId)
  assert.deepEqual([counts.get(1)?.length, counts.get(2)?.length, counts.get(3)?.length], [2, undefined, 4])
})

test('what is read of a row is what was stored of it', async () => {
  const { database } = world
  const webhookId = await owe(database, { payload: Buffer.alloc(321), dueAt: noon })
  await database.query({
    text: `update owed set attempt = 7, replay_from = 6, replayed_at = $1, trigger = 'replay'`,
    values: [new Date(noon - 3)],
  })
  assert.deepEqual(await read(1), [
    {
      webhookId,
      subscriptionId: 1,
      attempt: 7,
      sizeBytes: 321,
      dueAt: noon,
      replayFrom: 6,
      replayedAt: noon - 3,
      trigger: 'replay',
      orderingKey: null,
    },
  ])
})

test('a lane that is released is due with its next row, or not at all', async () => {
  const { database } = world
  for (const id of [1, 2]) await aLane(database, id)
  await owe(database, { dueAt: noon })
  await leaseLanes(database, me, noon, 10)
  await database.query({ text: 'update lanes set owner = $1', values: [me] })
  await database.query({ text: 'update owed set due_at = $1', values: [new Date(noon + 70_000)] })
  await releaseLanes(database, me, [1, 2])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 70_000 })
  assert.deepEqual(await laneOf(database, 2), { owner: null, dueAt: null })
})

test('a lane that was lowered while it was leased keeps the time', async () => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  await leaseLanes(database, me, noon, 10)
  const later = await owe(database, { dueAt: noon + 10 })
  await database.query({ text: 'delete from owed where webhook_id <> $1', values: [later] })
  await releaseLanes(database, me, [1])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 10 })
})

const waitingForLock =
  "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

test('a writer that commits between the last read and the release is not missed', async () => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  await leaseLanes(database, me, noon, 10)
  await database.query({ text: 'delete from owed' })
  const event = anEvent()
  let releasing: Promise<number> | undefined
  await database.transaction(async tx => {
    await insertEvents(tx, [event], owedFor(event, null), noon + 10)
    assert.deepEqual(await read(1), [], 'the other connection does not see it yet')
    releasing = releaseLanes(database, me, [1])
    await eventually(
      () => database.query({ text: waitingForLock }),
      ({ rowCount }) => rowCount === 1,
    )
  })
  await releasing
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 10 })
})

test('a lane that another process holds is not released', async () => {
  const { database } = world
  await aLane(database, 1, 8)
  await releaseLanes(database, me, [1])
  assert.equal((await laneOf(database, 1))?.owner, 8)
})

test('contents are read wherever they are kept, byte for byte; what is gone is missing', async () => {
  const { database } = world
  const payload = Buffer.from([0, 1, 254, 255])
  const stored = await owe(database, { payload, eventType: null, contentType: 'x/y' })
  const carried = await owe(database, {
    payload: Buffer.from('carried'),
    metadata: { hops: 3, content_encoding: 'gzip' },
  })
  const both = await owe(database)
  const gone = anEvent().webhookId
  await database.query({
    text: 'insert into events_carried select * from events where webhook_id = any($1)',
    values: [[carried, both]],
  })
  await database.query({ text: 'delete from events where webhook_id = $1', values: [carried] })
  const contents = await readContents(database, [gone, stored, carried, both])
  assert.deepEqual([...contents.keys()].toSorted(), [stored, carried, both].toSorted())
  assert.deepEqual(contents.get(stored), {
    eventType: null,
    contentType: 'x/y',
    contentEncoding: null,
    payload,
    hops: 0,
    traceparent: null,
  })
  assert.equal(contents.get(carried)?.payload.toString(), 'carried')
  assert.equal(contents.get(carried)?.hops, 3)
  assert.equal(contents.get(carried)?.contentEncoding, 'gzip')
})

test('what is owed to a deleted subscription ends in the log, some rows at a time', async () => {
  const { database } = world
  for (let n = 0; n < 3; n++) await owe(database, { subscriptionIds: [1, 2] })
  await owe(database, { owner: 8 })
  assert.equal(await endWaitingIn(database, [1], 'the subscription was deleted', 2), 2)
  assert.equal(await endWaitingIn(database, [1], 'the subscription was deleted', 2), 1)
  assert.equal(await endWaitingIn(database, [1], 'the subscription was deleted', 2), 0)
  const attempts = await allAttempts(database)
  assert.equal(attempts.length, 3)
  for (const { subscriptionId, attempt, status, verdict, error } of attempts) {
    assert.deepEqual([subscriptionId, attempt, status, verdict], [1, 1, 'failed', 'cancelled'])
    assert.equal(error, 'the subscription was deleted')
  }
  const left = await allOwed(database)
  assert.deepEqual(
    left.map(row => [row.subscriptionId, row.owner]),
    [
      [2, null],
      [2, null],
      [2, null],
      [1, 8],
    ],
  )
})
