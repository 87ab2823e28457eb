import assert from 'node:assert/strict'
import { after, beforeEach, type TestContext, test } from 'node:test'
import { Throttle } from '../../src/dispatch/throttle.ts'
import { LaneReturn } from '../../src/handover/lane-return.ts'
import { RedisHandover } from '../../src/handover/redis-handover.ts'
import { announce, announceLeaving } from '../../src/handover/workers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { testRedis } from '../support/redis.ts'
import { allOwed, emptyAll, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'
import { someTroubles } from '../support/troubles.ts'

const world = await testDatabase()
beforeEach(() => emptyAll(world.database))
after(() => world.close())
const { database } = world
const clock = systemClock()
const newId = uuidV7Source(clock)
const to = aSubscription()

function aDelivery(webhookId: Uuid = newId()) {
  const since = clock.now()
  const attempt = { attempt: 1, attemptsBefore: 0, since, dueAt: since }
  return { webhookId, subscriptionId: to.id, sizeBytes: 10, content: null, lane: null, ...attempt }
}

/** What accepts events, over a Redis of its own; workers are there when the test says so. */
async function aWorld(t: TestContext) {
  const redis = await testRedis(t)
  if (!redis) return undefined
  const link = openRedis({ url: redis.url, prefix: 'test', logger: silentLogger(), troubles: someTroubles() })
  let rung = 0
  const handover = new RedisHandover({
    link,
    bell: { ring: () => rung++ },
    membership: aMember({ position: { count: 2, index: 0 } }),
    throttle: new Throttle(clock, { failures: 0, cooldownMs: 1000 }),
    laneReturn: new LaneReturn({ connection: database, clock, returned: () => rung++ }),
  })
  t.after(async () => {
    redis.resume()
    await handover.stop()
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  const offered = (owner: number | null, say: () => void) =>
    eventually(
      async () => {
        say()
        return handover.offer(to)
      },
      taken => taken === owner,
    )
  const told = (owner: number) =>
    eventually(
      () => redis.command('LLEN', `test:handover-${owner}:wait`),
      length => length === ':1',
    )
  return { redis, link, handover, offered, told, rung: () => rung }
}

const owners = async () => (await allOwed(database)).map(({ owner }) => owner)

test('queues to workers that left while idle are closed, however many come and go', async t => {
  const w = await aWorld(t)
  if (!w) return
  const { link, handover, offered, told } = w
  for (const owner of [1, 2, 3, 4]) {
    await offered(owner, () => announce(link, owner, 100))
    handover.commit(owner, aDelivery())
    await told(owner)
    assert.equal(handover.queues, 1)
    await offered(null, () => announceLeaving(link, owner))
  }
  await offered(5, () => announce(link, 5, 100))
  handover.commit(5, aDelivery())
  await told(5)
  // There is no room at process 5, but it is there.
  await offered(null, () => announce(link, 5, 0))
  await offered(6, () => announce(link, 6, 100))
  handover.commit(6, aDelivery())
  assert.equal(handover.queues, 2)
})

test('the room of a worker is taken by an offer, and given back when the row was not written', async t => {
  const w = await aWorld(t)
  if (!w) return
  await w.offered(1, () => announce(w.link, 1, 1))
  const row = { webhookId: newId(), subscriptionId: to.id, sizeBytes: 10 }
  // In one turn of the event loop, so that nothing is heard in between: one place, taken by the offer above or this one.
  const owner = w.handover.offer(to) ?? 1
  assert.equal(w.handover.offer(to), null)
  w.handover.abort({ ...row, owner })
  assert.equal(w.handover.offer(to), 1)
})

test('what has no hot lane is offered to nobody, and its lane is rung for', async t => {
  const w = await aWorld(t)
  if (!w) return
  await w.offered(1, () => announce(w.link, 1, 100))
  for (const changes of [{ paused: true }, { ordered: true }, { maxInFlight: 1 }])
    assert.equal(w.handover.offer(aSubscription(changes)), null)
  assert.equal(w.rung(), 0)
  w.handover.commit(null, aDelivery())
  assert.equal(w.rung(), 1)
})

test('a worker that left between offer and commit is not told: the row goes to its lane, and a bell rings', async t => {
  const w = await aWorld(t)
  if (!w) return
  await w.offered(1, () => announce(w.link, 1, 100))
  const webhookId = await owe(database, { webhookId: newId(), owner: 1 })
  await w.offered(null, () => announceLeaving(w.link, 1))
  w.handover.commit(1, aDelivery(webhookId))
  await eventually(owners, ([owner]) => owner === null)
  await eventually(
    async () => w.rung(),
    rung => rung === 1,
  )
  assert.equal(w.handover.queues, 0)
})

test('a worker that Redis may have told keeps its row, and one that waits for the message before goes to its lane', async t => {
  const w = await aWorld(t)
  if (!w) return
  await w.offered(1, () => announce(w.link, 1, 100))
  const first = await owe(database, { webhookId: newId(), owner: 1 })
  const second = await owe(database, { webhookId: newId(), owner: 1 })
  w.redis.freeze()
  w.handover.commit(1, aDelivery(first))
  for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve)) // its message is under way
  w.handover.commit(1, aDelivery(second))
  await eventually(owners, ([, owner]) => owner === null)
  assert.deepEqual(await owners(), [1, null])
  w.redis.resume()
  await w.told(1)
})
