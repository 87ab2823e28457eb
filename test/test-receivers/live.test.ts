import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../src/platform/id.ts'
import { receivedSource } from '../../src/test-receivers/live.ts'
import { testServer } from '../support/server.ts'

test('the event stream reads what receivers got in the order of its ids, of one tenant if that is asked', async () => {
  await using server = await testServer()
  const made = await server.request('/test-receivers', { method: 'POST' })
  const { url, id } = made.json as { url: string; id: number }
  for (const name of ['a', 'b', 'c'])
    await fetch(url, {
      method: 'POST',
      body: 'words',
      headers: { 'webhook-id': name, authorization: 'Bearer hush' },
    })
  const range = {
    after: '00000000-0000-0000-0000-000000000000' as Uuid,
    until: 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid,
    ...{ limit: 2, tenant: null, subscriptionId: null, status: null },
  }
  const first = await receivedSource.read(server.world.database, range)
  const rest = await receivedSource.read(server.world.database, {
    ...range,
    after: first[1]?.id ?? range.after,
  })
  const all = [...first, ...rest]
  assert.deepEqual(
    all.map(({ kind, tenant, data }) => [
      kind,
      tenant,
      data.webhook_id,
      data.test_receiver_id,
      data.signature,
    ]),
    ['a', 'b', 'c'].map(name => ['received', 'default', name, id, 'unchecked']),
  )
  assert.doesNotMatch(JSON.stringify(all), /hush|words/)
  assert.deepEqual(await receivedSource.read(server.world.database, { ...range, tenant: 'acme' }), [])
})
