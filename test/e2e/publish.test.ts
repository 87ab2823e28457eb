import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

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

async function several(count: number) {
  const all = await Promise.all(Array.from({ length: count }, () => startReceiver()))
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(receiver => receiver.close()))
    },
  }
}
