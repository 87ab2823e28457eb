import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startLaneWitness } from '../support/lane-witness.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, type TestService, testService } from '../support/service.ts'

/** Ten at once, then one each six seconds. */
const slow = { requests: 10, per_seconds: 60 }

/** A service whose clock stands still, and a subscription that has used up its rate limit, with a backlog of five. */
async function aBacklog(world: TestService, origin: string) {
  world.clock.freeze()
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

test('a backlog that waits for its rate limit costs the database nothing, and goes on in time', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  await using witness = await startLaneWitness(world.url)
  const { id } = await aBacklog(world, receiver.origin)
  await witness.lanesLookedAt()
  const before = await lastWrite(world, id)
  assert.ok(before)
  for (let looks = 0; looks < 10; looks++) {
    await witness.lanesLookedAt()
    assert.equal(await lastWrite(world, id), before, 'nobody leases it, or gives it back')
  }
  assert.equal(receiver.received.length, 10)
  world.clock.advance(6000)
  await receiver.waitFor(11, 30_000) // there is no other sign of it: it is found by looking
  await witness.lanesLookedAt()
  assert.equal(receiver.received.length, 11, 'one more each six seconds')
  world.clock.advance(24_000)
  await receiver.waitFor(15, 30_000)
})

test('a rate limit that is lifted or raised lets a backlog go at once', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  await using witness = await startLaneWitness(world.url)
  for (const rate_limit of [null, { requests: 100, per_seconds: 1 }]) {
    const before = receiver.received.length
    const { api, id } = await aBacklog(world, receiver.origin)
    await witness.lanesLookedAt()
    assert.equal(receiver.received.length - before, 10)
    assert.equal((await api.patch(id, { rate_limit })).status, 200)
    world.clock.advance(100) // a raised limit counts from now on: ten more, where the old one would allow none
    await receiver.waitFor(before + 15, 30_000)
  }
})
