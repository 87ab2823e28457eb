import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, type TestService, testService } from '../support/service.ts'

// A rate limit so slow that what waits for it waits for long: ten at once, then one each six seconds.
const slow = { requests: 10, per_seconds: 60 }

/** A subscription that has used up its rate limit, with a backlog of five. */
async function aBacklog(world: TestService, origin: string) {
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: origin, rate_limit: slow })
  const ids = await Promise.all(Array.from({ length: 15 }, () => api.ingest(id)))
  await eventually(
    () => api.logs(id),
    logs => logs.length === 10,
  )
  return { api, id, ids }
}

/** The transaction that wrote the lane last. */
async function lastWrite(world: TestService, id: number): Promise<string | undefined> {
  const { rows } = await world.world.database.query<{ xmin: string }>({
    text: 'select xmin::text from lanes where subscription_id = $1',
    values: [id],
  })
  return rows[0]?.xmin
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

test('a backlog that waits for its rate limit costs the database nothing, and goes on in time', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const { id } = await aBacklog(world, receiver.origin)
  await pause(500)
  const before = await lastWrite(world, id)
  const writes = new Set<string | undefined>()
  for (let n = 0; n < 20; n++) {
    await pause(50)
    writes.add(await lastWrite(world, id))
  }
  assert.deepEqual([...writes], [before], 'nobody leases it, or gives it back')
  assert.equal(receiver.received.length, 10)
  world.clock.advance(6000)
  const at = performance.now()
  await receiver.waitFor(11)
  assert.ok(performance.now() - at < 1500)
  await pause(300)
  assert.equal(receiver.received.length, 11, 'one more each six seconds')
  world.clock.advance(24_000)
  await receiver.waitFor(15)
})

test('a rate limit that is lifted or raised lets a backlog go at once', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  for (const rate_limit of [null, { requests: 100, per_seconds: 1 }]) {
    const before = receiver.received.length
    const { api, id } = await aBacklog(world, receiver.origin)
    await pause(500)
    assert.equal(receiver.received.length - before, 10)
    const at = performance.now()
    assert.equal((await api.patch(id, { rate_limit })).status, 200)
    await receiver.waitFor(before + 15)
    assert.ok(performance.now() - at < 1500)
  }
})
