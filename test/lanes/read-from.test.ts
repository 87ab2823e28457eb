import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import pg from 'pg'
import { insertEvents } from '../../src/ingest/store.ts'
import { Lanes } from '../../src/lanes/lanes.ts'
import { ReadFrom } from '../../src/lanes/read-from.ts'
import { repair } from '../../src/lanes/repair.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { recoverAll } from '../support/recover.ts'
import { aLane, allOwed, anEvent, emptyAll, laneOf, owe, owedFor } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase({ poolSize: 6 })
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

/** Statements of an inserter are short here, so that a second look comes soon. A mark is older by 5 s and this. */
const statementMsMax = 50

interface Process {
  readonly clock: Clock
  readonly owner?: number
  readonly monotonicNow?: () => number
  readonly connection?: Queryable
}

/** Lanes of a process whose receivers answer at once: what it sends is settled, and leaves memory. */
function aProcess(t: TestContext, process: Process) {
  const { clock, owner = 7, monotonicNow = () => performance.now(), connection = world.database } = process
  const sent: string[] = []
  const settle = async (delivery: Delivery) => {
    const { webhookId } = delivery
    await world.database.query({ text: 'delete from owed where webhook_id = $1', values: [webhookId] })
    sent.push(webhookId)
    delivery.lane?.left(delivery, true)
  }
  const lanes = new Lanes({
    keptMs: 0,
    connection,
    clock,
    monotonicNow,
    logger: silentLogger(),
    membership: aMember({ id: owner }),
    subscription: id => aSubscription({ id }),
    refreshSubscription: async () => true,
    sink: {
      reserve: () => true,
      release: () => {},
      push: delivery => void settle(delivery),
      takeWaiting: () => [],
    },
    statementMsMax,
    handBack: () => {},
  })
  t.after(() => lanes.stop())
  lanes.start()
  return { lanes, sent }
}

const lane = () => laneOf(world.database, 1)

/** The lane was looked through, and given back as empty. */
async function emptied(): Promise<void> {
  await eventually(lane, stored => stored?.owner === null && stored.dueAt === null)
}

function isSent(sent: readonly string[], webhookId: string): Promise<unknown> {
  return eventually(
    async () => sent,
    ids => ids.includes(webhookId),
  )
}

async function makeDue(at: number): Promise<void> {
  await world.database.query({ text: 'update lanes set due_at = $1', values: [new Date(at)] })
}

/** A row that its lane is not told of. */
async function slipIn(dueAt: number): Promise<string> {
  const event = anEvent()
  await world.database.query({
    text: 'insert into owed (webhook_id, subscription_id, size_bytes, due_at) values ($1, 1, 1, $2)',
    values: [event.webhookId, new Date(dueAt)],
  })
  return event.webhookId
}

