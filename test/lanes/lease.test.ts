import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { Lanes } from '../../src/lanes/lanes.ts'
import { LaneLeases, leasesMax } from '../../src/lanes/lease.ts'
import { releaseLanes } from '../../src/lanes/store.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { emptyAll, laneOf } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

/** Lanes from..to that have owed one delivery each for a while. */
async function dueLanes(from: number, to: number, dueAt: number): Promise<void> {
  await world.database.query({
    text: `
      with l as (insert into lanes (subscription_id, due_at) select n, $3 from generate_series($1::int, $2) n)
      insert into owed (webhook_id, subscription_id, size_bytes, due_at)
      select gen_random_uuid(), n, 10, $3 from generate_series($1::int, $2) n`,
    values: [from, to, new Date(dueAt)],
  })
}

/** Lanes whose receivers all hang: nothing that was pushed ever begins, or leaves by itself. */
function aWorldThatHangs(t: TestContext) {
  const pushed = new Map<number, Delivery[]>()
  const seen = new Set<number>()
  const start = performance.now()
  const clock = { now: () => Math.floor(noon + performance.now() - start), steer: () => {} }
  const lanes = new Lanes({
    keptMs: 0,
    connection: world.database,
    clock,
    logger: silentLogger(),
    membership: aMember({ id: me }),
    subscription: id => aSubscription({ id }),
    refreshSubscription: async () => true,
    sink: {
      reserve: () => true,
      release: () => {},
      push(delivery) {
        const { subscriptionId: id } = delivery
        seen.add(id)
        pushed.set(id, [...(pushed.get(id) ?? []), delivery])
      },
      takeWaiting(id) {
        const waiting = pushed.get(id) ?? []
        pushed.delete(id)
        return waiting
      },
    },
    statementMsMax: 5000,
    handBack: () => {},
  })
  t.after(() => lanes.stop())
  return { lanes, clock, seen }
}

/** The limit is for what never comes, on a machine that has other things to do. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 60_000
  while (!isSo()) {
    if (performance.now() > end) assert.fail(`not so within a minute: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

test('a lane that becomes due beside thousands that hang is read at the next look', async t => {
  await dueLanes(1, 6000, noon - 60_000)
  const { lanes, clock, seen } = aWorldThatHangs(t)
  lanes.start()
  await until('all leases are taken', () => seen.size >= 3500)
  await dueLanes(9001, 9001, clock.now())
  lanes.ring(clock.now())
  await until('the new one is read', () => seen.has(9001))
  const before = [...seen].indexOf(9001)
  assert.ok(before < 5500, `${before} of 6000 lanes, most of which waited for a lease, were read before it`)
})

test('thousands of lanes that hang take turns: each is read, however many are due', async t => {
  await dueLanes(1, 6000, noon - 60_000)
  const { lanes, seen } = aWorldThatHangs(t)
  lanes.start()
  await until('each has been read', () => seen.size === 6000)
  assert.ok(lanes.held <= leasesMax)
})

test('a lane that gives way is due behind those that have waited, and not among the newest', async () => {
  const clock = fakeClock(noon)
  const leases = new LaneLeases({ connection: world.database, clock, membership: aMember({ id: me }) })
  await dueLanes(1, 10, noon - 60_000)
  const ids: number[] = []
  assert.equal(
    await leases.lease(
      () => ids.length,
      some => ids.push(...some.map(({ subscriptionId }) => subscriptionId)),
    ),
    false,
    'none was left over',
  )

  await releaseLanes(world.database, me, [1], leases.endOfQueue)
  assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: noon - 5000 })
  await dueLanes(11, 12, noon - 4000)
  const late: number[] = []
  const moreWait = await leases.lease(
    () => leasesMax - 100 + late.length,
    some => late.push(...some.map(({ subscriptionId }) => subscriptionId)),
  )
  assert.equal(moreWait, true)
  assert.deepEqual(late.toSorted(), [11, 12])
})

test('those leased longest give way, an eighth of the leases at a time, and none that was leased only now', () => {
  const clock = fakeClock(noon)
  const leases = new LaneLeases({ connection: world.database, clock, membership: aMember({ id: me }) })
  const held = Array.from({ length: 2000 }, (_, id) => ({
    id,
    leasedSince: noon - 2000 + id,
    isEnding: id === 3,
  }))
  assert.deepEqual(
    leases.givingWay(held).map(({ id }) => id),
    Array.from({ length: 513 }, (_, id) => id).filter(id => id !== 3),
  )
  const young = held.slice(1400)
  assert.equal(leases.givingWay(young).length, 101)
})

test('what was leased under an earlier id of this process is left to others', async () => {
  await dueLanes(1, 3, noon - 1000)
  let owner = me
  const connection: Queryable = {
    async query<Row extends object>(statement: Statement) {
      const result = await world.database.query<Row>(statement)
      owner = me + 1 // declared dead in this moment
      return result
    },
  }
  const membership = aMember({
    get id() {
      return owner
    },
  })
  const leases = new LaneLeases({ connection, clock: fakeClock(noon), membership })
  const taken: number[] = []
  await leases.lease(
    () => taken.length,
    some => taken.push(...some.map(({ subscriptionId }) => subscriptionId)),
  )
  assert.deepEqual(taken, [])
})

test('a lane whose lease was not heard of is found at the next look', async () => {
  await dueLanes(1, 3, noon - 1000)
  let losesAnswers = true
  const connection: Queryable = {
    async query<Row extends object>(statement: Statement) {
      const result = await world.database.query<Row>(statement)
      if (losesAnswers) throw new AppError('database_unavailable', 'the answer is lost')
      return result
    },
  }
  const leases = new LaneLeases({ connection, clock: fakeClock(noon), membership: aMember({ id: me }) })
  const held = new Set<number>()
  const look = () =>
    leases.lease(
      () => held.size,
      lanes => {
        for (const { subscriptionId } of lanes) held.add(subscriptionId)
      },
    )
  await assert.rejects(look(), /the answer is lost/)
  assert.equal((await laneOf(world.database, 2))?.owner, me, 'it was leased all the same')
  losesAnswers = false
  await look()
  assert.deepEqual([...held].toSorted(), [1, 2, 3])
})
