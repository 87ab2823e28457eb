import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { httpHint } from '../../src/destinations/http/http-destination.ts'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { readLogPage } from '../../src/monitor/monitor.ts'
import { Attempt, EventStatus } from '../../src/monitor/schema.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
const newId = uuidV7Source(systemClock())
const attemptSchema = Compile(Attempt)
const statusSchema = Compile(EventStatus)

/** Numbers that no other test uses. */
let lastSubscription = 1000
const newSubscription = () => ++lastSubscription

async function accept(subscriptionIds: readonly number[], table = 'events'): Promise<Uuid> {
  const id = newId()
  const columns = '(webhook_id, tenant, event_type, content_type, payload, subscription_ids)'
  await database.query({
    text: `insert into ${table} ${columns} values ($1, 'default', 'order.created', 'application/json', '{"a":1}', $2)`,
    values: [id, subscriptionIds],
  })
  return id
}

/** @param owner the process that holds it in memory; null: it waits in its lane */
async function owe(
  webhookId: Uuid,
  subscriptionId: number,
  dueAt: string,
  owner: number | null = null,
): Promise<void> {
  await database.query({
    text: 'insert into owed (webhook_id, subscription_id, due_at, size_bytes, owner) values ($1, $2, $3, 7, $4)',
    values: [webhookId, subscriptionId, dueAt, owner],
  })
}

/** The subscription is there, in this state. */
async function subscribe(subscriptionId: number, state = 'active', paused = false): Promise<void> {
  await database.query({
    text: `insert into subscriptions (id, target_url, signing_secrets, state, paused)
           values ($1, 'http://127.0.0.1:9/', '[]', $2, $3)`,
    values: [subscriptionId, state, paused],
  })
}

