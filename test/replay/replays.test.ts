import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import type { AppError } from '../../src/errors.ts'
import { type Caller, localOperator, Reach } from '../../src/model/caller.ts'
import { Replays } from '../../src/replay/replays.ts'
import { fakeClock } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { ended, owedRuns, settle, subscribe } from '../support/replay.ts'
import { emptyAll, idAt, laneOf, owe } from '../support/rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const hourMs = 3_600_000
const clock = fakeClock(Date.now())
const replays = new Replays({ database, clock, retentionMs: 72 * hourMs })
const acme: Caller = { ...localOperator, scope: 'tenant', reach: Reach.of('acme') }
const other: Caller = { ...localOperator, scope: 'tenant', reach: Reach.of('other') }

test('an event is owed again to all that it was for, as a new run in their lanes', async () => {
  await subscribe(database, [1, 2])
  const webhookId = await ended(database, { 1: 'delivered', 2: 'given_up' })
  assert.equal(await replays.replayEvent(localOperator, webhookId), 2)
  const run = { webhook_id: webhookId, attempt: 2, replay_from: 2, trigger: 'manual' }
  assert.deepEqual(await owedRuns(database), [
    { ...run, subscription_id: 1 },
    { ...run, subscription_id: 2 },
  ])
  for (const id of [1, 2]) assert.ok((await laneOf(database, id))?.dueAt, 'its lane is due')
})

test('what is still owed is left alone, and so is what belongs to a subscription that is gone', async () => {
  await subscribe(database, [1, 2])
  const webhookId = await ended(database, { 1: 'delivered', 3: 'given_up' })
  assert.equal(await replays.replayEvent(localOperator, webhookId), 1)
  assert.equal(await replays.replayEvent(localOperator, webhookId), 0, 'it comes anyway')
})

test('some subscriptions are chosen; those that the event was not for are refused, and nothing is sent', async () => {
  await subscribe(database, [1, 2, 3])
  const webhookId = await ended(database, { 1: 'delivered', 2: 'delivered' })
  await assert.rejects(replays.replayEvent(localOperator, webhookId, [1, 3]), (error: AppError) => {
    assert.deepEqual(
      error.errors?.map(({ pointer }) => pointer),
      ['/subscription_ids/1'],
    )
    return error.code === 'validation_failed'
  })
  assert.equal((await owedRuns(database)).length, 0)
  assert.equal(await replays.replayEvent(localOperator, webhookId, [2]), 1)
})

test("another tenant's event is not there, and neither is one that retention may take", async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'delivered' })
  await assert.rejects(replays.replayEvent(other, webhookId), { code: 'not_found' })
  const late = new Replays({ database, clock: fakeClock(Date.now() + 72 * hourMs), retentionMs: 72 * hourMs })
  await assert.rejects(late.replayEvent(localOperator, webhookId), { code: 'not_found' })
})

test('an event that was scheduled is sent again for as long as if it had been accepted when it was due', async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  await database.query({ text: `update events set deliver_at = now() + interval '70 hours'` })
  const after = (hours: number) =>
    new Replays({ database, clock: fakeClock(Date.now() + hours * hourMs), retentionMs: 72 * hourMs })
  await assert.rejects(after(143).replayEvent(localOperator, webhookId), { code: 'not_found' })
  assert.equal(await after(80).replayEvent(localOperator, webhookId), 1)
})

test('many are sent again for as long as that, too, also once they have outlived their partition', async () => {
  await subscribe(database, [1, 2])
  const scheduled = await ended(database, { 1: 'given_up', 2: 'delivered' })
  await ended(database, { 1: 'given_up' }) // and is gone after 72 hours, though the log may be there still
  await database.query({
    text: `update events set deliver_at = now() + interval '70 hours' where webhook_id = $1`,
    values: [scheduled],
  })
  const count = (hours: number, state: 'failed' | 'any') =>
    new Replays({
      ...{ database, retentionMs: 72 * hourMs, clock: fakeClock(Date.now() + hours * hourMs) },
    }).count(localOperator, { state })
  const counts = async () => [
    ...[await count(1, 'failed'), await count(80, 'failed'), await count(80, 'any')],
    ...[await count(143, 'failed'), await count(143, 'any')],
  ]
  assert.deepEqual(await counts(), [2, 1, 2, 0, 0])
  const carried = 'insert into events_carried select * from events where webhook_id = $1'
  await database.query({ text: carried, values: [scheduled] })
  assert.deepEqual(await counts(), [2, 1, 2, 0, 0], 'copied, and still in its partition')
  await database.query({ text: 'delete from events where webhook_id = $1', values: [scheduled] })
  assert.deepEqual(await counts(), [2, 1, 2, 0, 0])
})

