import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

// An event of a type that is checked, on both ways in.

const world = await testService()
after(() => world[Symbol.asyncDispose]())
const api = client(world.url)

const put = (name: string, body: object) =>
  fetch(`${world.url}/event-types/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('what does not fit its type is refused by POST /events and POST /ingest, and stored by neither', async () => {
  await using receiver = await startReceiver()
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const schema = { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } }
  assert.equal((await put('order.paid', { schema, validate: 'reject' })).status, 201)
  const headers = { 'content-type': 'application/json', 'x-event-type': 'order.paid' }
  for (const path of ['/events', `/ingest/${id}`]) {
    const refused = await api.post(path, '{"id":"one"}', headers)
    const problem = Object(await refused.json())
    assert.deepEqual([refused.status, problem.code], [422, 'payload_refused'], path)
    assert.deepEqual(problem.errors, [{ pointer: '/id', detail: 'Give a whole number.' }])
    const text = { ...headers, 'content-type': 'text/plain' }
    assert.equal((await api.post(path, 'no JSON', text)).status, 422, path)
    assert.equal((await api.post(path, '{"id":1}', headers)).status, 202, path)
    const other = { ...headers, 'x-event-type': 'order.seen' }
    assert.equal((await api.post(path, '{"id":"one"}', other)).status, 202, 'a type that is in no catalogue')
  }
  const { rows } = await world.world.database.query<{ count: number }>({
    text: 'select count(*)::int as count from events',
  })
  assert.equal(rows[0]?.count, 4)
})
