import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { RecentContents } from '../../src/deliver/recent-contents.ts'
import { AppError } from '../../src/errors.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { EventWriter, wideEventWriter } from '../../src/ingest/writer.ts'
import type { Uuid } from '../../src/platform/id.ts'
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
  const deps = {
    ...{ clock, logger: silentLogger(), health: aHealth(), timeoutMs: 5000 },
    ensurePartitions: async () => {},
  }
  const writer = new EventWriter({ ...deps, connections: [connection] })
  const wideWriter = wideEventWriter({ ...deps, connections: [world.database] })
  t.after(() => Promise.all([writer.close(), wideWriter.close()]))
  const recentContents = new RecentContents()
  const writers = { writer, wideWriter, writerInOrder: writer }
  const ingest = new Ingest({ clock, newId, ...writers, handover: ownMemory, recentContents })
  return { ingest, clock, dispatcher, leasedRows, ownMemory, started, rung, recentContents }
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
  const { webhookId } = await accepting
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

test('the content of what waits in its lane is remembered before it is written, unless it is due later', async t => {
  await aLane(world.database, 1)
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const slow: Queryable = {
    async query<Row extends object>(statement: Statement) {
      await gate
      return world.database.query<Row>(statement)
    },
  }
  const remembered: Uuid[] = []
  const { ingest, recentContents } = aWorld(t, 1, slow)
  const remember = t.mock.method(recentContents, 'remember', (id: Uuid) => remembered.push(id))
  const published = { channels: [], eventId: null, deliverAt: noon + 60_000, metadata: null }
  const accepting = [
    ingest.accept(anIncoming(aSubscription())), // held in memory
    ingest.accept(anIncoming(aSubscription())),
    ingest.accept({ ...anIncoming(aSubscription()), published }),
  ]
  assert.equal(remember.mock.callCount(), 1)
  open()
  const [, waiting] = await Promise.all(accepting)
  assert.deepEqual(remembered, [waiting?.webhookId])
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

test('an event for many is one commit, and is handed over a hundred at a time, so that others get their turn', async t => {
  const { ingest, ownMemory, clock } = aWorld(t)
  const commit = t.mock.method(ownMemory, 'commit')
  const perTurn: number[] = []
  let turns: NodeJS.Immediate | undefined
  const look = () => {
    const calls = commit.mock.callCount()
    if (calls > 0) perTurn.push(calls - perTurn.reduce((sum, n) => sum + n, 0))
    turns = setImmediate(look)
  }
  look()
  const subscriptions = Array.from({ length: 1500 }, (_, n) => aSubscription({ id: n + 1 }))
  const { webhookId } = await ingest.accept(anIncoming(...subscriptions))
  clearImmediate(turns)
  const owed = await allOwed(world.database)
  assert.equal(owed.length, 1500)
  assert.ok(owed.every(row => row.webhookId === webhookId && row.dueAt === clock.now()))
  assert.equal(commit.mock.callCount(), 1500)
  assert.ok(Math.max(...perTurn) <= 200, `${perTurn} in one turn`)
})

test('the payload of an event for many is in memory once, and counted once', async t => {
  const { ingest, started, dispatcher } = aWorld(t)
  const event = anIncoming(...[1, 2, 3].map(id => aSubscription({ id })))
  await ingest.accept(event)
  assert.deepEqual(
    started.map(({ content }) => content?.payload),
    [event.payload, event.payload, event.payload],
  )
  assert.ok(started.every(({ content }) => content?.payload === event.payload))
  assert.deepEqual([dispatcher.load.held, dispatcher.load.heldBytes], [3, event.payload.length])
})

test('an event for many that cannot be written leaves no memory taken', async t => {
  const { ingest, dispatcher } = aWorld(t)
  const event = anIncoming(...[1, 2, 3].map(id => aSubscription({ id })))
  await assert.rejects(ingest.accept({ ...event, contentType: 'a\u0000b' }))
  assert.deepEqual([dispatcher.load.held, dispatcher.load.heldBytes], [0, 0])
})

test('a scheduled event waits in its lanes until its time, where its run begins', async t => {
  const { ingest, started, rung, dispatcher } = aWorld(t)
  await aLane(world.database, 1)
  const deliverAt = noon + 3_600_000
  const published = { channels: ['a', 'b'], eventId: 'mine', deliverAt, metadata: { region: 'eu' } }
  const { webhookId } = await ingest.accept({ ...anIncoming(aSubscription()), published })
  assert.deepEqual(await allOwed(world.database), [
    { webhookId, subscriptionId: 1, attempt: 1, owner: null, dueAt: deliverAt },
  ])
  assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: deliverAt })
  assert.deepEqual([started.length, dispatcher.load.held, rung], [0, 0, [deliverAt]])
  const { rows } = await world.database.query({
    text: `select channels, event_id, deliver_at, metadata, replayed_at, replay_from
           from events join owed using (webhook_id)`,
  })
  assert.deepEqual(rows, [
    {
      channels: ['a', 'b'],
      event_id: 'mine',
      deliver_at: new Date(deliverAt),
      metadata: { given: { region: 'eu' } },
      replayed_at: new Date(deliverAt),
      replay_from: null,
    },
  ])
})
