import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { atLength } from '../support/length.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit } from '../support/service.ts'

/** Sends until told to stop; remembers what was accepted. A cut connection is not an answer. */
function keepSending(url: string, id: number, senders: number) {
  const accepted: string[] = []
  let running = true
  const api = client(url)
  const done = Promise.all(
    Array.from({ length: senders }, async () => {
      while (running) {
        try {
          accepted.push(await api.ingest(id))
        } catch {
          await sleep(5)
        }
      }
    }),
  )
  const stop = async () => {
    running = false
    await done
  }
  return { accepted, stop, [Symbol.asyncDispose]: stop }
}

test('kill -9 under load, again and again: every accepted event is delivered, and the audit finds nothing missing', async () => {
  await using receiver = await startReceiver({ status: 204, delayMs: 5 })
  await using world = await processWorld({ SUBSCRIPTION_MAX_IN_FLIGHT: '50' })
  const accepted: string[] = []
  let id = 0
  for (let life = 0; life < atLength(3, 1); life++) {
    const service = await world.start()
    if (id === 0) id = (await client(service.url).subscribe({ target_url: receiver.origin })).id
    await using load = keepSending(service.url, id, 16)
    await eventually(() => load.accepted.length > 200)
    service.child.kill('SIGKILL')
    await once(service.child, 'exit')
    await load.stop()
    accepted.push(...load.accepted)
  }
  const service = await world.start()
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  assert.ok(
    report.events >= accepted.length,
    'what was accepted is stored (and perhaps what nobody heard of)',
  )
  const received = receiver.received.map(got => String(got.headers['webhook-id']))
  const seen = new Set(received)
  assert.deepEqual(
    accepted.filter(webhookId => !seen.has(webhookId)),
    [],
  )
  assert.equal(await service.end('SIGTERM'), 0)
})

/** A process of another host that says nothing from its beginning on. */
const silentProcess = `insert into processes (host, pid, role, version) values ('elsewhere', 1, 'api', '1')`

test('another process on the same database finds out at once that one died, and its deliveries go on', async () => {
  await using receiver = await startReceiver((_request, index) => (index < 4 ? { fault: 'hang' } : {}))
  await using world = await processWorld({ SUBSCRIPTION_MAX_IN_FLIGHT: '20' })
  const first = await world.start()
  const second = await world.start()
  const api = client(first.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const ids = await Promise.all(Array.from({ length: 50 }, () => api.ingest(id)))
  await receiver.waitFor(4)
  const { database } = world.world
  const heartbeat = async () => {
    const text = 'select heartbeat_at::text as at from processes where pid = $1'
    return (await database.query<{ at: string }>({ text, values: [first.child.pid] })).rows[0]?.at
  }
  await database.query({ text: silentProcess })
  const before = await heartbeat()
  await eventually(heartbeat, at => at !== before) // so the other one is silent for longer
  first.child.kill('SIGKILL')
  await eventually(() => second.output().includes('recovered what a dead process held'))
  const { rowCount } = await database.query({ text: `select from processes where host = 'elsewhere'` })
  assert.equal(rowCount, 1, 'not by the silence after which any process is dead')
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  const delivered = new Set(receiver.received.slice(4).map(got => String(got.headers['webhook-id'])))
  assert.deepEqual(
    ids.filter(webhookId => !delivered.has(webhookId)),
    [],
  )
  await second.end('SIGTERM')
})

test('two processes share the lanes of one database without sending anything twice', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld()
  const [first, second] = [await world.start(), await world.start()]
  const { id } = await client(first.url).subscribe({ target_url: receiver.origin, paused: true })
  const both = [client(first.url), client(second.url)]
  const ids = await Promise.all(Array.from({ length: 300 }, (_, n) => both[n % 2]?.ingest(id)))
  await both[1]?.patch(id, { paused: false })
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  assert.equal(receiver.received.length, ids.length)
  await Promise.all([first.end('SIGTERM'), second.end('SIGTERM')])
})

test('work that is pending at a stop goes on at the next start', async () => {
  let up = false
  await using receiver = await startReceiver(() => ({ status: up ? 200 : 500 }))
  await using world = await processWorld()
  const first = await world.start()
  const api = client(first.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    retry: { schedule_seconds: [1], max_attempts: 20 },
  })
  const webhookId = await api.ingest(id)
  await receiver.waitFor(1)
  assert.equal(await first.end('SIGTERM'), 0)
  up = true
  const second = await world.start()
  const status = await eventually(
    () => client(second.url).status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(status.status, 'success')
  assert.ok((status.deliveries[0]?.attempts.length ?? 0) >= 2)
  await second.end('SIGTERM')
})

test('SIGTERM finishes what is in flight, hands back the rest, and loses nothing', async () => {
  await using receiver = await startReceiver({ delayMs: 400 })
  await using world = await processWorld({ SUBSCRIPTION_MAX_IN_FLIGHT: '5' })
  const service = await world.start()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  await Promise.all(Array.from({ length: 40 }, () => api.ingest(id)))
  await receiver.waitFor(4)
  assert.equal(await service.end('SIGTERM'), 0)
  assert.ok(receiver.received.length < 40, 'it did not wait for the whole backlog')
  const again = await world.start()
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  assert.equal(receiver.received.length, 40, 'nothing was sent twice')
  await again.end('SIGTERM')
})

test('a receiver that hangs does not hold up a stop for longer than its timeout, and its delivery stays owed', async () => {
  await using receiver = await startReceiver((_request, index) => (index === 0 ? { fault: 'hang' } : {}))
  await using world = await processWorld({ SHUTDOWN_TIMEOUT_MS: '6000' })
  const service = await world.start()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, timeout_ms: 30_000 })
  const webhookId = await api.ingest(id)
  await receiver.waitFor(1)
  const askedAt = performance.now()
  assert.equal(await service.end('SIGTERM'), 0)
  assert.ok(performance.now() - askedAt < 28_000, 'the attempt alone would have taken 30 s')
  const again = await world.start()
  const status = await eventually(
    () => client(again.url).status(webhookId),
    answer => answer.status === 'success',
  )
  assert.equal(status.deliveries[0]?.attempts[0]?.attempt, 1, 'the cut attempt was not counted')
  await again.end('SIGTERM')
})

test('a second signal leaves at once', async () => {
  await using receiver = await startReceiver({ fault: 'hang' })
  await using world = await processWorld({ LOG_LEVEL: 'info', SHUTDOWN_TIMEOUT_MS: '60000' })
  const service = await world.start()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, timeout_ms: 30_000 })
  await api.ingest(id)
  await receiver.waitFor(1)
  service.child.kill('SIGTERM')
  await eventually(() => service.output().includes('stopping; a second signal leaves at once'))
  await new Promise(resolve => setTimeout(resolve, 700)) // sooner it counts as one request with the first
  const askedAt = performance.now()
  assert.equal(await service.end('SIGTERM'), 143)
  assert.ok(performance.now() - askedAt < 28_000, 'it waited for nothing')
})
