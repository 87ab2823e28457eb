import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemOf } from '../support/acquainted.ts'
import { testCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { testRedis } from '../support/redis.ts'
import { client, settledAudit } from '../support/service.ts'

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

/** Waits until this many more events have been accepted. */
type More = (events: number) => Promise<unknown>

/** Sends events, a few at a time, while a fault is brought about. @returns how many were accepted */
async function publishDuring({ api, id }: World, fault: (more: More) => Promise<void>): Promise<number> {
  let accepted = 0
  let over = false
  const publishing = Array.from({ length: 4 }, async () => {
    while (!over) {
      await api.ingest(id)
      accepted++
      await sleep(20) // a fault lasts seconds, and they send all the time
    }
  })
  try {
    await fault(events => {
      const wanted = accepted + events
      return eventually(() => accepted >= wanted)
    })
  } finally {
    over = true
  }
  await Promise.all(publishing)
  return accepted
}

async function allDelivered(world: World, accepted: number): Promise<number> {
  const { missing, final } = await settledAudit(world.cluster.world)
  assert.deepEqual({ missing, final }, { missing: 0, final: accepted })
  const ids = world.receiver.received.map(({ headers }) => headers['webhook-id'])
  assert.equal(new Set(ids).size, accepted)
  return ids.length - accepted
}

/** The transaction that wrote the lane last. */
async function lastWrite({ cluster, id }: World): Promise<string | undefined> {
  const { rows } = await cluster.world.database.query<{ xmin: string }>({
    text: 'select xmin::text from lanes where subscription_id = $1',
    values: [id],
  })
  return rows[0]?.xmin
}

test('what an api accepts goes through Redis to a worker, past its lane, and once', async t => {
  const world = await aWorld(t)
  if (!world) return
  const lanes = new Set<string | undefined>()
  for (let n = 1; n <= 20; n++) {
    await world.api.ingest(world.id)
    await world.receiver.waitFor(n)
    await eventually(
      () => systemOf(world.url),
      ({ backlog }) => backlog.owed + backlog.lanes_leased === 0,
    )
    lanes.add(await lastWrite(world))
  }
  // One that the worker has not heard of within 1.2 s (`testPaces`) goes to its lane after all; without Redis all of them do.
  assert.ok(lanes.size < 10, `the lane was written ${lanes.size} times for 20 events`)
  const accepted = await publishDuring(world, more => more(100).then(() => {}))
  assert.equal(await allDelivered(world, 20 + accepted), 0)
  const { processes } = await eventually(
    () => systemOf(world.url),
    report => report.processes.every(({ lanes }) => lanes === 0), // as of their last heartbeats
  )
  assert.deepEqual(
    processes.map(({ role }) => role),
    ['api', 'worker'],
  )
})

/** Waits until the api and the worker see Redis so. */
async function seen({ url, worker }: World, state: string): Promise<void> {
  for (const one of [url, worker.url]) {
    await eventually(
      () => redisOf(one),
      found => found === state,
    )
  }
}

const faults: Record<string, (world: World, more: More) => Promise<unknown>> = {
  async 'is flushed again and again'({ redis }, more) {
    for (let n = 0; n < 20; n++) {
      await redis.command('FLUSHALL')
      await more(10)
    }
  },
  async 'is killed, stays away, and comes back empty'(world, more) {
    await more(50)
    await world.redis.kill()
    await seen(world, 'unavailable')
    await more(100)
    await world.redis.start()
    await more(100)
  },
  async 'freezes, and goes on'(world, more) {
    await more(50)
    world.redis.freeze()
    await seen(world, 'unavailable')
    await more(100)
    world.redis.resume()
    await more(100)
  },
  async 'has no memory left'(world, more) {
    await more(50)
    await world.redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await seen(world, 'full')
    await more(100)
    await world.redis.command('CONFIG', 'SET', 'maxmemory', '0')
    await more(100)
  },
}

for (const [fault, strike] of Object.entries(faults)) {
  test(`nothing is lost, and nothing refused, when Redis ${fault}`, async t => {
    const world = await aWorld(t)
    if (!world) return
    const accepted = await publishDuring(world, async more => {
      await strike(world, more)
      await seen(world, 'ok')
      await more(50)
    })
    // Also where Redis took a message and its answer got lost: only the worker knows what it holds, so nobody else sends it.
    assert.equal(await allDelivered(world, accepted), 0, 'none is sent twice')
  })
}

test('a Redis that is away or full is told of, and the service stays ready', async t => {
  const world = await aWorld(t)
  if (!world) return
  await world.redis.command('CONFIG', 'SET', 'maxmemory', '1')
  await seen(world, 'full')
  await world.redis.kill()
  await seen(world, 'unavailable')
  const { processes } = await eventually(
    () => systemOf(world.url),
    report => report.processes.every(({ redis }) => redis === 'unavailable'),
  )
  assert.ok(processes.every(({ engine }) => engine === 'redis'))
})

test('a worker that leaves gives back what it holds, and the next one goes on', async t => {
  const world = await aWorld(t)
  if (!world) return
  const accepted = await publishDuring(world, async more => {
    await more(50)
    await world.cluster.start('worker')
    await world.worker.close()
    await more(50)
  })
  await allDelivered(world, accepted)
  const keys = await world.redis.command('KEYS', '*handover-*')
  const queues = new Set(keys.match(/handover-\d+/g))
  assert.equal(queues.size, 1, `what is gone leaves nothing in Redis: ${[...queues]}`)
})
