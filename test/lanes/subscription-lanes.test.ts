import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { openUntil, subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { pauseLanes } from '../../src/lanes/subscription-lanes-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, emptyAll } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

interface Stored {
  readonly held: boolean
  /** From now on, in whole seconds; negative for what is over. */
  readonly dueInSeconds: number | null
  readonly opensInSeconds: number | null
}

async function stored(): Promise<Stored | undefined> {
  const { rows } = await world.database.query<Stored>({
    text: `select held, round(extract(epoch from due_at - now()))::float8 as "dueInSeconds",
                  round(extract(epoch from open_until - now()))::float8 as "opensInSeconds" from lanes`,
  })
  return rows[0]
}

const inAnHour = () => Date.now() + 3_600_000

/** Closes the lane for an hour, as what its receiver has answered may do. */
async function close(): Promise<void> {
  await pauseLanes(world.database, [{ subscriptionId: 1, until: inAnHour(), reason: 'retry_after' }])
}

async function setDue(seconds: number): Promise<void> {
  await world.database.query({
    text: 'update lanes set due_at = now() + make_interval(secs => $1)',
    values: [seconds],
  })
}

test('a lane is made free or held', async () => {
  await subscriptionLanes.create(world.database, 1, true)
  assert.deepEqual(await stored(), { held: true, dueInSeconds: null, opensInSeconds: null })
  await world.database.query({ text: 'delete from lanes' })
  await subscriptionLanes.create(world.database, 1, false)
  assert.deepEqual(await stored(), { held: false, dueInSeconds: null, opensInSeconds: null })
})

test('a lane that is held no more is due at once', async () => {
  await aLane(world.database, 1)
  await setDue(1800)
  await subscriptionLanes.hold(world.database, 1)
  assert.deepEqual(await stored(), { held: true, dueInSeconds: 1800, opensInSeconds: null })
  await subscriptionLanes.unhold(world.database, 1)
  assert.deepEqual(await stored(), { held: false, dueInSeconds: 0, opensInSeconds: null })
})

test('a lane that was due before it was held keeps its place in the queue', async () => {
  await aLane(world.database, 1)
  await setDue(-60)
  await subscriptionLanes.hold(world.database, 1)
  await subscriptionLanes.unhold(world.database, 1)
  assert.equal((await stored())?.dueInSeconds, -60)
})

test('a closed lane that is held no more is due when it opens', async () => {
  await aLane(world.database, 1)
  await close()
  await subscriptionLanes.hold(world.database, 1)
  await subscriptionLanes.unhold(world.database, 1)
  assert.deepEqual(await stored(), { held: false, dueInSeconds: 3600, opensInSeconds: 3600 })
})

test('a lane that is opened is due at once, whatever held and closed it', async () => {
  await aLane(world.database, 1)
  await setDue(0)
  await close()
  await subscriptionLanes.hold(world.database, 1)
  assert.deepEqual(await stored(), { held: true, dueInSeconds: 3600, opensInSeconds: 3600 })
  await subscriptionLanes.open(world.database, 1)
  assert.deepEqual(await stored(), { held: false, dueInSeconds: 0, opensInSeconds: null })
})

test('until when lanes are closed is told of those that there are', async () => {
  for (const id of [1, 2]) await aLane(world.database, id)
  await close()
  const open = await openUntil(world.database, [1, 2, 3])
  assert.deepEqual([...open.keys()].toSorted(), [1, 2])
  assert.equal(open.get(2), 0)
  assert.ok(Math.abs((open.get(1) ?? 0) - inAnHour()) < 60_000)
})
