import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Discards } from '../../src/lanes/discard-waiting.ts'
import { insertDiscard } from '../../src/lanes/discard-waiting-store.ts'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { localOperator } from '../../src/model/caller.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { hourMs } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { allOwed, emptyAll, idAt, owe } from '../support/rows.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { subscriptions, request } = server
const { database } = server.world
const discards = new Discards({ database, logger: silentLogger() })
const target = { target_url: 'https://example.com/hooks' }
const never = new AbortController().signal
beforeEach(() => emptyAll(database))

async function paused(): Promise<number> {
  const { id } = await subscriptions.create(localOperator, target)
  await subscriptions.pause(localOperator, id)
  return id
}

/** An event of some minutes ago, that waits. */
const waits = (id: number, minutesAgo = 5) =>
  owe(database, { webhookId: idAt(Date.now() - minutesAgo * 60_000), subscriptionIds: [id] })

async function resume(id: number, json?: object): Promise<Record<string, unknown>> {
  const answer = await request(`/subscriptions/${id}/resume`, { method: 'POST', ...(json && { json }) })
  assert.equal(answer.status, 200, answer.text)
  return Object(answer.json)
}

const waitingOf = async (id: number) => Object((await request(`/subscriptions/${id}`)).json).waiting

async function isHeld(id: number): Promise<boolean | undefined> {
  const { rows } = await database.query<{ held: boolean }>({
    text: 'select held from lanes where subscription_id = $1',
    values: [id],
  })
  return rows[0]?.held
}

test('it is resumed with what waited, unless something else is said, and the answer says how much that was', async () => {
  const id = await paused()
  for (const minutesAgo of [5, 4, 3]) await waits(id, minutesAgo)
  const resumed = await resume(id)
  assert.deepEqual(resumed.waiting, { fate: 'deliver', count: 3, ended: 0 })
  assert.equal(resumed.state, 'active')
  assert.equal(await discards.run(never), true)
  assert.equal((await allOwed(database)).length, 3)
  assert.equal(await waitingOf(id), null)
})

test('without what waited: that ends as cancelled in the log, and the lane is held until it has', async () => {
  const id = await paused()
  const other = await paused()
  for (let n = 0; n < 3; n++) await waits(id, 3 + n)
  await waits(other)
  const resumed = await resume(id, { waiting: 'discard' })
  assert.deepEqual(resumed.waiting, { fate: 'discard', count: 3, ended: 0 })
  assert.equal(resumed.paused, false)
  assert.equal(await isHeld(id), true)
  assert.deepEqual(await waitingOf(id), { fate: 'discard', count: 3, ended: 0 })
  assert.equal(await discards.run(never), true)
  assert.equal(await isHeld(id), false)
  assert.equal(await waitingOf(id), null)
  assert.deepEqual(
    (await allOwed(database)).map(row => row.subscriptionId),
    [other],
  )
  const { rows } = await database.query<{ verdict: string; error: string }>({
    text: 'select verdict::text, error from delivery_logs where subscription_id = $1',
    values: [id],
  })
  assert.equal(rows.length, 3)
  for (const row of rows)
    assert.deepEqual(row, { verdict: 'cancelled', error: 'discarded when the subscription was resumed' })
})

test('what comes after the moment, is sent again after it, or is scheduled for later is no part of it', async () => {
  const id = await paused()
  const old = await waits(id)
  const scheduled = await owe(database, {
    webhookId: idAt(Date.now() - hourMs),
    subscriptionIds: [id],
    beginsAt: Date.now() + hourMs,
  })
  const resumed = await resume(id, { waiting: 'discard' })
  assert.deepEqual(resumed.waiting, { fate: 'discard', count: 1, ended: 0 })
  const later = await owe(database, { webhookId: idAt(Date.now() + 60_000), subscriptionIds: [id] })
  const again = await waits(id, 30)
  await database.query({
    text: `update owed set replay_from = 2, replayed_at = now() + interval '1 s' where webhook_id = $1`,
    values: [again],
  })
  await discards.run(never)
  const left = (await allOwed(database)).map(row => row.webhookId)
  assert.deepEqual(left, [scheduled, again, later].toSorted())
  assert.equal(left.includes(old), false)
})

