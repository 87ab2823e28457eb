import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acquainted } from '../support/acquainted.ts'
import { testCluster } from '../support/cluster.ts'
import { startReceiver } from '../support/receiver.ts'
import { testRedis } from '../support/redis.ts'
import { client, settledAudit } from '../support/service.ts'

/** Until they are acquainted they may have more in flight together. */
async function threeProcesses(cluster: Awaited<ReturnType<typeof testCluster>>) {
  const [one, two, three] = [
    await cluster.start('all'),
    await cluster.start('all'),
    await cluster.start('all'),
  ]
  await acquainted([one.url, two.url, three.url])
  return [client(one.url), client(two.url), client(three.url)] as const
}

test('max_in_flight holds over all processes together, without Redis, also when it is less than one each', async () => {
  await using cluster = await testCluster()
  const apis = await threeProcesses(cluster)
  for (const [max_in_flight, events] of [
    [6, 60],
    [2, 20],
    [1, 5],
  ] as const) {
    await using receiver = await startReceiver({ delayMs: 50 })
    const { id } = await apis[0].subscribe({ target_url: receiver.origin, max_in_flight })
    await Promise.all(apis.map(api => api.ingestMany(id, events)))
    const { missing } = await settledAudit(cluster.world)
    assert.equal(missing, 0)
    assert.equal(receiver.mostAtOnce, max_in_flight)
  }
})

test('with Redis a process that is busy alone has nearly all of max_in_flight, and all together never more', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  t.after(() => redis[Symbol.asyncDispose]())
  await using receiver = await startReceiver({ delayMs: 50 })
  await using cluster = await testCluster({ REDIS_URL: redis.url })
  const apis = await threeProcesses(cluster)
  const { id } = await apis[0].subscribe({ target_url: receiver.origin, max_in_flight: 12 })
  await apis[0].ingestMany(id, 200, 200)
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  // 10 is all but one of each of the others; its share is 4.
  assert.ok(receiver.mostAtOnce >= 8 && receiver.mostAtOnce <= 10, `${receiver.mostAtOnce} at once`)
  await Promise.all(apis.map(api => api.ingestMany(id, 75, 75)))
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  assert.ok(receiver.mostAtOnce <= 12, `${receiver.mostAtOnce} at once`)
})
