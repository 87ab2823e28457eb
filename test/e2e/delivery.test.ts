import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { eventually } from '../support/eventually.ts'
import { startLaneWitness } from '../support/lane-witness.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

test('an event arrives as the exact bytes that were sent, whatever they are', async () => {
  await using receiver = await startReceiver({ status: 204 })
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: `${receiver.origin}/hooks?a=1&b=%20` })
  const bodies: [Buffer, string][] = [
    [Buffer.from('{ "b" : 1,\n\t"a":2 , "a":3}  '), 'application/json'],
    [Buffer.from('{"emoji":"🎉","escaped":"\\u00e9"}'), 'application/json; charset=utf-8'],
    [Buffer.from('1e400'), 'application/json'],
    [Buffer.from([0, 255, 254, 10, 13, 0]), 'application/x-own'],
    [Buffer.from('a=1&b=2'), 'application/x-www-form-urlencoded'],
    [Buffer.alloc(0), 'text/plain'],
    [Buffer.from(`"${'x'.repeat(1024 * 1024 - 2)}"`), 'application/json'],
  ]
  for (const [index, [body, contentType]] of bodies.entries()) {
    await api.ingest(id, body, { 'content-type': contentType })
    await receiver.waitFor(index + 1)
    const got = receiver.received[index]
    assert.ok(got)
    assert.ok(got.body.equals(body), `body ${index}`)
    assert.equal(got.headers['content-type'], contentType)
    assert.equal(got.method, 'POST')
    assert.equal(got.path, '/hooks?a=1&b=%20')
  }
})

test('every attempt is signed anew with the secret of its subscription and carries the same id', async () => {
  await using receiver = await startReceiver((_request, index) =>
    index === 0 ? { status: 500 } : { status: 200 },
  )
  await using world = await testService()
  const api = client(world.url)
  const { id, signing_secret } = await api.subscribe({ target_url: receiver.origin })
  const webhookId = await api.ingest(id, '{"n": 1 }')
  await receiver.waitFor(1)
  await eventually(
    () => api.logs(id),
    logs => logs.length === 1,
  )
  world.clock.advance(10_000)
  await receiver.waitFor(2)
  const [first, second] = receiver.received
  for (const got of [first, second]) {
    assert.ok(got)
    assert.equal(got.headers['webhook-id'], webhookId)
    assert.match(String(got.headers['user-agent']), /^webhook-delivery-service\//)
    const headers = {
      'webhook-id': String(got.headers['webhook-id']),
      'webhook-timestamp': String(got.headers['webhook-timestamp']),
      'webhook-signature': String(got.headers['webhook-signature']),
    }
    assert.deepEqual(new Webhook(signing_secret).verify(got.body, headers), { n: 1 })
  }
  assert.notEqual(first?.headers['webhook-timestamp'], second?.headers['webhook-timestamp'])
})

test('the status is pending at once after the 202, and success with its attempt after the delivery', async () => {
  const { promise: seen, resolve: answer } = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ status: 200, after: seen })
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const webhookId = await api.ingest(id)
  const before = await api.status(webhookId)
  assert.equal(before.status, 'pending')
  assert.deepEqual(before.deliveries[0]?.attempts, [])
  answer()
  const after = await eventually(
    () => api.status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(after.status, 'success')
  const [attempt] = after.deliveries[0]?.attempts ?? []
  assert.equal(attempt?.attempt, 1)
  assert.equal(attempt?.http_status, 200)
  assert.equal(attempt?.error, null)
})

test('five attempts fail at 0, 10, 30, 70 and 150 seconds, and then it is given up', async () => {
  await using receiver = await startReceiver({ status: 503, body: 'down for maintenance' })
  await using world = await testService()
  world.clock.freeze()
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const webhookId = await api.ingest(id)
  for (const [index, seconds] of [10, 20, 40, 80].entries()) {
    const logs = await eventually(
      () => api.logs(id),
      rows => rows.length === index + 1,
    )
    const [newest] = logs
    assert.ok(newest?.next_attempt_at)
    const delayMs = Date.parse(newest.next_attempt_at) - Date.parse(newest.timestamp)
    assert.equal(Math.round(delayMs / 1000), seconds)
    world.clock.advance(Date.parse(newest.next_attempt_at) - world.clock.now() - 1)
    await witness.lanesLookedAt()
    assert.equal(receiver.received.length, index + 1, 'never early')
    world.clock.advance(1)
    await receiver.waitFor(index + 2)
  }
  const status = await eventually(
    () => api.status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(status.status, 'failed')
  assert.deepEqual(
    status.deliveries[0]?.attempts.map(attempt => [
      attempt.attempt,
      attempt.status,
      attempt.verdict,
      attempt.http_status,
    ]),
    [1, 2, 3, 4, 5].map(n => [n, 'failed', n === 5 ? 'given_up' : 'retry', 503]),
  )
  assert.equal(status.deliveries[0]?.attempts[0]?.error, 'down for maintenance')
  world.clock.advance(3_600_000)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 5, 'exactly five')
})

test('a later success ends a delivery that failed at first', async () => {
  await using receiver = await startReceiver((_request, index) => ({ status: index < 2 ? 500 : 200 }))
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    retry: { schedule_seconds: [0], max_attempts: 4 },
  })
  const webhookId = await api.ingest(id)
  const status = await eventually(
    () => api.status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(status.status, 'success')
  assert.deepEqual(
    status.deliveries[0]?.attempts.map(attempt => attempt.status),
    ['failed', 'failed', 'success'],
  )
})

