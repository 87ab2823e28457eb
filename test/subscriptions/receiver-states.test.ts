import assert from 'node:assert/strict'
import { after, before, beforeEach, mock, type TestContext, test } from 'node:test'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { ReceiverStates } from '../../src/subscriptions/receiver-states.ts'
import { testServer as databaseServer, type TestDatabase, testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

let world: TestDatabase
before(async () => {
  await databaseServer()
  // Before there are connections: one that is idle has a timer of 30 s, which must be ended as it was begun.
  mock.timers.enable({ apis: ['setTimeout'] })
  world = await testDatabase()
})
beforeEach(async () => {
  await world.database.query({ text: 'delete from subscriptions' })
  await world.database.query({ text: 'delete from lanes' })
})
after(async () => {
  await world.close()
  mock.timers.reset()
})

async function aFailing(hours: number): Promise<number> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into subscriptions (target_url, signing_secrets, state, failing_since)
           values ('http://localhost/', '[]', 'circuit_open', now() - make_interval(hours => $1)) returning id`,
    values: [hours],
  })
  const id = rows[0]?.id ?? 0
  await world.database.query({ text: 'insert into lanes (subscription_id) values ($1)', values: [id] })
  return id
}

async function stateOf(id: number) {
  const { rows } = await world.database.query({
    text: `select s.state, s.state_reason, s.failing_warned, s.failing_since is not null as failing, l.held
           from subscriptions s join lanes l on l.subscription_id = s.id where s.id = $1`,
    values: [id],
  })
  return rows[0]
}

function aReview() {
  const refreshed: number[] = []
  const states = new ReceiverStates({
    database: world.database,
    logger: silentLogger(),
    lanes: subscriptionLanes,
    refresh: async id => refreshed.push(id),
    disableAfterHours: 100,
  })
  return { states, refreshed }
}

test('a receiver that has failed for too long is disabled, and its lane is held', async () => {
  const id = await aFailing(101)
  const { states, refreshed } = aReview()
  await states.review()
  assert.deepEqual(await stateOf(id), {
    state: 'disabled',
    state_reason: 'no success for 100 hours',
    failing_warned: 0,
    failing: true,
    held: true,
  })
  assert.deepEqual(refreshed, [id])
})

test('its owner is warned at 50, 70 and 90 percent of the time, once each', async () => {
  const ids = [await aFailing(49), await aFailing(51), await aFailing(75), await aFailing(99)]
  const { states } = aReview()
  await states.review()
  const warned = async () => Promise.all(ids.map(async id => (await stateOf(id))?.failing_warned))
  assert.deepEqual(await warned(), [0, 50, 70, 90])
  await states.review()
  assert.deepEqual(await warned(), [0, 50, 70, 90])
})

test('a change that resumes nothing does not forget since when a receiver fails', async () => {
  const id = await aFailing(75)
  await aReview().states.review()
  const subscriptions = testSubscriptions(world)
  await subscriptions.load()
  await subscriptions.patch(id, { paused: false, description: 'x' })
  const { state, failing, failing_warned } = Object(await stateOf(id))
  assert.deepEqual([state, failing, failing_warned], ['circuit_open', true, 70])
})

test('a success makes it active and forgets since when it failed', async () => {
  const id = await aFailing(60)
  const { states, refreshed } = aReview()
  states.recovered(id)
  await until(() => refreshed.length > 0)
  assert.deepEqual(await stateOf(id), {
    state: 'active',
    state_reason: null,
    failing_warned: 0,
    failing: false,
    held: false,
  })
})

test('a burst of successes is written once, and once more for what was told meanwhile', async t => {
  const { id, writes, states, refreshed } = await aRecovery(t)
  for (let n = 0; n < 1000; n++) states.recovered(id)
  await until(() => refreshed.length === 1)
  assert.equal(writes(), 1)
  mock.timers.tick(1000)
  await until(() => writes() === 2)
  assert.deepEqual(refreshed, [id], 'the second finds it active')
})

test('a receiver that recovers again within a second is active in the end', async t => {
  const { id, states, refreshed } = await aRecovery(t)
  states.recovered(id)
  await until(() => refreshed.length === 1)
  states.failing(id)
  await until(() => refreshed.length === 2)
  states.recovered(id)
  mock.timers.tick(1000)
  await until(() => refreshed.length === 3)
  assert.equal(Object(await stateOf(id)).state, 'active')
})

test('a receiver that fails again within a second of its recovery counts as failing', async t => {
  const { id, states, refreshed, writes } = await aRecovery(t)
  states.recovered(id)
  states.recovered(id)
  await until(() => refreshed.length === 1)
  states.failing(id)
  await until(() => refreshed.length === 2)
  mock.timers.tick(1000)
  await settled()
  assert.equal(writes(), 2)
  assert.equal(Object(await stateOf(id)).state, 'degraded')
})

test('a recovery that could not be written is written with a later success', async t => {
  const { id, states, refreshed } = await aRecovery(t)
  t.mock.method(world.database, 'transaction', () => Promise.reject(new Error('away')), { times: 1 })
  states.recovered(id)
  states.recovered(id)
  await settled()
  mock.timers.tick(1000)
  await until(() => refreshed.length === 1)
  assert.equal(Object(await stateOf(id)).failing, false)
})

/** A receiver that is well again; the second between two writes of that is the test's. */
async function aRecovery(t: TestContext) {
  const id = await aFailing(60)
  const { mock } = t.mock.method(world.database, 'transaction')
  return { id, ...aReview(), writes: () => mock.callCount() }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

/** Not by `eventually`, which needs timers. */
async function until(passes: () => boolean): Promise<void> {
  const end = performance.now() + 30_000
  while (!passes()) {
    if (performance.now() > end) assert.fail('it did not come to that')
    await settled()
  }
  await settled()
}
