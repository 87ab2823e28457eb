import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { Lanes } from '../../src/lanes/lanes.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { type Uuid, uuidTime } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aMember } from '../support/member.ts'
import { aLane, allOwed, emptyAll, laneOf, newId, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

/** What is just accepted, as the handover gives it. */
function fresh(webhookId: Uuid, changes: Partial<Delivery> = {}): Delivery {
  return {
    ...{
      webhookId,
      subscriptionId: 1,
      attempt: 1,
      attemptsBefore: 0,
      since: noon,
      sizeBytes: 7,
      dueAt: noon,
    },
    content: { eventType: null, contentType: 'text/plain', payload: Buffer.from('payload') },
    lane: null,
    ...changes,
  }
}

/** Lanes that are kept, of a process whose attempts end when the test says so. */
async function aProcess(t: TestContext, keptMs = 60_000) {
  const { database } = world
  const clock = fakeClock(noon)
  const state = { opensAt: 0, isSure: true, now: 0, subscription: aSubscription({ id: 1 }) }
  const pushed: Delivery[] = []
  const asked = new Set<string>()
  const reads = { count: 0, hold: undefined as Promise<void> | undefined }
  const release = { isUnderWay: false, hold: undefined as Promise<void> | undefined }
  const connection: Queryable = {
    async query<Row extends object>(statement: Statement) {
      if (statement.name === 'release_lanes') {
        release.isUnderWay = true
        await release.hold
      }
      const answer = await database.query<Row>(statement)
      if (statement.name !== 'read_due') return answer
      reads.count++
      await reads.hold
      return answer
    },
  }
  const lanes = new Lanes({
    ...{ connection, clock, keptMs, pollMs: 60_000 },
    logger: silentLogger(),
    monotonicNow: () => state.now,
    membership: aMember({
      id: me,
      get isSure() {
        return state.isSure
      },
    }),
    subscription: () => state.subscription,
    refreshSubscription: async () => true,
    sink: {
      reserve: () => true,
      release: () => {},
      push: delivery => void pushed.push(delivery),
      takeWaiting: () => pushed.splice(0),
    },
    statementMsMax: 5000,
    handBack: () => {},
    rates: { opensAt: () => state.opensAt, fullAt: () => noon, goOn: () => {} },
    isRecent: id => !asked.has(id),
  })
  t.after(() => lanes.stop())
  const settle = async (delivery: Delivery) => {
    await database.query({ text: 'delete from owed where webhook_id = $1', values: [delivery.webhookId] })
    delivery.lane?.left(delivery, true)
  }
  await aLane(database, 1)
  await owe(database, {})
  lanes.start()
  await eventually(() => pushed.length === 1)
  const first = pushed.splice(0)
  /** The lane is worked off, and kept. */
  const workOff = async () => {
    for (const delivery of first) await settle(delivery)
    await eventually(() => reads.count === 1)
  }
  /** Rings, and waits until the lane was read. */
  const read = async () => {
    const { count } = reads
    lanes.ring(noon, 1)
    await eventually(() => reads.count > count)
  }
  return { lanes, clock, state, pushed, asked, reads, release, settle, workOff, read, first }
}

const isLeased = async () => (await laneOf(world.database, 1))?.owner === me

test('what comes into a lane that is worked off is sent without a read, and is not sent again by the next one', async t => {
  const { lanes, pushed, reads, workOff, read, settle } = await aProcess(t)
  await workOff()
  const id = await owe(world.database, { dueAt: noon })
  assert.equal(lanes.takeFresh(fresh(id)), true)
  assert.equal(reads.count, 1, 'no read')
  const [taken] = pushed
  assert.deepEqual([taken?.webhookId, taken?.content, taken?.isUnread], [id, null, true])
  const other = await owe(world.database, { dueAt: noon })
  await read()
  await eventually(() => pushed.length === 2)
  assert.deepEqual(
    pushed.map(({ webhookId }) => webhookId),
    [id, other],
  )
  for (const delivery of pushed.splice(0)) await settle(delivery)
  await read()
  assert.deepEqual([pushed, await allOwed(world.database)], [[], []])
})

test('while a lane is given back nothing is sent without a read: another process may have leased it', async t => {
  const { lanes, release, pushed, workOff } = await aProcess(t, 0)
  const { promise, resolve } = Promise.withResolvers<void>()
  release.hold = promise
  await workOff()
  await eventually(() => release.isUnderWay)
  const id = await owe(world.database, { dueAt: noon })
  const isTaken = lanes.takeFresh(fresh(id))
  resolve()
  assert.equal(isTaken, false)
  assert.deepEqual(pushed, [])
  await eventually(async () => !(await isLeased()))
})

test('what has left memory while a read is under way is not sent again, though that read has found it', async t => {
  const { lanes, pushed, reads, workOff, settle } = await aProcess(t)
  await workOff()
  const id = await owe(world.database, { dueAt: noon })
  lanes.takeFresh(fresh(id))
  const { promise, resolve } = Promise.withResolvers<void>()
  reads.hold = promise
  lanes.ring(noon, 1)
  await eventually(() => reads.count === 2)
  for (const delivery of pushed.splice(0)) await settle(delivery)
  const later = await owe(world.database, { dueAt: noon })
  resolve()
  lanes.ring(noon, 1)
  await eventually(() => pushed.length > 0)
  assert.deepEqual(
    pushed.map(({ webhookId }) => webhookId),
    [later],
  )
})

test('a row that was read before its commit was heard of is sent once', async t => {
  const { lanes, pushed, asked, workOff, read, settle } = await aProcess(t)
  await workOff()
  const id = await owe(world.database, { dueAt: noon })
  await read()
  await eventually(() => pushed.length === 1)
  assert.equal(lanes.takeFresh(fresh(id)), true, 'in memory already')
  assert.equal(pushed.length, 1)
  asked.add(id) // its attempt began
  for (const delivery of pushed.splice(0)) await settle(delivery)
  assert.equal(lanes.takeFresh(fresh(id)), false)
  assert.deepEqual(pushed, [])
})

const kept = {
  'the lane is not leased': ({ lanes }) => lanes.interrupt(1),
  'the subscription is paused': ({ state }) => to(state, { paused: true }),
  'its order counts': ({ state }) => to(state, { ordered: true }),
  'it orders by key': ({ state }) => to(state, { orderingKey: aKey }),
  'the rate is used up, or the receiver paused': ({ state }) => Object.assign(state, { opensAt: noon + 1 }),
  'the process may have been declared dead': ({ state }) => Object.assign(state, { isSure: false }),
  'its content is not in memory': ({ asked }, id) => void asked.add(id),
} as const satisfies Record<string, (process: Awaited<ReturnType<typeof aProcess>>, id: Uuid) => void>

const aKey = { from: 'subject' } as const

function to(state: { subscription: Subscription }, changes: Partial<Subscription>): void {
  state.subscription = aSubscription({ id: 1, ...changes })
}

for (const [why, change] of Object.entries(kept)) {
  test(`what is to be read from its lane is not taken: ${why}`, async t => {
    const process = await aProcess(t)
    await process.workOff()
    const id = newId()
    assert.equal(process.lanes.takeFresh(fresh(newId())), true)
    change(process, id)
    assert.equal(process.lanes.takeFresh(fresh(id)), false)
  })
}

test('what is scheduled, has a key or goes to many is not taken', async t => {
  const { lanes, workOff } = await aProcess(t)
  await workOff()
  const changes = [{ dueAt: noon + 1 }, { orderingKey: 'a' }, { shared: { holders: 2 } }]
  assert.deepEqual(
    changes.map(change => lanes.takeFresh(fresh(newId(), change))),
    [false, false, false],
  )
})

test('while more waits in a lane than was read, what comes in waits behind it', async t => {
  const { lanes, workOff, read, pushed, settle } = await aProcess(t)
  await workOff()
  for (let n = 0; n < 60; n++) await owe(world.database, { dueAt: noon })
  await read()
  await eventually(() => pushed.length >= 50)
  const id = await owe(world.database, { dueAt: noon })
  assert.equal(lanes.takeFresh(fresh(id)), false)
  const sent: string[] = []
  while (sent.length < 61) {
    await eventually(() => pushed.length > 0)
    for (const delivery of pushed.splice(0)) {
      sent.push(delivery.webhookId)
      await settle(delivery)
    }
  }
  assert.equal(new Set(sent).size, 61)
  await eventually(() => lanes.takeFresh(fresh(newId())))
})

test('a lane is given back only when what came without a read has left memory: else it would be sent twice', async t => {
  const { lanes, pushed, first, reads, read, settle } = await aProcess(t, 0)
  const id = await owe(world.database, { dueAt: noon })
  assert.equal(lanes.takeFresh(fresh(id)), true)
  for (const delivery of first) await settle(delivery)
  await eventually(() => reads.count === 2)
  await read()
  await read()
  assert.equal(await isLeased(), true)
  assert.equal(pushed.length, 1, 'it was not given back and leased again, which would send it twice')
  for (const delivery of pushed.splice(0)) await settle(delivery)
  await read()
  await eventually(async () => !(await isLeased()))
})

test('a run of what came without a read began when it was accepted', async t => {
  const { lanes, pushed, workOff } = await aProcess(t)
  await workOff()
  const id = newId()
  lanes.takeFresh(fresh(id, { since: uuidTime(id) }))
  assert.deepEqual(
    pushed.map(({ since, attempt, attemptsBefore }) => [since, attempt, attemptsBefore]),
    [[uuidTime(id), 1, 0]],
  )
})
