import assert from 'node:assert/strict'
import { after, beforeEach, type TestContext, test } from 'node:test'
import { openQueueTo } from '../../src/handover/bullmq.ts'
import { HandoverReceiver } from '../../src/handover/redis-receiver.ts'
import { Workers } from '../../src/handover/workers.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { anOwnMemory } from '../support/own-memory.ts'
import { testRedis } from '../support/redis.ts'
import { aLane, allOwed, emptyAll, newId, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'
import { someTroubles } from '../support/troubles.ts'

const world = await testDatabase()
beforeEach(() => emptyAll(world.database))
after(() => world.close())
const { database } = world
const me = 7
const to = aSubscription({ id: 1 })

/** A worker over a Redis of its own, and a queue to it. */
async function aWorker(t: TestContext) {
  const redis = await testRedis(t)
  if (!redis) return undefined
  const link = openRedis({ url: redis.url, prefix: 'test', logger: silentLogger(), troubles: someTroubles() })
  const state = { id: me, isSure: true, room: 100 }
  const membership = aMember({
    get id() {
      return state.id
    },
    get isSure() {
      return state.isSure
    },
  })
  const own = anOwnMemory(database, membership, { hearsByMessage: true })
  const receiver = new HandoverReceiver({
    ...own,
    link,
    membership,
    subscription: id => (id === to.id ? to : undefined),
    room: () => state.room,
  })
  const workers = new Workers(link)
  const queue = openQueueTo(link, link.bullConnection('producer'), me)
  t.after(async () => {
    await receiver.stop()
    await own.leasedRows.stop()
    queue.close()
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  await aLane(database, to.id)
  receiver.start()
  const chosen = (owner: number | undefined) =>
    eventually(
      async () => workers.choose(to.id),
      choice => choice === owner,
    )
  await chosen(me)
  const lease = async (subscriptionId = to.id) =>
    owe(database, { webhookId: newId(), owner: me, subscriptionIds: [subscriptionId] })
  let messages = 0
  const tell = (webhookId: Uuid, { subscriptionId = to.id, message = `m${++messages}` } = {}) =>
    queue.send({ id: message, rows: [[webhookId, subscriptionId, 10]] })
  const startedIds = () => own.started.map(({ webhookId }) => webhookId)
  return { ...own, redis, link, state, receiver, workers, chosen, lease, tell, startedIds }
}

const owners = async () => (await allOwed(database)).map(({ owner }) => owner)

test('a process that may have been declared dead says that it has no room, and sends nothing it is told of', async t => {
  const w = await aWorker(t)
  if (!w) return
  const first = await w.lease()
  await w.tell(first)
  await eventually(
    async () => w.startedIds(),
    ids => ids.length === 1,
  )
  w.state.isSure = false
  await w.chosen(undefined)
  assert.equal(w.workers.has(me), true)
  await w.tell(await w.lease())
  await eventually(owners, ([, second]) => second === null)
  w.state.isSure = true
  await w.chosen(me)
  assert.deepEqual([w.startedIds(), await owners()], [[first], [me, null]])
})

test('a message that comes twice is followed once, also when its delivery has left meanwhile', async t => {
  const w = await aWorker(t)
  if (!w) return
  const webhookId = await w.lease()
  await w.tell(webhookId, { message: 'one' })
  await eventually(
    async () => w.started,
    started => started.length === 1,
  )
  await w.tell(webhookId, { message: 'another' })
  const next = await w.lease()
  await w.tell(next)
  await eventually(
    async () => w.startedIds(),
    ids => ids.includes(next),
  )
  w.leasedRows.left({ webhookId, subscriptionId: to.id })
  await w.tell(webhookId, { message: 'one' })
  const last = await w.lease()
  await w.tell(last, { message: 'the last' })
  await eventually(
    async () => w.startedIds(),
    ids => ids.includes(last),
  )
  assert.deepEqual(w.startedIds(), [webhookId, next, last])
  assert.equal(w.dispatcher.load.held, 3)
})

test('a message that comes after a look has passed its rows is not followed', async t => {
  const w = await aWorker(t)
  if (!w) return
  const webhookId = await w.lease()
  w.clock.advance(3100) // ids of files before this one may be some milliseconds ahead
  assert.equal(await w.leasedRows.look(), 1)
  await w.tell(webhookId)
  const late = await w.lease()
  await w.tell(late)
  await eventually(owners, found => found.every(owner => owner === null))
  assert.deepEqual([w.startedIds(), w.dispatcher.load.held], [[], 0])
})

test('what there is no room for goes to its lane, and others hear that its subscription is full', async t => {
  const w = await aWorker(t)
  if (!w) return
  w.throttle.pause(to.id, w.clock.now() + 60_000, 'retry_after')
  await w.tell(await w.lease())
  await eventually(owners, ([owner]) => owner === null)
  await w.chosen(undefined)
  await w.tell(await w.lease(2), { subscriptionId: 2 })
  await eventually(owners, found => found.every(owner => owner === null))
  assert.deepEqual(w.startedIds(), [])
})

test('under a new id it is chosen by that, and hears nothing more under the old one', async t => {
  const w = await aWorker(t)
  if (!w) return
  w.state.id = me + 1
  w.receiver.renew()
  await w.chosen(me + 1)
  await w.tell(await w.lease())
  await eventually(
    () => w.redis.command('SMEMBERS', 'test:handover-queues'),
    queues => !queues.includes(`\r\n${me}\r\n`) && !queues.endsWith(`\r\n${me}`),
  )
  assert.deepEqual(w.startedIds(), [])
})