test('what receivers do wrong is a failed attempt that says so', async () => {
  const table = [
    { behaviour: { fault: 'hang' }, http: null, error: /within 300 ms/ },
    { behaviour: { fault: 'reset' }, http: null, error: /./ },
    { behaviour: { fault: 'garbage' }, http: null, error: /./ },
    {
      behaviour: { status: 302, headers: { location: 'http://elsewhere.test/' } },
      http: 302,
      error: /redirect not followed.*elsewhere/,
    },
    { behaviour: { status: 404, body: 'no such hook' }, http: 404, error: /no such hook/ },
  ] as const
  await using receiver = await startReceiver((_request, index) => table[index]?.behaviour ?? {})
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    timeout_ms: 300,
    retry: { max_attempts: 1 },
  })
  for (const { http, error } of table) {
    const webhookId = await api.ingest(id)
    const status = await eventually(
      () => api.status(webhookId),
      answer => answer.status !== 'pending',
    )
    const [attempt] = status.deliveries[0]?.attempts ?? []
    assert.equal(attempt?.status, 'failed')
    assert.equal(attempt?.http_status, http)
    assert.match(attempt?.error ?? '', error)
    await api.patch(id, { timeout_ms: 20_000 }) // the others answer: a machine that stands still for a moment is no fault
  }
  assert.equal(receiver.received.length, table.length, 'no redirect was followed, nothing was tried twice')
})

test('a dead host is a failed attempt, and it is retried', async () => {
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/' })
  const webhookId = await api.ingest(id)
  const status = await eventually(
    () => api.status(webhookId),
    answer => answer.deliveries[0]?.attempts.length === 1,
  )
  assert.equal(status.status, 'pending')
  assert.ok(status.deliveries[0]?.next_attempt_at)
  assert.match(status.deliveries[0]?.attempts[0]?.error ?? '', /ECONNREFUSED/)
})

test('events of a paused subscription are kept and delivered when it is resumed', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  await using witness = await startLaneWitness(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, paused: true })
  const webhookId = await api.ingest(id)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 0)
  assert.equal((await api.status(webhookId)).status, 'pending')
  await api.patch(id, { paused: false })
  await receiver.waitFor(1)
  await eventually(
    () => api.status(webhookId),
    answer => answer.status === 'success',
  )
})

test('deleting a subscription cancels what it is owed, and its log stays', async () => {
  await using receiver = await startReceiver({ status: 500 })
  await using world = await testService()
  await using witness = await startLaneWitness(world.url)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const webhookId = await api.ingest(id)
  await eventually(
    () => api.logs(id),
    logs => logs.length === 1,
  )
  assert.equal((await fetch(`${world.url}/subscriptions/${id}`, { method: 'DELETE' })).status, 204)
  const status = await eventually(
    () => api.status(webhookId),
    answer => answer.status !== 'pending',
  )
  assert.equal(status.status, 'cancelled')
  // It is cancelled from the moment of the deletion on; its row of the log follows.
  const logs = await eventually(
    () => api.logs(id),
    answer => answer.length === 2,
  )
  assert.deepEqual(
    logs.map(log => log.verdict),
    ['cancelled', 'retry'],
  )
  world.clock.advance(3_600_000)
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 1, 'no further attempts')
})

test('what a deleted subscription is owed ends at once: what waits in memory, and what fails afterwards', async () => {
  const answering = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ status: 500, after: answering.promise })
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 2 })
  const events = await Promise.all(Array.from({ length: 10 }, () => api.ingest(id)))
  await receiver.waitFor(2)
  assert.equal((await fetch(`${world.url}/subscriptions/${id}`, { method: 'DELETE' })).status, 204)
  const { database } = world.world
  const laneIsGone = async () =>
    (await database.query({ text: 'select from lanes where subscription_id = $1', values: [id] }))
      .rowCount === 0
  const owedRows = async () => (await database.query({ text: 'select from owed' })).rowCount
  await eventually(async () => (await owedRows()) === 2 && (await laneIsGone()))
  const waiting = await Promise.all(events.map(event => api.status(event)))
  assert.ok(waiting.every(({ deliveries }) => deliveries[0]?.next_attempt_at === null))
  answering.resolve()
  await eventually(async () => (await owedRows()) === 0 && (await laneIsGone()))
  for (const event of events) assert.equal((await api.status(event)).status, 'cancelled')
  assert.equal(receiver.received.length, 2, 'no further attempts')
})

test('a slow endpoint with a backlog leaves the others alone', async () => {
  await using slow = await startReceiver({ fault: 'hang' })
  await using fast = await startReceiver({ status: 204 })
  // What hangs is cut off at the end, and not waited for.
  await using world = await testService({ SHUTDOWN_TIMEOUT_MS: '2000' })
  const api = client(world.url)
  const bad = { timeout_ms: 30_000, max_in_flight: 3, event_types: ['bad'] }
  await api.subscribe({ target_url: slow.origin, ...bad })
  const good = await api.subscribe({ target_url: fast.origin, event_types: ['good'] })
  await api.publishMany(500, 'bad')
  const typed = { 'content-type': 'application/json', 'x-event-type': 'good' }
  for (let n = 0; n < 20; n++) await api.ingest(good.id, '{}', typed)
  await fast.waitFor(20, 28_000)
  // Each attempt at the slow one takes 30 s: the others have not waited for them.
  assert.ok(slow.mostAtOnce <= 3, `at most 3 at once, got ${slow.mostAtOnce}`)
})