test('what waits for its retry can be tried at once however old its event is', async () => {
  await subscribe(database, [1])
  const webhookId = await owe(database, { webhookId: idAt(Date.now()), subscriptionIds: [1] })
  await database.query({ text: `update owed set attempt = 3, due_at = now() + interval '1 hour'` })
  const late = new Replays({ database, clock: fakeClock(Date.now() + 80 * hourMs), retentionMs: 72 * hourMs })
  assert.equal(await late.tryNow(localOperator, webhookId), 1)
})

test('a tenant that keeps its events for another time sends again what it keeps, and no more', async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  const after = (hours: number, keptHours: number) =>
    new Replays({
      ...{ database, retentionMs: 72 * hourMs, clock: fakeClock(Date.now() + hours * hourMs) },
      keptMs: tenant => (tenant === 'default' ? keptHours * hourMs : undefined),
    })
  await assert.rejects(after(11, 10).replayEvent(localOperator, webhookId), { code: 'not_found' })
  assert.equal(await after(11, 10).count(localOperator, { tenant: 'default' }), 0)
  assert.equal(await after(80, 100).count(localOperator, { tenant: 'default' }), 1)
  assert.equal(await after(80, 100).replayEvent(localOperator, webhookId), 1)
})

test('an event whose payload was removed cannot be sent again, and is not counted', async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  await database.query({
    text: `update events set payload = '', metadata = '{"expunged": "2026-01-01T00:00:00Z"}'`,
  })
  await assert.rejects(replays.replayEvent(localOperator, webhookId), { code: 'payload_expunged' })
  assert.equal(await replays.count(localOperator, {}), 0)
})

test('a count is of what the last attempt came to, for the tenant, type, subscription and time that are asked for', async () => {
  await subscribe(database, [1, 2])
  await database.query({
    text: `insert into tenants (id, name) values ('acme', 'Acme') on conflict do nothing`,
  })
  await subscribe(database, [5], { tenant: 'acme' })
  const failed = await ended(database, { 1: 'given_up', 2: 'delivered' })
  await ended(database, { 1: 'expired' }, { eventType: 'order.paid' })
  await ended(database, { 5: 'given_up' }, { tenant: 'acme' })
  const count = (filter: object, caller = localOperator) => replays.count(caller, filter)
  assert.equal(await count({}), 3)
  assert.equal(await count({ state: 'any' }), 4)
  assert.equal(await count({ state: 'success' }), 1)
  assert.equal(await count({ subscription_id: 1 }), 2)
  assert.equal(await count({ event_type: 'order.paid' }), 1)
  assert.equal(await count({ tenant: 'acme' }), 1)
  assert.equal(await count({}, acme), 1)
  assert.equal(await count({ since: new Date(Date.now() + 1000).toISOString() }), 0)
  assert.equal(await count({ until: new Date(Date.now() - hourMs).toISOString() }), 0)
  await replays.replayEvent(localOperator, failed, [1])
  await settle(database, failed, 1, 2, 'delivered')
  assert.equal(await count({}), 2, 'a dead letter that was delivered later is none')
  assert.equal(await count({ state: 'success', subscription_id: 1 }), 1)
})

test('a replay is of one tenant where the caller is, and others do not see it', async () => {
  const made = await replays.create(acme, { state: 'failed' }, undefined)
  assert.equal(made.state, 'counting')
  assert.equal((await replays.read(Reach.of('acme'), made.id as never))?.id, made.id)
  assert.equal(await replays.read(Reach.of('other'), made.id as never), undefined)
  assert.equal(await replays.cancel(other, made.id as never), undefined)
  assert.equal((await replays.cancel(acme, made.id as never))?.state, 'cancelled')
})
