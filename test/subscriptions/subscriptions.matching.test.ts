import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { localOperator, Reach } from '../../src/model/caller.ts'
import type { EventToMatch } from '../../src/subscriptions/matching.ts'
import type { Subscriptions } from '../../src/subscriptions/subscriptions.ts'
import { testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

const target = { target_url: 'https://example.com/hooks' }

async function aWorld(t: TestContext) {
  const world = await testDatabase()
  t.after(() => world.close())
  return { world, subscriptions: testSubscriptions(world) }
}

/** An event, and how often somebody has asked for its payload. */
function anEvent(eventType: string | null, payload = '{}', channels: readonly string[] = []) {
  let asked = 0
  const event: EventToMatch = {
    ...{ tenant: 'default', eventType, channels, headers: {}, metadata: {} },
    get payload() {
      asked++
      return Buffer.from(payload)
    },
  }
  return { event, asked: () => asked }
}

const idsOf = (subscriptions: Subscriptions, { event }: { readonly event: EventToMatch }) =>
  subscriptions.matching(event)

test('every change of what a subscription wants is matched from then on', async t => {
  const { subscriptions } = await aWorld(t)
  const event = anEvent('order.paid', '{"total":5}', ['eu'])
  const { id } = await subscriptions.create(localOperator, { ...target, event_types: ['order.*'] })
  assert.deepEqual(idsOf(subscriptions, event), [id])
  const after = async (patch: object) => {
    await subscriptions.patch(localOperator, id, patch)
    return idsOf(subscriptions, event)
  }
  assert.deepEqual(await after({ event_types: ['order.created'] }), [])
  assert.deepEqual(await after({ event_types: null, channels: ['us'] }), [])
  assert.deepEqual(await after({ channels: ['us', 'eu'] }), [id])
  assert.deepEqual(await after({ filter: { payload: { total: { $gt: 9 } } } }), [])
  assert.deepEqual(await after({ filter: { payload: { total: 5 } } }), [id])
  assert.deepEqual(await after({ paused: true }), [id])
  await subscriptions.remove(localOperator, id)
  assert.deepEqual(idsOf(subscriptions, event), [])
})

test('a disabled subscription matches nothing that is published, until it is resumed', async t => {
  const { world, subscriptions } = await aWorld(t)
  const { id } = await subscriptions.create(localOperator, target)
  await world.database.query({
    text: `update subscriptions set state = 'disabled', state_since = state_since + interval '1 ms' where id = $1`,
    values: [id],
  })
  await subscriptions.refresh(id)
  assert.deepEqual(idsOf(subscriptions, anEvent('a')), [])
  assert.equal(subscriptions.get(id)?.disabled, true)
  await subscriptions.resume(localOperator, id)
  assert.deepEqual(idsOf(subscriptions, anEvent('a')), [id])
})

test('another process matches alike once it has read the table, and forgets what is gone', async t => {
  const { world, subscriptions } = await aWorld(t)
  const other = testSubscriptions(world)
  const made = []
  for (const event_types of [['a'], ['a.*'], ['b'], null])
    made.push(
      (await subscriptions.create(localOperator, { ...target, event_types, uid: `u${made.length}` })).id,
    )
  await other.load()
  assert.deepEqual(idsOf(other, anEvent('a')), [made[0], made[3]])
  assert.equal(other.withUid('default', 'u1')?.id, made[1])
  await subscriptions.remove(localOperator, made[0] ?? 0)
  await subscriptions.patch(localOperator, made[2] ?? 0, { event_types: ['a'], uid: 'u0' })
  await other.load()
  assert.deepEqual(idsOf(other, anEvent('a')), [made[2], made[3]])
  assert.equal(other.withUid('default', 'u0')?.id, made[2])
  assert.equal(other.withUid('default', 'u2'), undefined)
  assert.equal(other.withUid('acme', 'u0'), undefined)
})

test('a filter is compiled again when it is changed', async t => {
  const { subscriptions } = await aWorld(t)
  const event = anEvent('a', '{"n":1}')
  const { id } = await subscriptions.create(localOperator, { ...target, filter: { payload: { n: 2 } } })
  for (const n of [1, 2, 1]) {
    await subscriptions.patch(localOperator, id, { filter: { payload: { n } } })
    for (const _ of [1, 2]) assert.deepEqual(idsOf(subscriptions, event), n === 1 ? [id] : [])
  }
})

test('the payload is parsed only for a candidate with a filter on it', async t => {
  const { subscriptions } = await aWorld(t)
  await subscriptions.create(localOperator, target)
  const filter = { payload: { a: 1 } }
  for (let n = 0; n < 3; n++)
    await subscriptions.create(localOperator, { ...target, event_types: ['other'], filter })
  const unasked = anEvent('a')
  assert.deepEqual(idsOf(subscriptions, unasked), [1])
  assert.equal(unasked.asked(), 0)
  const asked = anEvent('other', '{"a":1}')
  assert.deepEqual(idsOf(subscriptions, asked), [1, 2, 3, 4])
  assert.equal(asked.asked(), 1)
})

test('an event is matched within its tenant', async t => {
  const { world, subscriptions } = await aWorld(t)
  await world.database.query({ text: `insert into tenants (id, name) values ('acme', 'Acme')` })
  const acme = { ...localOperator, reach: Reach.of('acme') }
  await subscriptions.create(localOperator, target)
  await subscriptions.create(acme, target)
  assert.deepEqual(idsOf(subscriptions, anEvent('a')), [1])
  assert.deepEqual(idsOf(subscriptions, { event: { ...anEvent('a').event, tenant: 'acme' } }), [2])
})

test('each process knows whether any subscription is verified as a provider signs', async t => {
  const { world, subscriptions } = await aWorld(t)
  const other = testSubscriptions(world)
  const inbound = { preset: 'github', secrets: ['s'], dedupe: ['header:x-id'] }
  const { id } = await subscriptions.create(localOperator, { ...target, metadata: { a: 'b' } })
  assert.equal(subscriptions.hasInbound(), false)
  await subscriptions.patch(localOperator, id, { inbound })
  await other.load()
  assert.deepEqual([subscriptions.hasInbound(), other.hasInbound()], [true, true])
  await subscriptions.patch(localOperator, id, { inbound: null })
  await other.load()
  assert.deepEqual([subscriptions.hasInbound(), other.hasInbound()], [false, false])
  const { id: second } = await subscriptions.create(localOperator, { ...target, inbound })
  assert.equal(subscriptions.hasInbound(), true)
  await subscriptions.remove(localOperator, second)
  assert.equal(subscriptions.hasInbound(), false)
})
