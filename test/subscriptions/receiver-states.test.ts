import assert from 'node:assert/strict'
import { after, before, beforeEach, mock, type TestContext, test } from 'node:test'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { localOperator } from '../../src/model/caller.ts'
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
  const heard: unknown[] = []
  const states = new ReceiverStates({
    database: world.database,
    logger: silentLogger(),
    lanes: subscriptionLanes,
    refresh: async id => refreshed.push(id),
    disableAfterHours: 100,
    facts: { moved: moves => heard.push(...moves.map(({ id, to }) => [id, to])) },
  })
  return { states, refreshed, heard }
}

test('a receiver that has failed for too long is disabled, and its lane is held', async () => {
  const id = await aFailing(101)
  const { states, refreshed, heard } = aReview()
  await states.review()
  assert.deepEqual(heard, [[id, 'disabled']])
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
  await subscriptions.patch(localOperator, id, { paused: false, description: 'x' })
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

/** Subscriptions whose receivers are well, without a lane. */
async function someActive(count: number): Promise<readonly number[]> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into subscriptions (target_url, signing_secrets)
           select 'http://localhost/', '[]' from generate_series(1, $1) returning id`,
    values: [count],
  })
  return rows.map(({ id }) => id)
}

async function statesOf(): Promise<readonly unknown[]> {
  const { rows } = await world.database.query({
    text: 'select state, version, count(*)::int as n from subscriptions group by 1, 2 order by 1, 2',
  })
  return rows
}

test('ten thousand receivers that fail at once take one transaction at a time, and leave the versions', async t => {
  const ids = await someActive(10_000)
  let running = 0
  let most = 0
  const real = world.database.transaction.bind(world.database)
  const { mock: transactions } = t.mock.method(world.database, 'transaction', async (work: never) => {
    most = Math.max(most, ++running)
    try {
      return await real(work)
    } finally {
      running--
    }
  })
  const { states, refreshed } = aReview()
  for (const id of ids) {
    states.failing(id)
    states.paused(id, Date.now() + 30_000, 'circuit_open')
  }
  await until(() => refreshed.length >= ids.length)
  await until(() => running === 0)
  assert.deepEqual(await statesOf(), [{ state: 'circuit_open', version: 1, n: 10_000 }])
  assert.equal(most, 1)
  assert.ok(transactions.callCount() < 25, `${transactions.callCount()} transactions`)
})

test('what a receiver did while it could not be written is written as what came of it', async () => {
  const first = await aFailing(60)
  const [plain, gone, wellAgain, failingAnew] = await Promise.all(
    [1, 2, 60, 60].map(hours => aFailing(hours)),
  )
  assert.ok(plain && gone && wellAgain && failingAnew)
  const { states, refreshed } = aReview()
  states.recovered(first) // under way, so that all others wait
  states.failing(plain)
  states.gone(gone, 'it said 410')
  states.recovered(gone)
  states.failing(wellAgain)
  states.recovered(wellAgain)
  states.recovered(failingAnew)
  states.failing(failingAnew)
  await until(() => refreshed.length === 4)
  const state = async (id: number) => Object(await stateOf(id)).state
  assert.deepEqual(await Promise.all([first, plain, gone, wellAgain, failingAnew].map(state)), [
    'active',
    'circuit_open',
    'disabled',
    'active',
    'degraded',
  ])
  assert.equal(Object(await stateOf(gone)).held, true)
  const { rows } = await world.database.query({
    text: "select failing_since > now() - interval '1 hour' as anew from subscriptions where id = $1",
    values: [failingAnew],
  })
  assert.deepEqual(rows, [{ anew: true }], 'its success is not forgotten')
})

test('a change that the database refuses does not take those beside it along', async () => {
  const [first, bad, good] = await Promise.all([60, 1, 1].map(hours => aFailing(hours)))
  assert.ok(first && bad && good)
  const { states, refreshed } = aReview()
  states.recovered(first)
  states.gone(bad, 'nul \u0000')
  states.gone(good, 'it said 410')
  await until(() => refreshed.length === 2)
  assert.deepEqual(refreshed, [first, good])
})

test('a change of the state is in the copies of all processes, though the version stays', async () => {
  const id = await aFailing(101)
  const subscriptions = testSubscriptions(world)
  await subscriptions.load()
  const before = subscriptions.get(id)
  assert.equal(before?.paused, false)
  await aReview().states.review()
  await subscriptions.refresh(id)
  assert.deepEqual([subscriptions.get(id)?.paused, subscriptions.get(id)?.version], [true, before?.version])
  await subscriptions.patch(localOperator, id, { description: 'x' }, before?.version)
  assert.equal(subscriptions.get(id)?.paused, true)
})
