import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startLaneWitness } from '../support/lane-witness.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, settledAudit, testService } from '../support/service.ts'

interface SubscriptionState {
  readonly state: string
  readonly state_reason: string | null
}

async function stateOf(url: string, id: number): Promise<SubscriptionState> {
  return (await (await fetch(`${url}/subscriptions/${id}`)).json()) as SubscriptionState // as openapi.json has it
}

test('Retry-After pauses the subscription, not only the delivery, and costs no attempt', async () => {
  let limited = true
  await using receiver = await startReceiver(() =>
    limited ? { status: 429, headers: { 'retry-after': '60' } } : { status: 200 },
  )
  await using world = await testService()
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const first = await api.ingest(id)
  await eventually(
    () => api.logs(id),
    logs => logs.length === 1,
  )
  const second = await api.ingest(id)
  await witness.lanesLookedAt()
  world.clock.advance(30_000)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 1, 'neither the retry after 10 s nor the new event')
  limited = false
  world.clock.advance(31_000)
  for (const webhookId of [first, second]) {
    const status = await eventually(
      () => api.status(webhookId),
      answer => answer.status === 'success',
    )
    assert.equal(status.deliveries[0]?.attempts.at(-1)?.attempt, webhookId === first ? 2 : 1)
  }
})

test('410 ends the delivery and disables the subscription; what comes is kept, and resuming delivers it', async () => {
  let gone = true
  await using receiver = await startReceiver(() => ({ status: gone ? 410 : 200 }))
  await using world = await testService()
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const first = await api.ingest(id)
  assert.equal(
    (
      await eventually(
        () => api.status(first),
        answer => answer.status !== 'pending',
      )
    ).status,
    'failed',
  )
  const { state_reason } = await eventually(
    () => stateOf(world.url, id),
    answer => answer.state === 'disabled',
  )
  assert.match(state_reason ?? '', /410/)
  const second = await api.ingest(id)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 1)
  gone = false
  const resumed = await api.post(`/subscriptions/${id}/resume`, '')
  assert.equal(resumed.status, 200)
  await eventually(
    () => api.status(second),
    answer => answer.status === 'success',
  )
  assert.equal((await stateOf(world.url, id)).state, 'active')
})

test('a terminal status gives up at once', async () => {
  await using receiver = await startReceiver({ status: 422 })
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, retry: { terminal_statuses: [422] } })
  const webhookId = await api.ingest(id)
  const status = await eventually(
    () => api.status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(status.status, 'failed')
  assert.equal(status.deliveries[0]?.attempts.length, 1)
})

test('the circuit opens after enough failures, holds everything back, probes once, and closes on a success', async () => {
  let up = false
  await using receiver = await startReceiver(() => ({ status: up ? 200 : 500 }))
  await using world = await testService({ CIRCUIT_FAILURES: '10', CIRCUIT_COOLDOWN_SECONDS: '60' })
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 1 })
  for (let n = 0; n < 30; n++) await api.ingest(id)
  await eventually(
    () => stateOf(world.url, id),
    answer => answer.state === 'circuit_open',
  )
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 10, 'nothing more once it is open')
  world.clock.advance(61_000)
  await receiver.waitFor(11)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 11, 'a single probe, and it failed')
  up = true
  world.clock.advance(121_000)
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  assert.equal(report.final, 30 + witness.events)
  assert.equal(
    (
      await eventually(
        () => stateOf(world.url, id),
        answer => answer.state === 'active',
      )
    ).state,
    'active',
  )
  const { rows } = await world.world.database.query<{ verdict: string }>({
    text: "select distinct verdict::text from delivery_logs where verdict in ('given_up', 'expired')",
  })
  assert.deepEqual(rows, [], 'waiting for the circuit spent no attempts')
})

