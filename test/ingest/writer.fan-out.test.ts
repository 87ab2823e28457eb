import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import type { EventRow, OwedRow } from '../../src/ingest/store.ts'
import { CommitUnknown, EventWriter, type Write, wideEventWriter } from '../../src/ingest/writer.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement, Transactional } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { GatedDatabase, hold } from '../support/gated-database.ts'
import { aHealth } from '../support/health.ts'
import { allOwed, anEvent, countEvents, emptyAll } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const settings = () => ({
  clock: fakeClock(),
  logger: silentLogger(),
  health: aHealth(),
  timeoutMs: 60_000,
  ensurePartitions: async () => {},
})

/** An event for many; `owner` says who holds what goes to each of them. */
function aWrite(to: readonly number[], owner: (id: number) => number | null = () => me): Write {
  const event: EventRow = anEvent({ subscriptionIds: to })
  const { webhookId } = event
  const owed: OwedRow[] = to.map(id => ({ webhookId, subscriptionId: id, sizeBytes: 2, owner: owner(id) }))
  return { event, owed }
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1)

test('a transaction takes events as long as they owe no more than a thousand rows, or a single one', async t => {
  const gate = new GatedDatabase(world.database)
  const rows: number[] = []
  const counting: Queryable = {
    async query<Row extends object>(statement: Statement) {
      const before = (await allOwed(world.database)).length
      const result = await gate.query<Row>(statement)
      rows.push((await allOwed(world.database)).length - before)
      return result
    },
  }
  const writer = new EventWriter({ ...settings(), connections: [counting] })
  t.after(() => writer.close())
  const open = hold(gate)
  const written = [writer.write(aWrite([1]))]
  await new Promise(resolve => setImmediate(resolve))
  for (const fanOut of [400, 400, 400, 900, 50, 50]) written.push(writer.write(aWrite(upTo(fanOut))))
  open()
  await Promise.all(written)
  assert.deepEqual(rows, [1, 800, 400, 1000])
  assert.equal(await countEvents(world.database), 7)
})

/** A connection that notes the statements of its transactions, and does something before each. */
function watched(database: Transactional, before: (n: number) => Promise<void> = async () => {}) {
  const texts: string[] = []
  const connection: Transactional = {
    query: statement => database.query(statement),
    transaction: work =>
      database.transaction(tx =>
        work({
          async query<Row extends object>(statement: Statement) {
            await before(texts.push(statement.text.trim()))
            return tx.query<Row>(statement)
          },
        }),
      ),
  }
  return { texts, connection }
}

function aWideWriter(t: TestContext, connection: Transactional) {
  const writer = wideEventWriter({ ...settings(), connections: [connection] })
  t.after(() => writer.close())
  return writer
}

test('an event for ten thousand is one commit of several statements', async t => {
  let seen = 0
  const { texts, connection } = watched(world.database, async () => {
    seen = Math.max(seen, await countEvents(world.database), (await allOwed(world.database)).length)
  })
  const write = aWrite(upTo(10_000))
  await aWideWriter(t, connection).write(write)
  assert.equal(texts.length, 11, 'the event, and ten times a thousand rows')
  assert.equal(seen, 0, 'nobody saw a part of it')
  const owed = await allOwed(world.database)
  assert.equal(owed.length, 10_000)
  assert.ok(owed.every(({ owner, dueAt }) => owner === me && dueAt === noon))
})

test('rows for lanes come after all others, in the order of their subscriptions', async t => {
  const { texts, connection } = watched(world.database)
  await world.database.query({
    text: 'insert into lanes (subscription_id) select generate_series(1, 3000)',
  })
  // Every other one finds no room in memory, and they come in the opposite order.
  await aWideWriter(t, connection).write(aWrite(upTo(3000).reverse(), id => (id % 2 === 0 ? me : null)))
  assert.equal(texts.length, 5)
  assert.deepEqual(
    texts.map(text => text.includes('lanes')),
    [false, false, false, true, true],
  )
  const { rows } = await world.database.query<{ id: number }>({
    text: 'select subscription_id as id from owed where owner is null order by ctid',
  })
  const waiting = upTo(3000).filter(id => id % 2 === 1)
  assert.deepEqual(
    rows.map(({ id }) => id),
    waiting,
  )
  const due = await world.database.query({ text: 'select from lanes where due_at is not null' })
  assert.equal(due.rowCount, 1500)
})

test('a connection that breaks in the midst leaves nothing, and whoever waits hears that it is not known', async t => {
  const connection = world.database.connection('fan-out')
  t.after(() => connection.close())
  const { rows } = await connection.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  const { connection: breaking } = watched(connection, async n => {
    if (n === 4)
      await world.database.query({ text: 'select pg_terminate_backend($1)', values: [rows[0]?.pid] })
  })
  const writer = aWideWriter(t, breaking)
  await assert.rejects(writer.write(aWrite(upTo(5000))), error => error instanceof CommitUnknown)
  assert.equal(await countEvents(world.database), 0)
  assert.deepEqual(await allOwed(world.database), [])
  await writer.write(aWrite(upTo(2000)))
  assert.equal((await allOwed(world.database)).length, 2000, 'the next one is written')
})

test('a wide event that the database refuses is refused by itself, and the one behind it is written', async t => {
  const writer = aWideWriter(t, world.database)
  const bad = aWrite(upTo(2000))
  const results = await Promise.allSettled([
    writer.write({ ...bad, event: { ...bad.event, contentType: 'a\u0000b' } }),
    writer.write(aWrite(upTo(2000))),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  )
  assert.equal((await allOwed(world.database)).length, 2000)
})
