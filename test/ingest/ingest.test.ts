import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { EventWriter } from '../../src/ingest/writer.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aHealth } from '../support/health.ts'
import { aMember } from '../support/member.ts'
import { anOwnMemory, commitMsMax } from '../support/own-memory.ts'
import { aLane, allOwed, countEvents, emptyAll, laneOf, newId } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

function aWorld(
  t: TestContext,
  heldPerSubscription = 100,
  connection: Queryable = world.database,
  membership = aMember({ id: me }),
) {
  const { clock, started, rung, dispatcher, leasedRows, ownMemory } = anOwnMemory(
    world.database,
    membership,
    {
      heldPerSubscription,
    },
  )
  const writer = new EventWriter({
    connections: [connection],
    clock,
    logger: silentLogger(),
    health: aHealth(),
    timeoutMs: 5000,
    ensurePartitions: async () => {},
  })
  t.after(() => writer.close())
  const ingest = new Ingest({ clock, newId, writer, handover: ownMemory })
  return { ingest, clock, dispatcher, leasedRows, started, rung }
}

function anIncoming(...subscriptions: readonly Subscription[]) {
  const payload = Buffer.from('{"a": 1}')
  return { tenant: 'default', eventType: 'x', contentType: 'application/json', payload, subscriptions }
}

test('a fresh delivery is born leased, and starts once the event is committed', async t => {
  const { ingest, started, rung, dispatcher } = aWorld(t)
  const event = anIncoming(aSubscription())
  const accepting = ingest.accept(event)
  assert.equal(started.length, 0)
  const webhookId = await accepting
  assert.equal(await countEvents(world.database), 1)
  assert.deepEqual(await allOwed(world.database), [
    { webhookId, subscriptionId: 1, attempt: 1, owner: me, dueAt: noon },
  ])
  const [delivery] = started
  assert.equal(delivery?.webhookId, webhookId)
  assert.equal(delivery?.content?.payload, event.payload)
  assert.deepEqual([delivery?.attempt, delivery?.attemptsBefore, delivery?.since], [1, 0, noon])
  assert.deepEqual(rung, [])
  assert.equal(dispatcher.load.held, 1)
})

test('a delivery whose process was declared dead while its row was written is not sent by it', async t => {
  let owner = me
  const slow: Queryable = {
    async query<Row extends object>(statement: Statement) {
      const result = await world.database.query<Row>(statement)
      owner = me + 1 // it goes on under another id
      return result
    },
  }
  const membership = aMember({
    get id() {
      return owner
    },
  })
  const { ingest, started, dispatcher } = aWorld(t, 100, slow, membership)
  await ingest.accept(anIncoming(aSubscription()))
  assert.deepEqual(
    (await allOwed(world.database)).map(row => row.owner),
    [me],
  )
  assert.deepEqual(started, [])
  assert.equal(dispatcher.load.held, 0)
})

test('what finds no room goes to its lane, and a bell rings', async t => {
  await aLane(world.database, 1)
  const { ingest, started, rung } = aWorld(t, 1)
  await ingest.accept(anIncoming(aSubscription()))
  await ingest.accept(anIncoming(aSubscription()))
  assert.deepEqual(
    (await allOwed(world.database)).map(row => row.owner),
    [me, null],
  )
  assert.equal(started.length, 1)
  assert.deepEqual(rung, [noon])
  assert.equal((await laneOf(world.database, 1))?.dueAt, noon)
})

test('what is for a paused subscription waits in its lane', async t => {
  const { ingest, started, dispatcher } = aWorld(t)
  await ingest.accept(anIncoming(aSubscription({ paused: true }), aSubscription({ id: 2 })))
  assert.deepEqual(
    (await allOwed(world.database)).map(row => [row.subscriptionId, row.owner]),
    [
      [1, null],
      [2, me],
    ],
  )
  assert.equal(started.length, 1)
  assert.equal(dispatcher.load.held, 1)
})

test('an event that cannot be stored takes no room and starts nothing', async t => {
  const away = { query: () => Promise.reject(new AppError('database_unavailable', 'away')) }
  const { ingest, dispatcher, started } = aWorld(t, 100, away)
  await assert.rejects(ingest.accept(anIncoming(aSubscription(), aSubscription({ id: 2 }))), /away/)
  assert.deepEqual(dispatcher.load, { held: 0, heldBytes: 0, inFlight: 0 })
  assert.deepEqual(started, [])
})

test('an event that was stored though nobody heard of it takes no room, and goes to its lane', async t => {
  const losesAnswers: Queryable = {
    async query(statement) {
      await world.database.query(statement)
      throw new AppError('database_unavailable', 'the answer is lost')
    },
  }
  const { ingest, clock, dispatcher, leasedRows, started } = aWorld(t, 100, losesAnswers)
  await assert.rejects(ingest.accept(anIncoming(aSubscription())), /the answer is lost/)
  assert.equal(dispatcher.load.held, 0)
  assert.deepEqual(
    (await allOwed(world.database)).map(row => row.owner),
    [me],
  )
  clock.advance(commitMsMax + 2001)
  assert.equal(await leasedRows.look(), 1)
  assert.equal((await allOwed(world.database))[0]?.owner, null)
  assert.deepEqual(started, [])
})

test('nothing is accepted after closing', async t => {
  const { ingest } = aWorld(t)
  ingest.close()
  await assert.rejects(
    ingest.accept(anIncoming(aSubscription())),
    error => error instanceof AppError && error.code === 'shutting_down',
  )
  assert.equal(await countEvents(world.database), 0)
})

test('a process that may have been declared dead keeps nothing in memory: its events go to their lanes', async t => {
  const { ingest, started, rung } = aWorld(t, 100, world.database, aMember({ isSure: false }))
  await ingest.accept(anIncoming(aSubscription({ id: 1 })))
  assert.equal((await allOwed(world.database))[0]?.owner, null)
  assert.deepEqual(started, [])
  assert.equal(rung.length, 1)
})
