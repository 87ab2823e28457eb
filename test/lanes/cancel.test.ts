import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { cancelEvent } from '../../src/lanes/cancel.ts'
import { lockOwedOfEvent } from '../../src/lanes/cancel-store.ts'
import { unpark } from '../../src/lanes/keyed-store.ts'
import { parkedAt } from '../../src/lanes/parked.ts'
import { leaseLanes } from '../../src/lanes/store.ts'
import { recordAttempts } from '../../src/log/store.ts'
import { Reach } from '../../src/model/caller.ts'
import { audit } from '../../src/monitor/audit.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { hourMs } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aLane, allAttempts, allOwed, emptyAll, idAt, laneOf, owe } from '../support/rows.ts'

// The database says what time it is: here the real time counts.

let world: TestDatabase
before(async () => {
  world = await testDatabase({ partitions: 'hourly' })
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

async function scheduled(inMs: number, to: readonly number[] = [1, 2]): Promise<Uuid> {
  const now = Date.now()
  for (const id of to) await aLane(world.database, id)
  return owe(world.database, { webhookId: idAt(now), subscriptionIds: to, beginsAt: now + inMs })
}

/** Waits behind others of its key, in a lane that is leased. */
async function parked(now: number): Promise<Uuid> {
  await aLane(world.database, 1, me)
  const webhookId = await owe(world.database, { webhookId: idAt(now), subscriptionIds: [1], dueAt: parkedAt })
  await world.database.query({ text: `update owed set ordering_key = 'a', place_at = now()` })
  return webhookId
}
const wish = { subscriptionId: 1, key: 'a', rows: 1 }

async function isAnyoneWaiting(): Promise<boolean> {
  const { rows } = await world.database.query({
    text: "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  })
  return rows.length > 0
}

const cancel = (webhookId: Uuid, reach = Reach.all) =>
  world.database.transaction(tx => cancelEvent(tx, reach, webhookId))

test('what is scheduled ends as cancelled, each delivery in the log, and nothing is missing', async () => {
  const webhookId = await scheduled(hourMs)
  assert.deepEqual(await cancel(webhookId), { kind: 'cancelled', tenant: 'default', deliveries: 2 })
  assert.deepEqual(await allOwed(world.database), [])
  assert.deepEqual(
    (await allAttempts(world.database)).map(({ subscriptionId, attempt, verdict, error }) => [
      subscriptionId,
      attempt,
      verdict,
      error,
    ]),
    [1, 2].map(id => [id, 1, 'cancelled', 'the event was cancelled']),
  )
  assert.equal((await audit(world.database)).missing, 0)
})

test('it can be cancelled again, which changes nothing', async () => {
  const webhookId = await scheduled(hourMs)
  await cancel(webhookId)
  assert.deepEqual(await cancel(webhookId), { kind: 'cancelled', tenant: 'default', deliveries: 0 })
  assert.equal((await allAttempts(world.database)).length, 2)
})

test('what a process holds is being sent, and is left as it is', async () => {
  const now = Date.now()
  const webhookId = await owe(world.database, {
    webhookId: idAt(now),
    subscriptionIds: [1],
    owner: me,
    dueAt: now,
  })
  assert.deepEqual(await cancel(webhookId), { kind: 'sent' })
  assert.equal((await allOwed(world.database)).length, 1)
})

test('what is due in a lane that is leased may be in memory, and what is due in a free one is not', async () => {
  const webhookId = await scheduled(0)
  assert.deepEqual(await leaseLanes(world.database, me, Date.now() + 1000, 1), [
    { subscriptionId: 1, dueAt: (await allOwed(world.database))[0]?.dueAt },
  ])
  assert.deepEqual(await cancel(webhookId), { kind: 'sent' })
  assert.equal((await allOwed(world.database)).length, 2, 'nothing was changed')
  await world.database.query({ text: 'update lanes set owner = null' })
  assert.equal((await cancel(webhookId)).kind, 'cancelled')
})

test('while it is being cancelled nobody leases its lanes', async () => {
  const webhookId = await scheduled(0)
  await world.database.transaction(async tx => {
    assert.equal((await cancelEvent(tx, Reach.all, webhookId)).kind, 'cancelled')
    assert.deepEqual(await leaseLanes(world.database, me, Date.now() + 1000, 10), [])
  })
  assert.equal((await laneOf(world.database, 1))?.owner, null)
})

test('what is made due behind its key at this moment may be sent, and is left as it is', async () => {
  const now = Date.now()
  const webhookId = await parked(now)
  await world.database.transaction(async tx => {
    assert.deepEqual(await unpark(tx, [wish], now), [1])
    assert.deepEqual(await cancel(webhookId), { kind: 'sent' })
  })
  assert.equal((await allOwed(world.database)).length, 1)
})

test('while it is being cancelled nothing of it is made due behind its key', async () => {
  const now = Date.now()
  const webhookId = await parked(now)
  let unparking: ReturnType<typeof unpark> | undefined
  await world.database.transaction(async tx => {
    assert.deepEqual(await lockOwedOfEvent(tx, webhookId), { owed: 1, begun: 0 })
    unparking = unpark(world.database, [wish], now)
    await Promise.race([unparking, eventually(isAnyoneWaiting)])
    assert.deepEqual(await lockOwedOfEvent(tx, webhookId), { owed: 1, begun: 0 }, 'it is parked still')
    assert.equal((await cancelEvent(tx, Reach.all, webhookId)).kind, 'cancelled')
  })
  assert.deepEqual(await unparking, [0])
})

test('what was tried once was sent, whether it is to be tried again or not', async () => {
  const webhookId = await scheduled(0)
  const at = Date.now()
  const failed = {
    status: 'failed',
    httpStatus: 500,
    durationMs: 1,
    error: 'HTTP 500',
    nextAt: null,
  } as const
  const attempt = { webhookId, timestamp: at, attempt: 1, ...failed } as const
  await recordAttempts(
    world.database,
    me,
    [{ ...attempt, id: idAt(at), subscriptionId: 1, verdict: 'given_up' }],
    [],
  )
  assert.deepEqual(await cancel(webhookId), { kind: 'sent' }, 'one of two is over')
  assert.equal((await allOwed(world.database)).length, 1)
})

test('an event of another tenant is not there, and neither is one that never was', async () => {
  const webhookId = await scheduled(hourMs)
  assert.deepEqual(await cancel(webhookId, Reach.of('other')), { kind: 'unknown' })
  assert.deepEqual(await cancel(idAt(Date.now())), { kind: 'unknown' })
  assert.equal((await allOwed(world.database)).length, 2)
})

test('one that outlived its partition can be cancelled, too', async () => {
  const webhookId = await scheduled(hourMs)
  await world.database.query({
    text: 'with moved as (delete from events returning *) insert into events_carried select * from moved',
  })
  assert.equal((await cancel(webhookId)).kind, 'cancelled')
})
