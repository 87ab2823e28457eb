import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client } from '../support/service.ts'

test('a receiver that failed until all processes were restarted is active again with its next success', async () => {
  await using receiver = await startReceiver()
  await using cluster = await testCluster()
  const before = await cluster.start('all')
  const { id } = await client(before.url).subscribe({ target_url: receiver.origin })
  await before.close()
  const { database } = cluster.world
  await database.query({
    text: `update subscriptions set state = 'circuit_open', failing_since = now() - interval '119 hours',
             version = version + 1`,
  })
  const after = await cluster.start('all')
  await client(after.url).ingest(id)
  await receiver.waitFor(1)
  const { rows } = await eventually(
    () => database.query({ text: 'select state, failing_since from subscriptions' }),
    ({ rows }) => rows[0]?.state === 'active',
  )
  assert.deepEqual(rows, [{ state: 'active', failing_since: null }])
})
