import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit, testService } from '../support/service.ts'

/** Rows that a process keeps in memory, outside their lanes. */
async function hotRows(world: TestDatabase): Promise<number> {
  const { rows } = await world.database.query<{ n: number }>({
    text: 'select count(*)::int as n from owed where owner is not null',
  })
  return rows[0]?.n ?? 0
}

test('what waits in memory goes to the lane when its subscription becomes ordered', async () => {
  const { promise: seen, resolve: answer } = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ after: seen })
  await using service = await testService()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 2 })
  await Promise.all(Array.from({ length: 12 }, () => api.ingest(id)))
  assert.equal(await hotRows(service.world), 12)
  assert.equal((await api.patch(id, { ordered: true })).status, 200)
  // What is on its way stays.
  await eventually(
    () => hotRows(service.world),
    rows => rows === 2,
  )
  answer()
  assert.equal((await settledAudit(service.world)).final, 12)
  assert.equal(receiver.received.length, 12)
})

test('what waits in memory goes to the lane when there are more processes than attempts allowed at a time', async () => {
  const { promise: seen, resolve: answer } = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ after: seen })
  await using world = await processWorld()
  const first = await world.start()
  const api = client(first.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 1, timeout_ms: 30_000 })
  await Promise.all(Array.from({ length: 8 }, () => api.ingest(id)))
  assert.equal(await hotRows(world.world), 8)
  await world.start()
  // The one that is on its way stays.
  await eventually(
    () => hotRows(world.world),
    rows => rows === 1,
  )
  answer()
  assert.equal((await settledAudit(world.world)).final, 8)
  assert.equal(receiver.received.length, 8)
  // The one from before the other process came, and one of the lane; what holds afterwards is in max-in-flight.test.ts.
  assert.ok(receiver.mostAtOnce <= 2, `${receiver.mostAtOnce} at once`)
})