async function attempt(
  webhookId: Uuid,
  subscriptionId: number,
  number: number,
  verdict: string,
): Promise<Uuid> {
  const id = newId()
  const status = verdict === 'delivered' ? 'success' : 'failed'
  await database.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict, http_status, duration_ms)
           values ($1, $2, $3, $4, $5, $6, $7, 12)`,
    values: [id, subscriptionId, webhookId, number, status, verdict, status === 'success' ? 200 : 500],
  })
  return id
}

function statusOf(answer: TestAnswer): EventStatus {
  assert.equal(answer.status, 200, answer.text)
  assert.ok(statusSchema.Check(answer.json), answer.text)
  return answer.json
}

function logOf(answer: TestAnswer): readonly Attempt[] {
  assert.equal(answer.status, 200, answer.text)
  return (answer.json as readonly unknown[]).map(row => {
    assert.ok(attemptSchema.Check(row), answer.text)
    return row
  })
}

test('an event is pending from the moment it is accepted', async () => {
  const subscription = newSubscription()
  await subscribe(subscription)
  const id = await accept([subscription])
  await owe(id, subscription, '2030-01-01T00:00:00Z')
  const status = statusOf(await server.request(`/status/${id}/`))
  assert.equal(status.status, 'pending')
  assert.equal(status.size_bytes, 7)
  assert.equal(status.event_type, 'order.created')
  assert.ok(Math.abs(Date.parse(status.received_at) - Date.now()) < 60_000)
  assert.deepEqual(status.deliveries, [
    {
      subscription_id: subscription,
      status: 'pending',
      attempts: [],
      next_attempt_at: '2030-01-01T00:00:00.000Z',
    },
  ])
})

test('what waits for a lane that is closed is tried when that opens, if it is not due later', async () => {
  const [closed, open] = [newSubscription(), newSubscription()]
  for (const [subscription, until] of [
    [closed, '2030-01-02T00:00:00Z'],
    [open, '2029-12-31T00:00:00Z'],
  ] as const) {
    await subscribe(subscription)
    await database.query({
      text: 'insert into lanes (subscription_id, open_until) values ($1, $2)',
      values: [subscription, until],
    })
  }
  const id = await accept([closed, open])
  for (const subscription of [closed, open]) await owe(id, subscription, '2030-01-01T00:00:00Z')
  const { deliveries } = statusOf(await server.request(`/status/${id}`))
  assert.deepEqual(
    deliveries.map(delivery => delivery.next_attempt_at),
    ['2030-01-02T00:00:00.000Z', '2030-01-01T00:00:00.000Z'],
  )
})

test('a delivery of a paused, disabled or deleted subscription has no next attempt; of a deleted one it has ended', async () => {
  const [active, circuitOpen, paused, disabled, deleted, underWay] = Array.from(
    { length: 6 },
    newSubscription,
  )
  assert.ok(active && circuitOpen && paused && disabled && deleted && underWay)
  await subscribe(active)
  await subscribe(circuitOpen, 'circuit_open')
  await subscribe(paused, 'paused', true)
  await subscribe(disabled, 'disabled')
  const all = [active, circuitOpen, paused, disabled, deleted, underWay]
  const id = await accept(all)
  const past = '2020-01-01T00:00:00.000Z'
  for (const subscription of all) await owe(id, subscription, past, subscription === underWay ? 1 : null)
  const { deliveries } = statusOf(await server.request(`/status/${id}`))
  assert.deepEqual(
    deliveries.map(delivery => [delivery.status, delivery.next_attempt_at]),
    [
      ['pending', past],
      ['pending', past],
      ['pending', null],
      ['pending', null],
      ['cancelled', null],
      ['pending', null],
    ],
  )
})

test('each delivery is as its last verdict says, and the event as the worst of them', async () => {
  const [given, done, expired, cancelled] = [1, 2, 3, 4].map(newSubscription) as [
    number,
    number,
    number,
    number,
  ] // four
  const id = await accept([given, done, expired, cancelled])
  await attempt(id, given, 1, 'retry')
  await attempt(id, given, 2, 'given_up')
  await attempt(id, done, 1, 'delivered')
  await attempt(id, expired, 1, 'expired')
  await attempt(id, cancelled, 1, 'cancelled')
  const status = statusOf(await server.request(`/status/${id}`))
  assert.equal(status.status, 'failed')
  assert.deepEqual(
    status.deliveries.map(delivery => delivery.status),
    ['failed', 'success', 'failed', 'cancelled'],
  )
  assert.deepEqual(
    status.deliveries[0]?.attempts.map(row => [row.attempt, row.http_status]),
    [
      [1, 500],
      [2, 500],
    ],
  )
})

test('a replay makes a delivery pending again, and its end decides anew', async () => {
  const subscription = newSubscription()
  await subscribe(subscription)
  const id = await accept([subscription])
  await attempt(id, subscription, 5, 'given_up')
  await owe(id, subscription, '2030-01-01T00:00:00Z')
  assert.equal(statusOf(await server.request(`/status/${id}`)).status, 'pending')
  await database.query({ text: 'delete from owed where webhook_id = $1', values: [id] })
  await attempt(id, subscription, 6, 'delivered')
  assert.equal(statusOf(await server.request(`/status/${id}`)).status, 'success')
})

test('an event that nobody wanted, or whose deliveries were all cancelled, has an end too', async () => {
  assert.equal(statusOf(await server.request(`/status/${await accept([])}`)).status, 'success')
  const subscription = newSubscription()
  const id = await accept([subscription])
  await attempt(id, subscription, 1, 'cancelled')
  assert.equal(statusOf(await server.request(`/status/${id}`)).status, 'cancelled')
})

test('an event carried beyond its partition tells of what is still owed only', async () => {
  const [owed, settledLongAgo] = [newSubscription(), newSubscription()]
  const id = await accept([owed, settledLongAgo], 'events_carried')
  await owe(id, owed, '2030-01-01T00:00:00Z')
  const { deliveries } = statusOf(await server.request(`/status/${id}`))
  assert.deepEqual(
    deliveries.map(delivery => delivery.subscription_id),
    [owed],
  )
})

test('the answer is bounded, however many attempts there are, and the end is still right', async () => {
  const [busy, done] = [newSubscription(), newSubscription()]
  const id = await accept([busy, done])
  await attempt(id, done, 1, 'delivered')
  await database.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict)
           select (overlay($1::text placing to_hex(4096 + n) from 25 for 4))::uuid, $2, $3, n, 'failed', 'retry'
           from generate_series(1, 1100) n`,
    values: [newId(), busy, id],
  })
  await attempt(id, busy, 1101, 'given_up')
  const { deliveries } = statusOf(await server.request(`/status/${id}`))
  assert.deepEqual(
    deliveries.map(delivery => delivery.status),
    ['failed', 'success'],
  )
  assert.equal(deliveries[0]?.attempts.at(-1)?.attempt, 1101)
  assert.ok(deliveries.flatMap(delivery => delivery.attempts).length <= 1000)
})

