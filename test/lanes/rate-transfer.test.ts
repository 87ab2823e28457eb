import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Throttle } from '../../src/dispatch/throttle.ts'
import { Lanes } from '../../src/lanes/lanes.ts'
import { RateTransfer } from '../../src/lanes/rate-transfer.ts'
import { leaseLanes, releaseLanes } from '../../src/lanes/store.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { type FakeClock, fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { recoverAll } from '../support/recover.ts'
import { aLane, emptyAll, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const limited = aSubscription({ id: 1, rateLimit: { requests: 10, perSeconds: 10 } })

/** A process that leases lanes, and sends as much as the rate limit lets it. */
function aProcess(clock: FakeClock, owner: number, to: { current: Subscription } = { current: limited }) {
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  const pace = new RateTransfer({
    connection: world.database,
    clock,
    membership: aMember({ id: owner }),
    subscription: () => to.current,
    rates: throttle,
  })
  return {
    pace,
    async lease() {
      const lanes = await leaseLanes(world.database, owner, clock.now(), 10)
      const ids = lanes.map(lane => lane.subscriptionId)
      pace.leased(ids)
      await pace.read()
      return ids
    },
    sendAll() {
      let sent = 0
      for (; throttle.opensAt(to.current) === 0; sent++) throttle.begin(to.current)
      return sent
    },
    async release() {
      await pace.keep([1])
      await releaseLanes(world.database, owner, [1])
    },
  }
}

const makeDue = (clock: FakeClock) =>
  world.database.query({ text: 'update lanes set due_at = $1', values: [new Date(clock.now())] })

async function dueLane(clock: FakeClock) {
  await aLane(world.database, 1)
  await owe(world.database, { dueAt: clock.now() })
  await makeDue(clock)
}

test('a rate limit goes on where the last holder of the lane has left it', async () => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  const [first, second] = [aProcess(clock, 7), aProcess(clock, 8)]
  assert.deepEqual(await first.lease(), [1])
  assert.equal(first.sendAll(), 10)
  clock.advance(3000)
  assert.equal(first.sendAll(), 3)
  await first.release()

  assert.deepEqual(await second.lease(), [1])
  assert.equal(second.sendAll(), 0)
  clock.advance(4000)
  assert.equal(second.sendAll(), 4)
  await second.release()

  // What the first one remembers of its own has been refilled meanwhile; what the second one used counts.
  assert.deepEqual(await first.lease(), [1])
  assert.equal(first.sendAll(), 0)
  await first.release()
  clock.advance(60_000)
  await second.lease()
  assert.equal(second.sendAll(), 10)
})

test('after a holder that died the rate limit begins with nothing', async () => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  const [dead, next] = [aProcess(clock, 7), aProcess(clock, 8)]
  await dead.lease()
  assert.equal(dead.sendAll(), 10)
  await recoverAll(world.database, 7)
  await makeDue(clock)
  assert.deepEqual(await next.lease(), [1])
  assert.equal(next.sendAll(), 0)
  clock.advance(1000)
  assert.equal(next.sendAll(), 1)
})

test('a holder that was declared dead leaves nothing to the one after it', async () => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  const [zombie, next] = [aProcess(clock, 7), aProcess(clock, 8)]
  await zombie.lease()
  assert.equal(zombie.sendAll(), 10)
  await recoverAll(world.database, 7)
  await makeDue(clock)
  await next.lease()
  assert.equal(next.sendAll(), 0)
  clock.advance(5000)
  assert.equal(next.sendAll(), 5)
  await next.release()
  clock.advance(1000)
  await zombie.release() // it believes that it has six tokens
  const third = aProcess(clock, 9)
  await third.lease()
  assert.equal(third.sendAll(), 1)
})

const slow = aSubscription({ id: 1, rateLimit: { requests: 10, perSeconds: 60 } })

test('a rate is used up until a second before something may be sent, or until it is changed', async () => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  const to = { current: slow }
  const { pace, ...holder } = aProcess(clock, 7, to)
  await holder.lease()
  assert.equal(pace.isUsedUp(1), false)
  assert.equal(holder.sendAll(), 10)
  assert.equal(pace.isUsedUp(1), true)
  to.current = { ...slow, rateLimit: null }
  assert.equal(pace.isUsedUp(1), false, 'it was lifted')
  to.current = { ...slow, rateLimit: { requests: 100, perSeconds: 60 } }
  assert.equal(pace.isUsedUp(1), false, 'it was raised')
  to.current = slow
  clock.advance(4990)
  assert.equal(pace.isUsedUp(1), true)
  clock.advance(10)
  assert.equal(pace.isUsedUp(1), false)
})

test('a process that ends leaves behind how much of a used up rate there is', async () => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  const [ending, next] = [7, 8].map(owner => aProcess(clock, owner, { current: slow }))
  assert.ok(ending && next)
  await ending.lease()
  assert.equal(ending.sendAll(), 10)
  clock.advance(4000)
  await ending.pace.leave([1])
  await recoverAll(world.database, 7)
  await makeDue(clock)
  await next.lease()
  clock.advance(2000)
  assert.equal(next.sendAll(), 1, 'six seconds after the last ones, not after its own beginning')
})

test('lanes ask for the rate before they hand out anything, and leave it behind', async t => {
  const clock = fakeClock(noon)
  await dueLane(clock)
  await world.database.query({
    text: "update lanes set full_at = to_timestamp($1::float8 / 1000) + interval '4 seconds'",
    values: [clock.now()],
  })
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  const pushed: Delivery[] = []
  const fullAtPush: number[] = []
  const lanes = new Lanes({
    keptMs: 0,
    connection: world.database,
    clock,
    logger: silentLogger(),
    membership: aMember(),
    subscription: () => limited,
    refreshSubscription: async () => true,
    sink: {
      reserve: () => true,
      release: () => {},
      push: delivery => {
        fullAtPush.push(throttle.fullAt(limited) - clock.now())
        pushed.push(delivery)
      },
      takeWaiting: () => [],
    },
    statementMsMax: 5000,
    handBack: () => {},
    rates: throttle,
  })
  t.after(() => lanes.stop())
  lanes.start()
  await eventually(
    async () => pushed.length,
    count => count === 1,
  )
  assert.deepEqual(fullAtPush, [4000])
  throttle.begin(limited)
  await world.database.query({ text: 'delete from owed' })
  for (const delivery of pushed) delivery.lane?.left(delivery, true)
  const left = async () => {
    const { rows } = await world.database.query<{ owner: number | null; left_ms: number }>({
      text: "select owner, extract(epoch from full_at - to_timestamp($1::float8 / 1000))::float8 * 1000 as left_ms from lanes where full_at <> 'infinity'",
      values: [clock.now()],
    })
    return rows
  }
  await eventually(left, rows => rows[0]?.owner === null)
  assert.deepEqual(await left(), [{ owner: null, left_ms: 5000 }])
})