test('a rate limit spreads a burst over time', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  world.clock.freeze()
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    rate_limit: { requests: 5, per_seconds: 1 },
  })
  await Promise.all(Array.from({ length: 12 }, () => api.ingest(id)))
  await receiver.waitFor(5)
  for (const [seconds, most] of [
    [0, 5],
    [1, 10],
    [1, 12],
  ] as const) {
    world.clock.advance(seconds * 1000)
    await receiver.waitFor(most)
    await witness.lanesLookedAt()
    assert.equal(receiver.received.length, most, 'five at once, and five more each second')
  }
})

test('ordered delivery: one at a time in order of acceptance, and one that fails holds those behind it', async () => {
  let isFailing = true
  await using receiver = await startReceiver(request => {
    const { n } = JSON.parse(request.body.toString())
    return n === 3 && isFailing ? { status: 500 } : { status: 200, delayMs: n % 3 }
  })
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    ordered: true,
    retry: { schedule_seconds: [1], max_attempts: 50 },
  })
  const ids: string[] = []
  for (let n = 0; n < 10; n++) ids.push(await api.ingest(id, JSON.stringify({ n })))
  const failed = await eventually(
    () => api.status(ids[3] ?? ''),
    // What is owed is read before the attempts: an answer between the two has the time at which the row was new.
    ({ deliveries: [delivery] }) =>
      delivery?.attempts[0] !== undefined &&
      delivery.next_attempt_at === delivery.attempts.at(-1)?.next_attempt_at,
  )
  assert.notEqual(failed.deliveries[0]?.next_attempt_at, null, 'the head is tried then')
  await receiver.waitFor(5)
  isFailing = false
  const report = await settledAudit(world.world)
  assert.equal(report.final, 10)
  const order = receiver.received.map(request => JSON.parse(request.body.toString()).n)
  assert.deepEqual(order.slice(0, 5), [0, 1, 2, 3, 3])
  const once = order.filter((n, index) => n !== 3 || order[index - 1] !== 3)
  assert.deepEqual(once, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(receiver.mostAtOnce, 1)
})

test('sixty hanging receivers with a backlog do not keep a healthy one waiting', async () => {
  await using hanging = await startReceiver({ fault: 'hang' })
  await using healthy = await startReceiver()
  // What hangs is cut off at the end, and not waited for.
  await using world = await testService({ MAX_IN_FLIGHT: '300', SHUTDOWN_TIMEOUT_MS: '2000' })
  const api = client(world.url)
  const good = await api.subscribe({ target_url: healthy.origin, event_types: ['good'] })
  for (let n = 0; n < 60; n++)
    await api.subscribe({ target_url: hanging.origin, timeout_ms: 30_000, event_types: ['bad'] })
  await api.publishMany(15, 'bad')
  const typed = { 'content-type': 'application/json', 'x-event-type': 'good' }
  for (let n = 0; n < 10; n++) await api.ingest(good.id, '{}', typed)
  await healthy.waitFor(10, 28_000) // a hanging one holds its slots for 30 s
})

test('the preset standard makes ten attempts over three days, also beyond the retention', async () => {
  await using receiver = await startReceiver({ status: 500 })
  await using world = await testService({ CIRCUIT_FAILURES: '0' })
  const api = client(world.url)
  const answer = await api.post(
    '/subscriptions/',
    JSON.stringify({ target_url: receiver.origin, retry: { preset: 'standard' } }),
    { 'content-type': 'application/json' },
  )
  const { id, retry } = (await answer.json()) as {
    id: number
    retry: { max_attempts: number; schedule_seconds: number[] }
  } // openapi.json
  assert.equal(retry.max_attempts, 10)
  assert.deepEqual(retry.schedule_seconds, [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400])
  const webhookId = await api.ingest(id)
  for (const [index, seconds] of retry.schedule_seconds.entries()) {
    await eventually(
      () => api.logs(id),
      logs => logs.length === index + 1,
    )
    world.clock.advance(seconds * 1100 + 1000)
    await receiver.waitFor(index + 2)
  }
  const status = await eventually(
    () => api.status(webhookId),
    answered => answered.status !== 'pending',
  )
  assert.equal(status.status, 'failed')
})
