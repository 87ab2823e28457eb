import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import { idAt, owe } from '../support/rows.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
await server.subscriptions.create(localOperator, { target_url: 'https://example.com/' })
const event = await owe(server.world.database, { webhookId: idAt(Date.now()) })

/** All lists that go on from a cursor, by the names that their cursors have. */
const lists: Readonly<Record<string, string>> = {
  subscriptions: '/subscriptions/',
  tenants: '/tenants',
  keys: '/keys',
  audit: '/audit',
  events: '/events',
  replays: '/replays',
  deliveries: '/deliveries',
  expunges: '/events/expunges',
  'event-types': '/event-types',
  sources: '/sources',
  test_receivers: '/test-receivers',
  refusals: '/sources/1/refusals',
  received: '/test-receivers/1/requests',
  logs: '/logs/1',
  ordering_keys: '/subscriptions/1/ordering-keys',
  event_deliveries: `/events/${event}`,
}
const made = [
  'pending/01a22760-af19-7000-bd11-849aeb60d6b8/9999999999',
  '9999999999',
  '4294967296',
  '00000000-0000-7000-8000-00000000000g',
  '------------------------------------/1',
  '01a22760-af19-7000-bd11-849aeb60d6b8/9999999999',
  'pending/------------------------------------/1',
  '\u0000',
  '',
]

for (const [name, path] of Object.entries(lists))
  test(`a cursor of ${name} that was made up is refused, or is one`, async () => {
    for (const key of made) {
      const cursor = Buffer.from(`${name}:${key}`).toString('base64url')
      const { status, text } = await server.request(`${path}?cursor=${cursor}`)
      assert.ok([200, 400, 404].includes(status), `${JSON.stringify(key)}: ${status} ${text}`)
    }
  })

test('a cursor of a discard that was made up is refused', async () => {
  for (const key of made) {
    const cursor = Buffer.from(`discard:${key}`).toString('base64url')
    const answer = await server.request('/deliveries/discard', { method: 'POST', json: { cursor } })
    assert.equal(answer.status, 400, `${JSON.stringify(key)}: ${answer.status} ${answer.text}`)
  }
})
