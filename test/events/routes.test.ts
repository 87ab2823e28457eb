import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { EventSummary } from '../../src/events/schema.ts'
import { logged, owing, store } from '../support/events.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme')" })
const rowsSchema = Compile(Type.Array(EventSummary))

function rowsOf(answer: TestAnswer): readonly EventSummary[] {
  assert.equal(answer.status, 200, answer.text)
  assert.ok(rowsSchema.Check(answer.json), answer.text)
  return answer.json
}

test('events are found by all filters, over pages that the headers lead to', async () => {
  const at = Date.parse('2026-01-01T12:00:00Z')
  const ids = []
  for (let n = 0; n < 3; n++) {
    const id = await store(database, {
      type: 'user.made',
      channels: ['eu'],
      to: [5],
      at: at + n,
      eventId: `E${n}`,
    })
    await logged(database, id, 5, 'given_up')
    ids.push(id)
  }
  await store(database, { type: 'user.gone', at })
  const query =
    'tenant=default&event_type=user.made&status=failed&channel=eu&since=2026-01-01T13:00:00%2B01:00&until=2026-01-01T12:00:01Z&q=user.&limit=2'
  const first = await server.request(`/events?${query}`)
  assert.deepEqual(
    rowsOf(first).map(row => row.webhook_id),
    [ids[2], ids[1]],
  )
  const [, link = ''] = /^<(.+)>; rel="next"$/.exec(first.headers.get('link') ?? '') ?? []
  const second = await server.request(link)
  assert.deepEqual(
    rowsOf(second).map(row => row.webhook_id),
    [ids[0]],
  )
  assert.equal(second.headers.get('link'), null)
  assert.deepEqual(
    rowsOf(await server.request('/events/?event_id=E1')).map(row => row.webhook_id),
    [ids[1]],
  )
  assert.deepEqual(rowsOf(await server.request(`/events?q=${ids[0]?.toUpperCase()}`)).length, 1)
  assert.deepEqual(
    rowsOf(await server.request('/events?subscription_id=5')),
    [],
    'of no subscription that is known',
  )
})

test('a row says what the event is, and what became of it', async () => {
  const id = await store(database, {
    tenant: 'acme',
    type: 'order.paid',
    channels: ['a', 'b'],
    to: [6],
    payload: 'twelve bytes',
    contentType: 'text/plain',
    eventId: 'mine',
    at: Date.parse('2026-02-01T00:00:00.123Z'),
  })
  await owing(database, id, 6)
  assert.deepEqual(rowsOf(await server.request('/events?tenant=acme')), [
    {
      webhook_id: id,
      event_id: 'mine',
      tenant: 'acme',
      event_type: 'order.paid',
      channels: ['a', 'b'],
      content_type: 'text/plain',
      size_bytes: 12,
      created_at: '2026-02-01T00:00:00.123Z',
      deliver_at: null,
      payload_expunged_at: null,
      status: 'pending',
      deliveries: { total: 1, success: 0, failed: 0, pending: 1, cancelled: 0 },
    },
  ])
})

test('a query that makes no sense is refused with what to do', async () => {
  for (const query of [
    'status=done',
    'since=yesterday',
    'since=2026-01-01',
    'until=2026-02-30T00:00:00',
    'subscription_id=x',
    'tenant=Not%20One',
    'limit=251',
    'limit=0',
    'event_type=',
    'types=a',
    'q=%00',
  ]) {
    assert.equal((await server.request(`/events?${query}`)).status, 422, query)
  }
  assert.equal((await server.request('/events?cursor=abc')).status, 400)
  assert.deepEqual(rowsOf(await server.request('/events?tenant=nobody')), [])
})
