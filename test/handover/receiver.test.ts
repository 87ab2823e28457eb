import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openOutbox } from '../../src/handover/bullmq.ts'
import { HandoverReceiver } from '../../src/handover/receiver.ts'
import { Workers } from '../../src/handover/workers.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { testDatabase } from '../support/database.ts'
import { aMember } from '../support/member.ts'
import { testRedis } from '../support/redis.ts'
import { aLane, allOwed, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const me = 7
const clock = systemClock()
const newId = uuidV7Source(clock)
const to = aSubscription({ id: 1 })

test('a process that may have been declared dead says that it has no room, and sends nothing it is told of', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  const link = openRedis({ url: redis.url, prefix: 'test', logger: silentLogger() })
  let isSure = true
  const pushed: Delivery[] = []
  const inbox = new HandoverReceiver({
    link,
    connection: database,
    clock,
    logger: silentLogger(),
    membership: aMember({
      id: me,
      get isSure() {
        return isSure
      },
    }),
    commitMsMax: 10_000,
    subscription: () => to,
    opensAt: () => 0,
    room: () => 100,
    reserve: () => true,
    push: delivery => pushed.push(delivery),
  })
  const directory = new Workers(link)
  const outbox = openOutbox(link, link.bullConnection('producer'), me)
  inbox.start()
  t.after(async () => {
    await inbox.stop()
    outbox.close()
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  const chosen = (owner: number | undefined) =>
    eventually(
      async () => directory.choose(to.id),
      choice => choice === owner,
    )
  const tell = async () => {
    const webhookId = await owe(database, { webhookId: newId(), owner: me })
    await outbox.send({ at: clock.now(), rows: [[webhookId, to.id, 10]] })
    return webhookId
  }
  const owners = async () => (await allOwed(database)).map(({ owner }) => owner)
  await aLane(database, to.id)

  await chosen(me)
  const first = await tell()
  await eventually(
    async () => pushed.length,
    count => count === 1,
  )
  isSure = false
  await chosen(undefined)
  assert.equal(directory.has(me), true)
  await tell()
  await eventually(owners, ([, second]) => second === null)
  isSure = true
  await chosen(me)
  assert.deepEqual([pushed.map(({ webhookId }) => webhookId), await owners()], [[first], [me, null]])
})
