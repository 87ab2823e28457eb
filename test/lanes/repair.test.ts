import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { repair } from '../../src/lanes/repair.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { readFact } from '../../src/platform/installation.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aLane, allOwed, idAt, laneOf, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'

async function aWorld(t: TestContext) {
  const { database, close } = await testDatabase()
  t.after(close)
  const deps = { database, clock: fakeClock(noon), logger: silentLogger() }
  return { database, round: (signal = new AbortController().signal) => repair(deps, signal) }
}

test('what nobody holds and nobody knows of is found, and a second round finds nothing', async t => {
  const { database, round } = await aWorld(t)
  for (const id of [1, 2]) await aLane(database, id)
  await aLane(database, 3, 404)
  const orphan = await owe(database, { subscriptionIds: [1], owner: 404 })
  await owe(database, { subscriptionIds: [2], dueAt: noon })
  await database.query({ text: 'update lanes set due_at = null where subscription_id = 2' })
  const report = await round()
  assert.equal(report?.orphans, 2, 'a row and a lane')
  assert.ok(report.lanes > 0)
  const row = (await allOwed(database)).find(({ webhookId }) => webhookId === orphan)
  assert.equal(row?.owner, null)
  assert.deepEqual(await laneOf(database, 2), { owner: null, dueAt: noon })
  assert.deepEqual(await laneOf(database, 3), { owner: null, dueAt: noon })
  assert.deepEqual(await round(), { orphans: 0, lanes: 0 })
})

test('what belongs to a process that lives is left to it', async t => {
  const { database, round } = await aWorld(t)
  const { rows } = await database.query<{ id: number }>({
    text: "insert into processes (host, pid, role, version) values ('h', 1, 'all', '1') returning id",
  })
  const alive = rows[0]?.id ?? 0
  await aLane(database, 1, alive)
  await owe(database, { owner: alive })
  assert.deepEqual(await round(), { orphans: 0, lanes: 0 })
  assert.equal((await allOwed(database))[0]?.owner, alive)
  assert.equal((await laneOf(database, 1))?.owner, alive)
})

test('while another process repairs, nothing is done', async t => {
  const { database, round } = await aWorld(t)
  await owe(database, { owner: 404 })
  await besideThePath(database, 'another process', async session => {
    assert.ok(await tryLockForSession(session, 'repair'))
    assert.equal(await round(), undefined)
  })
  assert.equal((await allOwed(database))[0]?.owner, 404)
})

test('what came in lately is looked at in every round, the rest from where the last round came to', async t => {
  const { database, round } = await aWorld(t)
  await owe(database, { webhookId: idAt(noon - 3_600_000), owner: 404 })
  await owe(database, { webhookId: idAt(noon), owner: 404 })
  await database.query({
    text: `insert into installation (name, value) values ('repair', $1)`,
    values: [{ owed: { webhookId: idAt(noon - 1_800_000), subscriptionId: -1 }, owing: 5, lanes: 5 }],
  })
  assert.equal((await round())?.orphans, 1)
  assert.deepEqual(
    (await allOwed(database)).map(row => row.owner),
    [404, null],
  )
  assert.equal((await round())?.orphans, 1, 'it begins again after the end')
})

test('told to stop, it says where the next round goes on', async t => {
  const { database, round } = await aWorld(t)
  await owe(database, { owner: 404 })
  assert.deepEqual(await round(AbortSignal.abort()), { orphans: 0, lanes: 0 })
  const before = await readFact(database, 'repair')
  await round()
  assert.deepEqual(await readFact(database, 'repair'), before, 'the start, as it has come to the end')
  assert.equal((await allOwed(database))[0]?.owner, null)
})

test('lanes are locked in order of id, so that who frees rows and who adds some never wait for each other', async t => {
  const { database, round } = await aWorld(t)
  for (const id of [3, 2, 1]) {
    await aLane(database, id, id === 2 ? 404 : null)
    await owe(database, { subscriptionIds: [id], owner: 404 })
  }
  let freeing: Promise<unknown> = Promise.resolve()
  await database.transaction(async tx => {
    const lock = (id: number) =>
      tx.query({
        text: 'select from lanes where subscription_id = $1 for no key update nowait',
        values: [id],
      })
    await lock(1)
    freeing = round()
    await eventually(
      () => database.query({ text: "select from pg_stat_activity where wait_event_type = 'Lock'" }),
      ({ rowCount }) => rowCount > 0,
    )
    await lock(2)
    await lock(3)
  })
  await freeing
  for (const id of [1, 2, 3]) assert.equal((await laneOf(database, id))?.owner, null)
})
