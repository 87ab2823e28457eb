import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Environment } from '../../src/config/config.ts'
import { acquainted, systemOf } from '../support/acquainted.ts'
import { testCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { startLaneWitness } from '../support/lane-witness.ts'
import { startReceiver } from '../support/receiver.ts'
import { testRedis } from '../support/redis.ts'
import { laneOf } from '../support/rows.ts'
import { client, settledAudit } from '../support/service.ts'

/** What both engines promise, word for word. */
const engines = ['postgres', 'redis'] as const

/** What an engine needs of its surroundings; undefined: it is not to be had here, and the test is skipped. */
async function settingsOf(
  engine: (typeof engines)[number],
  t: TestContext,
): Promise<Environment | undefined> {
  if (engine === 'postgres') return {}
  const redis = await testRedis(t)
  if (redis) t.after(() => redis[Symbol.asyncDispose]())
  return redis && { REDIS_URL: redis.url }
}

for (const engine of engines) {
  test(`${engine}: an api accepts and a worker delivers, soon`, async t => {
    const settings = await settingsOf(engine, t)
    if (!settings) return
    await using receiver = await startReceiver()
    await using cluster = await testCluster(settings)
    const { url } = await cluster.start('api')
    const api = client(url)
    await cluster.start('worker')
    const { id } = await api.subscribe({ target_url: receiver.origin })
    // Without a bell a look of its own finds each, 250 ms after the one that gave the lane back: the soonest of six took 123 ms,
    // and with a bell 8 ms. On a machine that is busy with something else one of many has to be soon.
    const latenciesMs: number[] = []
    while (latenciesMs.length < 20 && !latenciesMs.some(ms => ms < 75)) {
      const sentAt = performance.now()
      await api.ingest(id)
      await receiver.waitFor(latenciesMs.length + 1)
      latenciesMs.push((receiver.received.at(-1)?.at ?? 0) - sentAt)
      // A lane that was worked off is kept for a second.
      await eventually(
        () => systemOf(url),
        ({ backlog }) => backlog.lanes_leased === 0,
      )
    }
    const told = `a bell, not the next look: ${latenciesMs.map(Math.round)} ms`
    assert.ok(Math.min(...latenciesMs) < 75, told)
    const { missing, final } = await settledAudit(cluster.world)
    assert.deepEqual({ missing, final }, { missing: 0, final: latenciesMs.length })
  })

  test(`${engine}: without a worker events are accepted and kept; the first worker to come delivers them`, async t => {
    const settings = await settingsOf(engine, t)
    if (!settings) return
    await using receiver = await startReceiver()
    await using cluster = await testCluster(settings)
    const { url } = await cluster.start('api')
    const api = client(url)
    const { id } = await api.subscribe({ target_url: receiver.origin })
    for (let i = 0; i < 20; i++) await api.ingest(id)
    const { backlog } = await systemOf(url)
    assert.deepEqual([backlog.owed, backlog.lanes_due, backlog.owed_exact], [20, 1, true])
    assert.equal(receiver.received.length, 0)
    await cluster.start('worker')
    await receiver.waitFor(20)
    assert.equal((await settledAudit(cluster.world)).missing, 0)
  })

  test(`${engine}: what an api is told of a subscription, every worker goes by`, async t => {
    const settings = await settingsOf(engine, t)
    if (!settings) return
    await using first = await startReceiver()
    await using second = await startReceiver()
    await using cluster = await testCluster(settings)
    const { url } = await cluster.start('api')
    const api = client(url)
    await cluster.start('worker')
    await using witness = await startLaneWitness(url)
    const { id } = await api.subscribe({ target_url: first.origin })
    await api.ingest(id)
    await first.waitFor(1)
    assert.equal((await api.patch(id, { target_url: second.origin })).status, 200)
    // The worker hears of it a moment after its answer.
    await eventually(async () => {
      await api.ingest(id)
      return second.received.length > 0
    })
    await settledAudit(cluster.world)
    const [before, old] = [second.received.length, first.received.length]
    assert.equal((await api.post(`/subscriptions/${id}/pause`, '')).status, 200)
    // The worker gives the lane back, if it has it, when it hears of that; nobody leases one that is held.
    await eventually(async () => (await laneOf(cluster.world.database, id))?.owner === null)
    await api.ingest(id)
    await witness.lanesLookedAt()
    assert.deepEqual([second.received.length, first.received.length], [before, old])
    assert.equal((await api.post(`/subscriptions/${id}/resume`, '')).status, 200)
    await second.waitFor(before + 1)
  })

  test(`${engine}: processes that deliver never have more in flight together than a subscription allows`, async t => {
    const settings = await settingsOf(engine, t)
    if (!settings) return
    await using receiver = await startReceiver({ delayMs: 30 })
    await using cluster = await testCluster(settings)
    const urls = [
      (await cluster.start('all')).url,
      (await cluster.start('all')).url,
      (await cluster.start('all')).url,
    ] as const
    await acquainted(urls)
    const [first, third] = [client(urls[0]), client(urls[2])]
    const { id } = await first.subscribe({ target_url: receiver.origin, max_in_flight: 5 })
    await Promise.all([first.ingestMany(id, 40), third.ingestMany(id, 40)])
    await receiver.waitFor(80)
    assert.equal((await settledAudit(cluster.world)).missing, 0)
    assert.ok(receiver.mostAtOnce <= 5, `${receiver.mostAtOnce} at once`)
    assert.ok(receiver.mostAtOnce >= 3, `only ${receiver.mostAtOnce} at once`)
  })
}

test('a worker answers for itself, and takes no events', async () => {
  await using cluster = await testCluster()
  const { url } = await cluster.start('worker')
  const get = async (path: string) => (await fetch(`${url}${path}`)).status
  assert.deepEqual(
    [await get('/livez'), await get('/readyz'), await get('/system'), await get('/subscriptions/')],
    [200, 200, 200, 404],
  )
  assert.equal((await client(url).post('/ingest/1', '{}')).status, 404)
})

test('any process tells of all', async () => {
  await using cluster = await testCluster()
  const urls = [
    (await cluster.start('api')).url,
    (await cluster.start('worker')).url,
    (await cluster.start('all')).url,
  ]
  for (const url of urls) {
    const { processes, backlog, database } = await systemOf(url)
    assert.deepEqual(
      processes.map(({ role, engine, pid }) => [role, engine === 'unknown' || engine === 'postgres', pid]),
      ['api', 'worker', 'all'].map(role => [role, true, process.pid]),
    )
    assert.ok(processes.every(({ silent_seconds: silent }) => silent < 5))
    assert.equal(backlog.oldest_due_at, null)
    assert.match(database.version, /^\d+\.\d+/)
  }
})

test('the oldest of what is due is told, also while a worker is at it', async () => {
  await using receiver = await startReceiver({ fault: 'hang' })
  await using cluster = await testCluster({ SHUTDOWN_TIMEOUT_MS: '2000' })
  const { url } = await cluster.start('api')
  const api = client(url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 1 })
  for (let i = 0; i < 5; i++) await api.ingest(id)
  await cluster.start('worker')
  await receiver.waitFor(1)
  const { backlog } = await eventually(
    () => systemOf(url),
    report => report.backlog.oldest_due_seconds >= 0.5,
  )
  assert.deepEqual([backlog.owed, backlog.lanes_leased], [5, 1])
})