test('resumed once more with what is left, no more of it is discarded', async () => {
  const id = await paused()
  await waits(id)
  await resume(id, { waiting: 'discard' })
  assert.deepEqual((await resume(id)).waiting, { fate: 'deliver', count: 1, ended: 0 })
  assert.equal(await isHeld(id), false)
  await discards.run(never)
  assert.equal((await allOwed(database)).length, 1)
})

test('paused again meanwhile, it stays held when the discard has ended, and is freed by the next resume', async () => {
  const id = await paused()
  await waits(id)
  await resume(id, { waiting: 'discard' })
  await subscriptions.patch(localOperator, id, { paused: true })
  await subscriptions.patch(localOperator, id, { paused: false })
  assert.equal(await isHeld(id), true, 'what waited has not ended')
  await subscriptions.patch(localOperator, id, { paused: true })
  await discards.run(never)
  assert.deepEqual(await allOwed(database), [])
  assert.equal(await isHeld(id), true)
  await resume(id)
  assert.equal(await isHeld(id), false)
})

test('of a subscription that is deleted meanwhile nothing more is discarded here', async () => {
  const id = await paused()
  await waits(id)
  await resume(id, { waiting: 'discard' })
  await subscriptions.remove(localOperator, id)
  const { rows } = await database.query({ text: 'select * from lane_discards' })
  assert.deepEqual(rows, [])
  // One that was deleted by hand leaves its row, which goes with the next run.
  await insertDiscard(database, { subscriptionId: 99, beganBefore: Date.now(), waiting: 0 })
  assert.equal(await discards.run(never), true)
  assert.deepEqual((await database.query({ text: 'select * from lane_discards' })).rows, [])
})

test('a discard that is cut off goes on where it was; of several processes one carries it out', async () => {
  const id = await paused()
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, due_at)
           select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 60000), 12, '0') || '7000'
                   || lpad(to_hex(n), 16, '8000'))::uuid, $1, 1, now() from generate_series(1, 3000) n`,
    values: [id],
  })
  assert.deepEqual((await resume(id, { waiting: 'discard' })).waiting, {
    fate: 'discard',
    count: 3000,
    ended: 0,
  })
  await besideThePath(database, 'other', async session => {
    assert.ok(await tryLockForSession(session, 'discard'))
    assert.equal(await discards.run(never), false)
  })
  const cutting = new AbortController()
  const cut = discards.run(cutting.signal)
  cutting.abort()
  await cut
  assert.equal(await isHeld(id), true)
  await discards.run(never)
  assert.equal(await isHeld(id), false)
  assert.deepEqual(await allOwed(database), [])
  const { rows } = await database.query({
    text: 'select count(*)::int as n, count(distinct webhook_id)::int as events from delivery_logs',
  })
  assert.deepEqual(rows, [{ n: 3000, events: 3000 }])
})

test('a lane without a subscription of its own is not opened by chance', async () => {
  await subscriptionLanes.create(database, 7, true)
  await insertDiscard(database, { subscriptionId: 7, beganBefore: Date.now(), waiting: 0 })
  await discards.run(never)
  assert.equal(await isHeld(7), true)
})

test('what is said of what waits is one of two words', async () => {
  const id = await paused()
  const answer = await request(`/subscriptions/${id}/resume`, { method: 'POST', json: { waiting: 'keep' } })
  assert.equal(answer.status, 422)
})

test('what changes while it is to end is looked at again: it is not over before', async () => {
  const id = await paused()
  const webhookId = await waits(id)
  await resume(id, { waiting: 'discard' })
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
  const { promise: changed, resolve: isChanged } = Promise.withResolvers<void>()
  // A process that had it in memory gives it its next time, and its commit comes while the discard waits for the row.
  const settling = database.transaction(async tx => {
    await tx.query({ text: `update owed set due_at = now() + interval '1 minute', attempt = attempt + 1` })
    isChanged()
    await mayCommit
  })
  await changed
  const discarding = discards.run(never)
  await eventually(async () => {
    const { rows } = await database.query({
      text: `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like '%discard'`,
    })
    return rows.length > 0
  })
  commit()
  await settling
  assert.equal(await discarding, true)
  assert.deepEqual(await allOwed(database), [])
  const { rows } = await database.query({
    text: 'select verdict from delivery_logs where webhook_id = $1',
    values: [webhookId],
  })
  assert.deepEqual(rows, [{ verdict: 'cancelled' }])
  assert.equal(await isHeld(id), false)
})
