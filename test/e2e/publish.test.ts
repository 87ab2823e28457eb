import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audit } from '../../src/monitor/audit.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { atLength } from '../support/length.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, testService } from '../support/service.ts'

interface PublishedAnswer {
  readonly webhook_id: string
  readonly deliveries: number
}

async function publish(
  url: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
  query = '',
): Promise<PublishedAnswer> {
  const answer = await client(url).post(`/events${query}`, body, headers)
  assert.equal(answer.status, 202, await answer.clone().text())
  return (await answer.json()) as PublishedAnswer // as openapi.json has it
}

test('one event arrives at every subscription that wants it, byte for byte with one id', async () => {
  await using receivers = await several(3)
  await using other = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  for (const { origin } of receivers.all)
    await api.subscribe({ target_url: origin, event_types: ['order.paid'] })
  await api.subscribe({ target_url: other.origin, event_types: ['order.created'] })
  const body = Buffer.from('{ "b" : 1,\n\t"a":2 , "a":3}  ')
  const headers = { 'content-type': 'Application/JSON; charset=utf-8', 'x-event-type': 'order.paid' }
  const { webhook_id, deliveries } = await publish(world.url, body, headers)
  assert.equal(deliveries, 3)
  for (const receiver of receivers.all) {
    await receiver.waitFor(1)
    const [got] = receiver.received
    assert.ok(got)
    assert.ok(got.body.equals(body))
    assert.equal(got.headers['webhook-id'], webhook_id)
    assert.equal(got.headers['content-type'], headers['content-type'])
    assert.equal(got.headers['x-event-type'], 'order.paid')
  }
  assert.equal(other.received.length, 0)
})

test('a scheduled event arrives when it is due, and not before; a cancelled one never', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const inAnHour = new Date(world.clock.now() + 3_600_000).toISOString()
  const later = await publish(world.url, '{"n":1}', { 'x-deliver-at': inAnHour, 'x-metadata-region': 'eu' })
  const never = await publish(world.url, '{"n":2}', { 'x-deliver-at': inAnHour })
  const cancel = (webhookId: string) => fetch(`${world.url}/events/${webhookId}`, { method: 'DELETE' })
  assert.equal((await cancel(never.webhook_id)).status, 204)
  const now = await publish(world.url, '{"n":3}')
  await receiver.waitFor(1)
  assert.equal(receiver.received[0]?.headers['webhook-id'], now.webhook_id)
  const settled = (webhookId: string) =>
    eventually(
      () => api.status(webhookId),
      ({ status }) => status === 'success',
    )
  await settled(now.webhook_id)
  assert.equal((await cancel(now.webhook_id)).status, 409)
  assert.equal((await cancel('01a22494-0ea2-7000-97b1-957d782ed90d')).status, 404)
  world.clock.advance(3_600_000)
  await receiver.waitFor(2)
  assert.equal(receiver.received[1]?.headers['webhook-id'], later.webhook_id)
  await settled(later.webhook_id)
  assert.equal((await api.status(never.webhook_id)).status, 'cancelled')
  assert.equal(receiver.received.length, 2)
  assert.equal((await api.logs(id)).length, 3)
})

/** An event can go to ten thousand. */
const many = atLength(10_000, 2000)

test(`an event for ${many} subscriptions arrives at each of them once`, async () => {
  await using receiver = await startReceiver()
  await using processes = await processWorld({ LOG_EVENTS: 'none' })
  const { database } = processes.world
  await subscribeMany(database, receiver.origin, many)
  const { url } = await processes.start()
  const { deliveries, webhook_id } = await publish(url, '{"to":"all"}')
  assert.equal(deliveries, many)
  await receiver.waitFor(many, 120_000)
  const report = await eventually(
    () => audit(database),
    ({ owed }) => owed === 0,
  )
  assert.deepEqual([report.deliveries, report.final, report.missing], [many, many, 0])
  assert.equal(new Set(receiver.received.map(({ path }) => path)).size, many)
  assert.ok(receiver.received.every(({ headers }) => headers['webhook-id'] === webhook_id))
})

test('more subscriptions than one event can go to are an answer that says so, and nothing is stored', async () => {
  await using processes = await processWorld({ ROLE: 'api' })
  await subscribeMany(processes.world.database, 'http://127.0.0.1:9', 10_001)
  const { url } = await processes.start()
  const answer = await client(url).post('/events', '{}')
  assert.equal(answer.status, 422)
  assert.match(await answer.text(), /10001 subscriptions want this event/)
  assert.equal((await audit(processes.world.database)).events, 0)
})

/** Makes many at once, each with a path of its own, before any process is there to hear of them. They sign nothing. */
async function subscribeMany(database: Queryable, origin: string, count: number): Promise<void> {
  await database.query({
    text: `with made as (
             insert into subscriptions (target_url, signing_secrets)
             select $1 || '/' || n, '[]' from generate_series(1, $2::int) n returning id)
           insert into lanes (subscription_id) select id from made`,
    values: [origin, count],
  })
}

async function several(count: number) {
  const all = await Promise.all(Array.from({ length: count }, () => startReceiver()))
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(receiver => receiver.close()))
    },
  }
}