test('what was settled long ago costs nothing, though an open transaction keeps it from being removed', async t => {
  const { database } = world
  const reader = new pg.Client(world.connection)
  await reader.connect()
  t.after(() => reader.end())
  await reader.query('begin isolation level repeatable read; select from owed')
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at)
           select gen_random_uuid(), 1, 1, $1::timestamptz - n * interval '20 ms' from generate_series(1000, 20000) n`,
    values: [new Date(noon)],
  })
  await database.query({ text: 'delete from owed' })
  const seen: { readonly name: string | undefined; readonly pages: number }[] = []
  const connection: Queryable = {
    async query<Row extends object>(statement: Statement) {
      if (/^(read_due|release_lanes|wake_owing)$/.test(statement.name ?? '')) {
        seen.push({ name: statement.name, pages: await pagesOf(statement) })
      }
      return database.query<Row>(statement)
    },
  }
  await aLane(database, 1)
  await makeDue(noon)
  const { sent } = aProcess(t, { clock: fakeClock(), connection })
  await eventually(
    async () => seen.map(({ name }) => name),
    names => names.includes('wake_owing'),
  )
  const webhookId = await owe(database, { dueAt: noon })
  await isSent(sent, webhookId)
  await emptied()
  const [first, ...later] = seen
  assert.ok(
    first && first.name === 'read_due' && first.pages > 150,
    'the first look is from the very beginning',
  )
  assert.ok(later.filter(({ name }) => name === 'read_due').length >= 2)
  for (const { name, pages } of later) assert.ok(pages < 40, `${name} touched ${pages} pages, not a few`)
})

/** Pages that a statement touches; it is rolled back. */
async function pagesOf({ text, values }: Statement): Promise<number> {
  const client = new pg.Client(world.connection)
  await client.connect()
  try {
    await client.query(`begin; ${fixedPlans}`)
    const explain = `explain (analyze, buffers, format json) ${text}`
    const { rows } = await client.query(explain, values as unknown[])
    return (
      rows[0]['QUERY PLAN'][0].Plan['Shared Hit Blocks'] + rows[0]['QUERY PLAN'][0].Plan['Shared Read Blocks']
    )
  } finally {
    await client.end()
  }
}

test('a row that is committed after its lane was found empty is found, though its time was over by then', async t => {
  const { database } = world
  const clock = fakeClock()
  await aLane(database, 1)
  await makeDue(noon - 1)
  const event = anEvent()
  let sent: readonly string[] = []
  await database.transaction(async tx => {
    await insertEvents(tx, [event], owedFor(event, null), noon) // leaves the lane alone, which is due already
    clock.advance(4000)
    ;({ sent } = aProcess(t, { clock }))
    await emptied()
  })
  await isSent(sent, event.webhookId)
})

test('a clock that jumps ahead and back again hides nothing', async t => {
  const { database } = world
  const clock = fakeClock(noon + hourMs)
  await aLane(database, 1)
  await makeDue(noon)
  const { sent } = aProcess(t, { clock })
  await emptied()
  clock.set(noon)
  const webhookId = await slipIn(noon - 60_000)
  await makeDue(noon)
  await isSent(sent, webhookId)
})

test('a row that comes in behind a mark is found when the lane is due since then', async t => {
  const { database } = world
  await aLane(database, 1)
  await makeDue(noon)
  const { sent } = aProcess(t, { clock: fakeClock(noon + hourMs) })
  await emptied()
  const webhookId = await owe(database, { dueAt: noon }) // by a process whose clock is an hour behind
  await isSent(sent, webhookId)
})

test('a row that comes in behind a mark, and of which its lane knows nothing, is found by the repair', async t => {
  const { database } = world
  await aLane(database, 1)
  await makeDue(noon)
  const clock = fakeClock(noon + hourMs)
  const { sent } = aProcess(t, { clock })
  await emptied()
  const webhookId = await slipIn(noon)
  await repair({ database, clock, logger: silentLogger() }, new AbortController().signal)
  await isSent(sent, webhookId)
})

test('a lane that is always due is looked through from its beginning once a minute', async t => {
  const { database } = world
  const clock = fakeClock(noon + hourMs)
  let laterMs = 0
  await aLane(database, 1)
  await makeDue(clock.now())
  const { sent } = aProcess(t, { clock, monotonicNow: () => performance.now() + laterMs })
  await emptied()
  const hidden = await slipIn(noon)
  const next = await owe(database, { dueAt: clock.now() })
  await isSent(sent, next)
  await emptied()
  assert.ok(!sent.includes(hidden), 'it lies behind the mark')
  laterMs = 60_000
  await makeDue(clock.now())
  await isSent(sent, hidden)
})

test('what a dead process held is found at once, however long ago it was accepted', async t => {
  const { database } = world
  const clock = fakeClock(Date.now())
  await aLane(database, 1)
  const held = await owe(database, { owner: 404, dueAt: clock.now() - hourMs })
  await makeDue(clock.now())
  const { sent } = aProcess(t, { clock })
  await emptied()
  clock.advance(60_000)
  await recoverAll(database, 404)
  await isSent(sent, held)
})

test('two processes that work on one lane in turn lose nothing and send nothing twice', async t => {
  const { database } = world
  const clock: Clock = { now: () => Date.now() }
  await aLane(database, 1)
  const processes = [7, 8].map(owner => aProcess(t, { clock, owner }))
  const newId = uuidV7Source(clock)
  const events = Array.from({ length: 120 }, () => anEvent({ webhookId: newId() }))
  const insert = async (event: (typeof events)[number], slowMs: number) => {
    await database.transaction(async tx => {
      await insertEvents(tx, [event], owedFor(event, null), clock.now())
      await new Promise(resolve => setTimeout(resolve, slowMs))
    })
    processes[slowMs % 2]?.lanes.ring(clock.now())
  }
  for (const [n, event] of events.entries()) await insert(event, n % 20)
  await eventually(
    () => allOwed(database),
    rows => rows.length === 0,
  )
  await emptied()
  for (const { sent } of processes) assert.ok(sent.length > 5, 'both have worked on it')
  assert.deepEqual(
    processes.flatMap(({ sent }) => sent).toSorted(),
    events.map(({ webhookId }) => webhookId).toSorted(),
  )
})

test('a mark is never past what waits, nor past what may be on its way', () => {
  const clock = fakeClock()
  const marks = new ReadFrom({ clock, statementMsMax: 5000, monotonicNow: () => 0 })
  const begin = marks.startOf(1)
  assert.equal(begin.dueAt, 0)
  marks.found(1, begin, undefined, noon)
  assert.equal(marks.of(1), noon - 10_000)
  marks.found(1, marks.startOf(1), noon - 1, noon)
  assert.equal(marks.of(1), noon - 10_000)
  marks.found(1, marks.startOf(1), noon - 12_345.678, noon)
  assert.equal(marks.of(1), noon - 12_346)
  assert.equal(marks.of(2), 0)
  clock.set(noon - 1)
  assert.equal(marks.of(1), 0, 'the clock has gone back')
})

test('a lane whose lease was not heard of is looked through from its beginning', () => {
  const marks = new ReadFrom({ clock: fakeClock(), statementMsMax: 5000, monotonicNow: () => 0 })
  const read = () => marks.found(1, marks.startOf(1), undefined, noon)
  read()
  marks.leased(1, noon - 10_000)
  assert.equal(marks.startOf(1).dueAt, noon - 10_000)
  marks.leased(1, noon - 10_001)
  assert.equal(marks.startOf(1).dueAt, 0)
  read()
  marks.leased(1, undefined)
  assert.equal(marks.startOf(1).dueAt, 0)
})

test('lanes are remembered up to a number, and those used last', () => {
  const marks = new ReadFrom({ clock: fakeClock(), statementMsMax: 5000, monotonicNow: () => 0 })
  const read = (id: number) => marks.found(id, marks.startOf(id), undefined, noon)
  read(1)
  read(2)
  for (let id = 3; id <= 50_000; id++) read(id)
  read(1)
  read(50_001)
  assert.deepEqual([marks.of(1) > 0, marks.of(2) > 0, marks.of(3) > 0], [true, false, true])
})
