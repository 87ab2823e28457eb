import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { Lanes, type LanesDeps } from '../../src/lanes/lanes.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { type Logger, silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { recoverAll } from '../support/recover.ts'
import { aLane, allAttempts, allOwed, emptyAll, laneOf, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

/** Lanes that hand their deliveries to the test. */
function aWorld(t: TestContext, changes: Partial<LanesDeps> = {}) {
  const subscriptions = new Map<number, Subscription>([1, 2, 3].map(id => [id, aSubscription({ id })]))
  const clock = fakeClock(noon)
  const pushed: Delivery[] = []
  const handedBack: Delivery[] = []
  const room = { left: 10_000, refused: 0 }
  const lanes = new Lanes({
    keptMs: 0,
    connection: world.database,
    clock,
    logger: silentLogger(),
    membership: aMember({ id: me }),
    subscription: id => subscriptions.get(id),
    refreshSubscription: async id => subscriptions.has(id),
    sink: {
      reserve() {
        if (room.left === 0) {
          room.refused++
          return false
        }
        room.left--
        return true
      },
      release: () => {
        room.left++
      },
      push: delivery => pushed.push(delivery),
      takeWaiting: id => {
        const taken = pushed.filter(delivery => delivery.subscriptionId === id)
        for (const delivery of taken) pushed.splice(pushed.indexOf(delivery), 1)
        return taken
      },
    },
    statementMsMax: 5000,
    handBack: delivery => handedBack.push(delivery),
    ...changes,
  })
  t.after(() => lanes.stop())
  /** Settles what was pushed: it is owed no more, and leaves memory. */
  const settle = async (deliveries: readonly Delivery[]) => {
    const ids = deliveries.map(delivery => delivery.webhookId)
    await world.database.query({ text: 'delete from owed where webhook_id = any($1)', values: [ids] })
    for (const delivery of deliveries) delivery.lane?.left(delivery, true)
  }
  return { lanes, clock, pushed, handedBack, room, subscriptions, settle }
}

/** Long enough for a machine that has other things to do. */
const patienceMs = 30_000

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await isSo())) {
    if (performance.now() > end) assert.fail(`not so within ${patienceMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The next look by itself is later than any test waits. */
const onlyRung = { pollMs: 2 * patienceMs }

const isFree = async (id: number) => (await laneOf(world.database, id))?.owner === null

test('what is due is pushed in order of time, and the lane is given back when all of it has left', async t => {
  const { database } = world
  await aLane(database, 1)
  const late = await owe(database, { dueAt: noon - 1 })
  const early = await owe(database, { dueAt: noon - 5 })
  const future = await owe(database, { dueAt: noon + 60_000 })
  const { lanes, pushed, settle, room } = aWorld(t)
  lanes.start()
  await until('two are pushed', () => pushed.length === 2)
  assert.deepEqual(
    pushed.map(delivery => delivery.webhookId),
    [early, late],
  )
  assert.equal((await laneOf(database, 1))?.owner, me)
  await settle(pushed.splice(0))
  await until('the lane is free', () => isFree(1))
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 60_000 })
  assert.deepEqual(
    (await allOwed(database)).map(row => row.webhookId),
    [future],
  )
  assert.equal(room.left, 10_000)
  assert.equal(lanes.held, 0)
})

test('a delivery says how many attempts its run has made, and when it began', async t => {
  const { database } = world
  for (const id of [1, 2]) await aLane(database, id)
  const dueAt = noon
  await owe(database, { subscriptionIds: [1], dueAt })
  await owe(database, { subscriptionIds: [2], dueAt })
  await database.query({
    text: 'update owed set attempt = 9, replay_from = 7, replayed_at = $1 where subscription_id = 2',
    values: [new Date(noon - 5000)],
  })
  await database.query({ text: 'update owed set attempt = 3 where subscription_id = 1' })
  const { lanes, pushed } = aWorld(t)
  lanes.start()
  await until('both are pushed', () => pushed.length === 2)
  const facts = pushed
    .toSorted((a, b) => a.subscriptionId - b.subscriptionId)
    .map(({ attempt, attemptsBefore, since, content }) => ({ attempt, attemptsBefore, since, content }))
  assert.deepEqual(facts, [
    { attempt: 3, attemptsBefore: 2, since: noon, content: null },
    { attempt: 9, attemptsBefore: 2, since: noon - 5000, content: null },
  ])
})

test('a long lane is read piece by piece, each row once, and few of it are in memory', async t => {
  const { database } = world
  await aLane(database, 1)
  const subscriptionIds = [1]
  for (let n = 0; n < 900; n++) await owe(database, { subscriptionIds, dueAt: noon - (n % 7) })
  const { lanes, pushed, settle } = aWorld(t)
  const seen = new Set<string>()
  lanes.start()
  while (seen.size < 900) {
    await until('more is pushed', () => pushed.length > 0)
    assert.ok(pushed.length <= 400)
    const some = pushed.splice(0, 30)
    for (const { webhookId } of some) {
      assert.ok(!seen.has(webhookId), 'pushed twice')
      seen.add(webhookId)
    }
    await settle(some)
  }
  await until('the lane is free', () => isFree(1))
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: null })
})

test('where there is no room the rest waits in its lane, and comes when there is', async t => {
  const { database } = world
  await aLane(database, 1)
  for (let n = 0; n < 5; n++) await owe(database, { dueAt: noon - n })
  const { lanes, pushed, settle, room } = aWorld(t)
  room.left = 2
  lanes.start()
  await until('it is full', () => room.refused > 0)
  assert.equal(pushed.length, 2)
  const [first, second] = pushed.splice(0)
  assert.ok(first && second)
  await settle([first])
  await until('one more is pushed', () => pushed.length === 1)
  room.left = 10
  await settle([second, ...pushed.splice(0)])
  await until('the rest is pushed', () => pushed.length === 2)
})

test('a row that becomes due while its lane is held is found before the lane is given back', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const { lanes, clock, pushed, settle } = aWorld(t)
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  const later = await owe(database, { dueAt: noon - 100 })
  clock.advance(10)
  await settle(pushed.splice(0))
  await until('the other is pushed', () => pushed.length === 1)
  assert.equal(pushed[0]?.webhookId, later)
})

test('a bell finds at once what the next look would find later', async t => {
  const { database } = world
  await aLane(database, 1)
  await database.query({ text: 'update lanes set due_at = $1', values: [new Date(noon)] })
  const { lanes, pushed } = aWorld(t, onlyRung)
  lanes.start()
  await until('it was found empty', async () => (await laneOf(database, 1))?.dueAt === null)
  await owe(database, { dueAt: noon })
  lanes.ring(noon)
  await until('it is pushed', () => pushed.length === 1)
})

test('a bell that rings while a look is under way is not lost', async t => {
  const { database } = world
  await aLane(database, 1)
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  let looks = 0
  const connection: Queryable = {
    async query<Row extends object>(statement: Parameters<Queryable['query']>[0]) {
      const result = await database.query<Row>(statement)
      if (++looks === 1) await gate
      return result
    },
  }
  const { lanes, pushed } = aWorld(t, { connection, ...onlyRung })
  lanes.start()
  await until('the look has begun', () => looks === 1)
  await owe(database, { dueAt: noon })
  lanes.ring(noon)
  open()
  await until('it is pushed', () => pushed.length === 1)
})

test('a paused subscription is left alone, and what was read of it goes back', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const { lanes, pushed, subscriptions, handedBack, room } = aWorld(t)
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  const [fromLane] = pushed
  assert.ok(fromLane)
  pushed.push({ ...fromLane, lane: null })
  subscriptions.set(1, aSubscription({ paused: true }))
  await database.query({ text: 'update lanes set held = true' })
  lanes.interrupt(1)
  assert.equal(pushed.length, 0)
  assert.equal(handedBack.length, 1, 'the one that was born leased has a row of its own to give back')
  await until('the lane is free', () => isFree(1))
  assert.equal((await allOwed(database)).length, 1)
  assert.equal((await laneOf(database, 1))?.dueAt, noon)
  assert.equal(room.left, 10_000)
})

test('what is owed to a deleted subscription ends in the log, and its lane goes', async t => {
  const { database } = world
  await aLane(database, 99)
  for (let n = 0; n < 3; n++) await owe(database, { subscriptionIds: [99], dueAt: noon + n * 1_000_000 })
  const { lanes, pushed } = aWorld(t)
  lanes.start()
  await until('the lane is gone', async () => (await laneOf(database, 99)) === undefined)
  assert.deepEqual(await allOwed(database), [])
  assert.deepEqual(
    (await allAttempts(database)).map(row => row.verdict),
    ['cancelled', 'cancelled', 'cancelled'],
  )
  assert.equal(pushed.length, 0)
})

test('a subscription that exists but is not in memory loses nothing', async t => {
  const { database } = world
  await aLane(database, 98)
  await owe(database, { subscriptionIds: [98], dueAt: noon })
  let asked = 0
  const { lanes } = aWorld(t, {
    refreshSubscription: async () => {
      asked++
      return true
    },
  })
  lanes.start()
  await until('it was looked for', () => asked > 0)
  await lanes.stop()
  assert.equal((await allOwed(database)).length, 1)
  assert.deepEqual(await allAttempts(database), [])
})

test('an error of the database is survived', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  let failures = 3
  const connection: Queryable = {
    query: async statement => {
      if (failures-- > 0) throw new Error('away')
      return database.query(statement)
    },
  }
  const { lanes, pushed } = aWorld(t, { connection })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
})

/** A logger, and what it was warned of. */
function aLogger() {
  const warnings: string[] = []
  const logger = { ...silentLogger(), warn: (_fields: object, text: string) => warnings.push(text) }
  return { logger: logger as unknown as Logger, warnings } // nothing else of it is used
}

test('a process that was declared dead works on a lane again once it has forgotten what it held', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  let id = me
  const membership = aMember({
    get id() {
      return id
    },
  })
  const { logger, warnings } = aLogger()
  const { lanes, pushed, settle } = aWorld(t, { membership, logger })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  await recoverAll(database, me)
  id = me + 1
  lanes.forget()
  await database.query({ text: 'update lanes set due_at = $1', values: [new Date(noon)] })
  await until('the lane is leased under the new id', async () => (await laneOf(database, 1))?.owner === id)
  const [underWay] = pushed.splice(0)
  assert.ok(underWay)
  const next = await owe(database, { dueAt: noon })
  await settle([underWay])
  await until('the next is pushed', () => pushed.length === 1)
  assert.equal(pushed[0]?.webhookId, next)
  assert.deepEqual(warnings, [], 'it has heard of it')
})

test('a process that gives back a lane of another is warned, and changes nothing', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const { logger, warnings } = aLogger()
  const { lanes, pushed, settle } = aWorld(t, { logger })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  await database.query({ text: 'update lanes set owner = 8' })
  await settle(pushed.splice(0))
  await until('it is warned', () => warnings.length > 0)
  assert.match(warnings[0] ?? '', /not leased to this process any more/)
  assert.equal((await laneOf(database, 1))?.owner, 8)
})

test('a row that came into its lane due in the past is found within a minute, and told of', async t => {
  const { database } = world
  await aLane(database, 1)
  let monotonic = 0
  const { logger, warnings } = aLogger()
  const { lanes, pushed, clock } = aWorld(t, { logger, monotonicNow: () => monotonic })
  const makeDue = () =>
    database.query({ text: 'update lanes set due_at = $1', values: [new Date(clock.now())] })
  await makeDue()
  lanes.start()
  await until('it was found empty', async () => (await laneOf(database, 1))?.dueAt === null)
  await database.query({
    text: 'insert into owed (webhook_id, subscription_id, size_bytes, due_at) values (gen_random_uuid(), 1, 1, $1)',
    values: [new Date(noon - 3_600_000)],
  })
  monotonic += 60_000
  await makeDue()
  await until('it is pushed', () => pushed.length === 1)
  assert.deepEqual(warnings, [
    'a row came into its lane due in the past, where nobody looked for it: its attempt is late',
  ])
})

test('after stopping nothing more is leased', async t => {
  const { database } = world
  const { lanes, pushed } = aWorld(t)
  lanes.start()
  await lanes.stop()
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  lanes.ring(noon)
  // Those of another process, which look later, find what is due.
  const others = aWorld(t, { membership: aMember({ id: 8 }) })
  others.lanes.start()
  await until('it is pushed', () => others.pushed.length === 1)
  assert.equal(pushed.length, 0)
})

test('free lanes are looked for when it is time by the clock that it was given', async t => {
  const { database } = world
  const time = { now: 0, asked: 0 }
  const monotonicNow = () => {
    time.asked++
    return time.now
  }
  const { lanes, pushed } = aWorld(t, { pollMs: 1, monotonicNow })
  lanes.start()
  await until('it has looked', () => time.asked > 5)
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const { asked } = time
  await until('several rounds are over', () => time.asked > asked + 10)
  assert.equal(pushed.length, 0)
  time.now = 1
  await until('it is pushed', () => pushed.length === 1)
})

/** The database, noting which statements it is asked. */
function noting() {
  const asked: string[] = []
  const connection: Queryable = {
    query(statement) {
      asked.push(statement.name ?? statement.text)
      return world.database.query(statement)
    },
  }
  return { asked, connection }
}

test('a lane that was worked off is kept for a while where no other process delivers: what comes next is read, and no more', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const { asked, connection } = noting()
  const time = { now: 0 }
  const monotonicNow = () => time.now
  const { lanes, pushed, settle } = aWorld(t, { connection, ...onlyRung, keptMs: 1000, monotonicNow })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  const second = await owe(database, { dueAt: noon })
  lanes.ring(noon, 1) // while nothing is read, as the first one is in memory
  await settle(pushed.splice(0))
  await until('the second is pushed', () => pushed.length === 1)
  assert.equal(pushed[0]?.webhookId, second)
  time.now = 999
  await settle(pushed.splice(0))
  asked.splice(0)
  const third = await owe(database, { dueAt: noon })
  lanes.ring(noon, 1)
  await until('the third is pushed', () => pushed.length === 1)
  assert.equal(pushed[0]?.webhookId, third)
  assert.deepEqual(new Set(asked), new Set(['read_due']))
  assert.equal((await laneOf(database, 1))?.owner, me)
  await settle(pushed.splice(0))
  time.now = 1999
  lanes.ring(noon)
  await until('the lane is free', () => isFree(1))
})

test('a lane is given back as soon as it is worked off where others deliver, too', async t => {
  const { database } = world
  await aLane(database, 1)
  await owe(database, { dueAt: noon })
  const membership = aMember({ id: me, position: { count: 2, index: 0 } })
  const { lanes, pushed, settle } = aWorld(t, { membership, ...onlyRung, keptMs: 60_000 })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  await settle(pushed.splice(0))
  await until('the lane is free', () => isFree(1))
})

test('while a lane is kept others that become due are leased', async t => {
  const { database } = world
  for (const id of [1, 2]) await aLane(database, id)
  await owe(database, { dueAt: noon })
  const { lanes, pushed, settle } = aWorld(t, { ...onlyRung, keptMs: 60_000 })
  lanes.start()
  await until('it is pushed', () => pushed.length === 1)
  await settle(pushed.splice(0))
  const second = await owe(database, { subscriptionIds: [2], dueAt: noon })
  lanes.ring(noon, 2)
  await until('that of the other lane is pushed', () => pushed.length === 1)
  assert.equal(pushed[0]?.webhookId, second)
})

test('sixteen lanes are kept at most', async t => {
  const { database } = world
  const ids = Array.from({ length: 20 }, (_, n) => n + 1)
  for (const id of ids) await aLane(database, id)
  await owe(database, { subscriptionIds: ids, dueAt: noon })
  const { lanes, pushed, subscriptions, settle } = aWorld(t, { ...onlyRung, keptMs: 60_000 })
  for (const id of ids) subscriptions.set(id, aSubscription({ id }))
  lanes.start()
  await until('all are pushed', () => pushed.length === 20)
  await settle(pushed.splice(0))
  await until('four are free', () => lanes.held === 16)
})
