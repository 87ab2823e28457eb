import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announce, announceLeaving, Workers } from '../../src/handover/workers.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { fakeClock } from '../support/clock.ts'
import { testRedis } from '../support/redis.ts'
import { eventually } from '../support/service.ts'
import { someTroubles } from '../support/troubles.ts'

test('who is silent for a second is not chosen, for a minute is gone, and who leaves is gone at once', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  const link = openRedis({ url: redis.url, prefix: 'test', logger: silentLogger(), troubles: someTroubles() })
  t.after(async () => {
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  const clock = fakeClock()
  const directory = new Workers(link, () => clock.now())
  const heard = (say: () => void, isSo: () => boolean) =>
    eventually(
      async () => {
        say()
        return isSo()
      },
      so => so,
    )
  await heard(
    () => announce(link, 7, 10),
    () => directory.choose(1) === 7,
  )
  // Messages keep their order: once this one is heard, no earlier one is under way.
  announce(link, 9, 0)
  await heard(
    () => {},
    () => directory.has(9),
  )
  clock.advance(1001)
  assert.deepEqual([directory.choose(1), directory.has(7), directory.isGone(7)], [undefined, false, false])
  clock.advance(59_000)
  assert.equal(directory.isGone(7), true)
  await heard(
    () => announce(link, 8, 0),
    () => directory.has(8),
  )
  assert.deepEqual([directory.choose(1), directory.isGone(8)], [undefined, false])
  await heard(
    () => announceLeaving(link, 8),
    () => directory.isGone(8),
  )
})
