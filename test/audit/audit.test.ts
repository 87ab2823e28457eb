import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { recordChange } from '../../src/audit/audit.ts'
import { listEntries } from '../../src/audit/store.ts'
import { type Caller, localOperator, Reach } from '../../src/model/caller.ts'
import { testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const subscriptions = testSubscriptions(world)
const target = { target_url: 'https://example.com/hooks' }

const key: Caller = { ...localOperator, actor: { kind: 'key', id: '7', name: 'deploy' } }

async function entries(filter: Parameters<typeof listEntries>[2] = {}, reach = Reach.all) {
  return listEntries(database, reach, filter, { limit: 250, before: undefined })
}

const actionsOf = async (id: number) =>
  (await entries({ subject: { kind: 'subscription', id: String(id) } })).map(({ action }) => action)

/** From now on entries cannot be written, until it is disposed. */
async function withoutAuditLog() {
  await database.query({ text: 'alter table audit_log rename to audit_log_away' })
  return {
    async [Symbol.asyncDispose]() {
      await database.query({ text: 'alter table audit_log_away rename to audit_log' })
    },
  }
}

test('each change of a subscription has an entry: who, what, from what to what', async () => {
  const { id } = await subscriptions.create(key, { ...target, secret: 'a very secret word' })
  await subscriptions.patch(key, id, { description: 'orders', headers: { Authorization: 'Bearer hidden' } })
  await subscriptions.replace(key, id, { target_url: 'https://example.com/other' })
  await subscriptions.pause(key, id)
  await subscriptions.resume(key, id)
  await subscriptions.rotateSecret(key, id, {})
  await subscriptions.remove(key, id)
  const all = (await entries({ subject: { kind: 'subscription', id: String(id) } })).toReversed()
  assert.deepEqual(
    all.map(({ action }) => action),
    ['created', 'updated', 'updated', 'paused', 'resumed', 'secret_rotated', 'deleted'].map(
      verb => `subscription.${verb}`,
    ),
  )
  for (const entry of all) {
    assert.equal(entry.tenant, 'default')
    assert.deepEqual([entry.actor_kind, entry.actor_id, entry.actor_name], ['key', '7', 'deploy'])
  }
  assert.deepEqual(all[1]?.changes, [
    { field: 'description', before: null, after: 'orders' },
    { field: 'headers.Authorization', before: null, after: null, secret: 'set' },
  ])
  assert.deepEqual(all[2]?.changes, [
    { field: 'target_url', before: 'https://example.com/hooks', after: 'https://example.com/other' },
    { field: 'description', before: 'orders', after: null },
    { field: 'headers.Authorization', before: null, after: null, secret: 'removed' },
  ])
  assert.deepEqual(all[3]?.changes, [
    { field: 'paused', before: false, after: true },
    { field: 'state', before: 'active', after: 'paused' },
  ])
  assert.deepEqual(all[5]?.changes, [
    { field: 'signing_secret', before: null, after: null, secret: 'changed' },
  ])
  assert.doesNotMatch(JSON.stringify(all), /very secret|hidden|whsec_|v1:/)
})

test('a change that is rolled back has no entry', async () => {
  const { id } = await subscriptions.create(key, target)
  const wrong = { ...target, signing_secret: 'whsec_bWluZSBhbmQgbm9ib2R5IGVsc2UncyBzZWNyZXQ=' }
  await assert.rejects(subscriptions.patch(key, id, wrong), { code: 'validation_failed' })
  await assert.rejects(subscriptions.remove(key, id, 7), { code: 'version_conflict' })
  assert.deepEqual(await actionsOf(id), ['subscription.created'])
  const failing = database.transaction(async tx => {
    await recordChange(tx, key.actor, { action: 'tenant.created', subjectId: 'acme', tenant: 'acme' })
    throw new Error('not after all')
  })
  await assert.rejects(failing, /not after all/)
  assert.deepEqual(await entries({ action: 'tenant.created' }), [])
})

test('a change whose entry cannot be written is not made', async () => {
  const { id, version } = await subscriptions.create(key, target)
  const count = async () => (await subscriptions.list(Reach.all, { limit: 250 })).rows.length
  const before = await count()
  {
    await using _away = await withoutAuditLog()
    await assert.rejects(subscriptions.create(key, target), /audit_log/)
    await assert.rejects(subscriptions.patch(key, id, { description: 'other' }), /audit_log/)
    await assert.rejects(subscriptions.pause(key, id), /audit_log/)
    await assert.rejects(subscriptions.resume(key, id), /audit_log/)
    await assert.rejects(subscriptions.rotateSecret(key, id, {}), /audit_log/)
    await assert.rejects(subscriptions.remove(key, id), /audit_log/)
  }
  assert.equal(await count(), before)
  const now = await subscriptions.read(Reach.all, id)
  assert.deepEqual([now?.version, now?.description, now?.paused], [version, null, false])
  assert.equal(subscriptions.get(id)?.version, version)
  assert.deepEqual(await actionsOf(id), ['subscription.created'])
})

test('entries of one transaction stand in the order in which they were written', async () => {
  const verbs = Array.from({ length: 200 }, (_, index) => `tried_${index}`)
  await database.transaction(async tx => {
    for (const verb of verbs)
      await recordChange(tx, key.actor, { action: `backup.${verb}`, subjectId: null, tenant: null })
  })
  const found = (await entries({ subject: { kind: 'backup', id: undefined } })).map(({ action }) => action)
  assert.deepEqual(found, verbs.map(verb => `backup.${verb}`).toReversed())
})
