import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandoverSender } from '../../src/handover/sender.ts'
import { announce, announceLeaving } from '../../src/handover/workers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { testRedis } from '../support/redis.ts'
import { eventually } from '../support/service.ts'

const clock = systemClock()
const newId = uuidV7Source(clock)

function aDelivery() {
  const webhookId = newId()
  const since = clock.now()
  return {
    webhookId,
    subscriptionId: 1,
    attempt: 1,
    attemptsBefore: 0,
    since,
    sizeBytes: 10,
    dueAt: since,
    content: null,
    lane: null,
  }
}

test('lines to processes that left while idle are closed, however many come and go', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  const link = openRedis({ url: redis.url, prefix: 'test', logger: silentLogger() })
  const lost: number[] = []
  const handOff = new HandoverSender({ link, clock, lost: owner => lost.push(owner) })
  t.after(async () => {
    handOff.close()
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  const chosen = (owner: number | null, say: () => void) =>
    eventually(
      async () => {
        say()
        return handOff.take({ id: 1 })
      },
      taken => taken === owner,
    )
  const told = (owner: number) =>
    eventually(
      () => redis.command('LLEN', `test:inbox-${owner}:wait`),
      length => length === ':1',
    )
  for (const owner of [1, 2, 3, 4]) {
    await chosen(owner, () => announce(link, owner, 100))
    handOff.push(owner, aDelivery())
    await told(owner)
    assert.equal(handOff.lines, 1)
    await chosen(null, () => announceLeaving(link, owner))
  }
  await chosen(5, () => announce(link, 5, 100))
  handOff.push(5, aDelivery())
  await told(5)
  // Nobody has room at process 5, but it is there.
  await chosen(null, () => announce(link, 5, 0))
  await chosen(6, () => announce(link, 6, 100))
  handOff.push(6, aDelivery())
  assert.equal(handOff.lines, 2)
  assert.deepEqual(lost, [])
})