test('an unknown event is 404, what is no UUID 422', async () => {
  for (const id of [newId(), '00000000-0000-0000-0000-000000000000', crypto.randomUUID()]) {
    assert.equal((await server.request(`/status/${id}`)).status, 404)
  }
  const known = await accept([])
  assert.equal((await server.request(`/status/${known.toUpperCase()}`)).status, 200)
  for (const id of ['abc', '1', `${known}0`, known.replaceAll('-', '')]) {
    assert.equal((await server.request(`/status/${id}`)).status, 422)
  }
})

test('a log is newest first, and its pages hold each row once while new ones come', async () => {
  const subscription = newSubscription()
  const id = await accept([subscription])
  const other = newSubscription()
  for (let n = 1; n <= 5; n++) {
    await attempt(id, subscription, n, 'retry')
    await attempt(id, other, n, 'retry')
  }
  const first = await server.request(`/logs/${subscription}?limit=2`)
  assert.deepEqual(
    logOf(first).map(row => row.attempt),
    [5, 4],
  )
  await attempt(id, subscription, 6, 'delivered')
  const link = (answer: TestAnswer) =>
    /^<(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? ''
  const second = await server.request(link(first))
  assert.deepEqual(
    logOf(second).map(row => row.attempt),
    [3, 2],
  )
  const third = await server.request(link(second))
  assert.deepEqual(
    logOf(third).map(row => row.attempt),
    [1],
  )
  assert.equal(third.headers.get('link'), null)
})

test('a log can be narrowed to one event and one status, on every page', async () => {
  const subscription = newSubscription()
  const [one, other] = [await accept([subscription]), await accept([subscription])]
  for (const id of [one, other]) {
    for (let n = 1; n <= 3; n++) await attempt(id, subscription, n, 'retry')
    await attempt(id, subscription, 4, 'delivered')
  }
  const narrowed = `/logs/${subscription}?webhook_id=${one}&status=failed&limit=2`
  const answer = await server.request(narrowed)
  assert.deepEqual(
    logOf(answer).map(row => [row.webhook_id, row.attempt]),
    [
      [one, 3],
      [one, 2],
    ],
  )
  const next = await server.request(`${narrowed}&cursor=${answer.headers.get('x-next-cursor')}`)
  assert.equal(logOf(next).length, 1)
  assert.equal(logOf(await server.request(`/logs/${subscription}?status=success`)).length, 2)
  for (const query of ['status=pending', 'webhook_id=1', 'limit=251', 'from=1']) {
    assert.equal((await server.request(`/logs/${subscription}?${query}`)).status, 422, query)
  }
})

test('the attempts of one status are looked for in a bounded part of the log at a time', async () => {
  const subscription = newSubscription()
  const id = await accept([subscription])
  await attempt(id, subscription, 1, 'retry')
  await database.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict)
           select (overlay($1::text placing to_hex(4096 + n) from 25 for 4))::uuid, $2, $3, n, 'success', 'delivered'
           from generate_series(1, 25) n`,
    values: [newId(), subscription, id],
  })
  await attempt(id, subscription, 99, 'given_up')
  const query = { subscriptionId: subscription, limit: 5, status: 'failed' } as const
  const found: number[] = []
  let pages = 0
  for (let before: Uuid | undefined; ; pages++) {
    const page = await readLogPage({ database, hint: httpHint }, Reach.all, { ...query, before }, 10)
    found.push(...(page?.attempts ?? []).map(row => row.attempt))
    before = page?.next
    if (before === undefined) break
  }
  assert.deepEqual(found, [99, 1])
  assert.equal(pages, 2)
})

test('a log is unknown only when neither the subscription nor a row of it is there', async () => {
  const { id } = await server.subscriptions.create(localOperator, { target_url: 'https://example.com/' })
  assert.deepEqual(logOf(await server.request(`/logs/${id}`)), [])
  const event = await accept([id])
  await attempt(event, id, 1, 'delivered')
  await server.subscriptions.remove(localOperator, id)
  assert.equal(logOf(await server.request(`/logs/${id}/`)).length, 1)
  assert.deepEqual(logOf(await server.request(`/logs/${id}?status=failed`)), [])
  assert.equal((await server.request('/logs/999999')).status, 404)
  assert.equal((await server.request('/logs/99999999999')).status, 404)
  assert.equal((await server.request('/logs/x')).status, 422)
})

test('a log shows 20 rows unless asked for more', async () => {
  const subscription = newSubscription()
  const id = await accept([subscription])
  for (let n = 1; n <= 21; n++) await attempt(id, subscription, n, 'retry')
  assert.equal(logOf(await server.request(`/logs/${subscription}`)).length, 20)
  assert.equal(logOf(await server.request(`/logs/${subscription}?limit=250`)).length, 21)
})
