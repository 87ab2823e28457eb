import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SystemReport } from '../../src/monitor/system-schema.ts'
import { testCluster } from '../support/cluster.ts'
import { startReceiver } from '../support/receiver.ts'
import { type TestRedis, testRedis } from '../support/redis.ts'
import { client, eventually, settledAudit } from '../support/service.ts'

/** An api, a worker and a receiver over a Redis of their own; undefined: there is no redis-server, and the test is skipped. */
async function aWorld(t: TestContext) {
  const redis = await testRedis(t)
  if (!redis) return undefined
  const receiver = await startReceiver()
  const cluster = await testCluster({ REDIS_URL: redis.url, CIRCUIT_FAILURES: '0' })
  t.after(async () => {
    redis.resume()
    await cluster[Symbol.asyncDispose]()
    await receiver.close()
    await redis[Symbol.asyncDispose]()
  })
  const { url } = await cluster.start('api')
  const worker = await cluster.start('worker')
  const api = client(url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  await eventually(
    () => redisOf(worker.url),
    state => state === 'ok',
  )
  return { redis, receiver, cluster, url, worker, api, id }
}

type World = NonNullable<Awaited<ReturnType<typeof aWorld>>>

async function redisOf(url: string): Promise<string | undefined> {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as { checks: { redis?: string } } // as its schema has it
  assert.equal(answer.status, 200, 'without Redis the service is as ready as with it')
  return checks.redis
}

/** Sends events, a few at a time, until told to stop. @returns how many were accepted */
async function publishDuring({ api, id }: World, fault: () => Promise<void>): Promise<number> {
  let accepted = 0
  let over = false
  const publishing = Array.from({ length: 4 }, async () => {
    while (!over) {
      await api.ingest(id)
      accepted++
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  })
  await fault()
  over = true
  await Promise.all(publishing)
  return accepted
}

async function allDelivered(world: World, accepted: number): Promise<number> {
  const { missing, final } = await settledAudit(world.cluster.world, 15_000)
  assert.deepEqual({ missing, final }, { missing: 0, final: accepted })
  const ids = world.receiver.received.map(({ headers }) => headers['webhook-id'])
  assert.equal(new Set(ids).size, accepted)
  return ids.length - accepted
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

test('what an api accepts goes through Redis to a worker, within milliseconds, and once', async t => {
  const world = await aWorld(t)
  if (!world) return
  const accepted = await publishDuring(world, () => pause(500))
  assert.equal(await allDelivered(world, accepted), 0)
  const { processes } = (await (await fetch(`${world.url}/system`)).json()) as SystemReport
  assert.deepEqual(
    processes.map(({ role, lanes }) => [role, lanes]),
    [
      ['api', 0],
      ['worker', 0],
    ],
  )
  const took: number[] = []
  for (let i = 0; i < 20; i++) {
    const before = world.receiver.received.length
    const sentAt = performance.now()
    await world.api.ingest(world.id)
    await world.receiver.waitFor(before + 1)
    took.push(performance.now() - sentAt)
  }
  const median = took.sort((a, b) => a - b)[10] ?? 0
  assert.ok(median < 50, `a message, not a look at the lanes: ${median} ms`)
})

const faults: Record<string, (redis: TestRedis) => Promise<void>> = {
  async 'is flushed again and again'(redis) {
    for (let i = 0; i < 20; i++) {
      await redis.command('FLUSHALL')
      await pause(50)
    }
  },
  async 'is killed, stays away, and comes back empty'(redis) {
    await pause(200)
    await redis.kill()
    await pause(1500)
    await redis.start()
    await pause(500)
  },
  async 'freezes, and goes on'(redis) {
    await pause(200)
    redis.freeze()
    await pause(2500)
    redis.resume()
    await pause(500)
  },
  async 'has no memory left'(redis) {
    await pause(200)
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await pause(2500)
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await pause(500)
  },
}

for (const [fault, strike] of Object.entries(faults)) {
  test(`nothing is lost, and nothing refused, when Redis ${fault}`, async t => {
    const world = await aWorld(t)
    if (!world) return
    const accepted = await publishDuring(world, () => strike(world.redis))
    // Also where Redis took a message and its answer got lost: only the worker knows what it holds, so nobody else sends it.
    assert.equal(await allDelivered(world, accepted), 0, 'none is sent twice')
    await eventually(
      () => redisOf(world.url),
      state => state === 'ok',
    )
  })
}

test('a Redis that is away or full is told of, and the service stays ready', async t => {
  const world = await aWorld(t)
  if (!world) return
  await world.redis.command('CONFIG', 'SET', 'maxmemory', '1')
  for (const url of [world.url, world.worker.url]) {
    await eventually(
      () => redisOf(url),
      state => state === 'full',
    )
  }
  await world.redis.kill()
  for (const url of [world.url, world.worker.url]) {
    await eventually(
      () => redisOf(url),
      state => state === 'unavailable',
    )
  }
  const { processes } = await eventually(
    async () => (await (await fetch(`${world.url}/system`)).json()) as SystemReport,
    report => report.processes.every(({ redis }) => redis === 'unavailable'),
  )
  assert.ok(processes.every(({ engine }) => engine === 'redis'))
})

test('a worker that leaves gives back what it holds, and the next one goes on', async t => {
  const world = await aWorld(t)
  if (!world) return
  const accepted = await publishDuring(world, async () => {
    await pause(200)
    await world.cluster.start('worker')
    await world.worker.close()
    await pause(200)
  })
  await allDelivered(world, accepted)
  const keys = await world.redis.command('KEYS', '*handover-*')
  const queues = new Set(keys.match(/handover-\d+/g))
  assert.equal(queues.size, 1, `what is gone leaves nothing in Redis: ${[...queues]}`)
})
