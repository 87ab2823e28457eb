import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testCluster } from '../support/cluster.ts'
import { startReceiver } from '../support/receiver.ts'
import { testRedis } from '../support/redis.ts'
import { client, settledAudit } from '../support/service.ts'

/** A heartbeat and some: until then not all processes know how many they are. */
const acquaintedMs = 2500

async function threeProcesses(cluster: Awaited<ReturnType<typeof testCluster>>) {
  const [one, two, three] = [
    await cluster.start('all'),
    await cluster.start('all'),
    await cluster.start('all'),
  ]
  await sleep(acquaintedMs)
  return [client(one.url), client(two.url), client(three.url)] as const
}

function flood(api: ReturnType<typeof client>, id: number, events: number): Promise<readonly string[]> {
  return Promise.all(Array.from({ length: events }, () => api.ingest(id)))
}

test('max_in_flight holds over all processes together, without Redis', async () => {
  await using receiver = await startReceiver({ delayMs: 50 })
  await using cluster = await testCluster()
  const apis = await threeProcesses(cluster)
  const { id } = await apis[0].subscribe({ target_url: receiver.origin, max_in_flight: 6 })
  await Promise.all(apis.map(api => flood(api, id, 60)))
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  assert.equal(receiver.mostAtOnce, 6)
})

test('with Redis a process that is busy alone has nearly all of max_in_flight, and all together never more', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  t.after(() => redis[Symbol.asyncDispose]())
  await using receiver = await startReceiver({ delayMs: 50 })
  await using cluster = await testCluster({ REDIS_URL: redis.url })
  const apis = await threeProcesses(cluster)
  const { id } = await apis[0].subscribe({ target_url: receiver.origin, max_in_flight: 12 })
  await flood(apis[0], id, 400)
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  // 10 is all but one of each of the others; its share is 4.
  assert.ok(receiver.mostAtOnce >= 8 && receiver.mostAtOnce <= 10, `${receiver.mostAtOnce} at once`)
  await Promise.all(apis.map(api => flood(api, id, 150)))
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  assert.ok(receiver.mostAtOnce <= 12, `${receiver.mostAtOnce} at once`)
})

test('with fewer slots than processes max_in_flight holds too', async () => {
  await using receiver = await startReceiver({ delayMs: 20 })
  await using cluster = await testCluster()
  const apis = await threeProcesses(cluster)
  const { id } = await apis[0].subscribe({ target_url: receiver.origin, max_in_flight: 2 })
  await Promise.all(apis.map(api => flood(api, id, 20)))
  assert.equal((await settledAudit(cluster.world)).missing, 0)
  assert.equal(receiver.mostAtOnce, 2)
})
