import assert from 'node:assert/strict'
import { test } from 'node:test'
import { demandVerification, readPending } from '../../src/subscriptions/verification-store.ts'
import { testDatabase } from '../support/database.ts'
import { aTenant } from '../support/keys.ts'
import { subscribe } from '../support/replay.ts'

test('a tenant with many receivers that were not heard keeps those of others from no turn', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  for (const tenant of ['many', 'few']) await aTenant(database, tenant)
  await subscribe(database, [1, 2, 3, 4, 5], { tenant: 'many' })
  await subscribe(database, [6, 7], { tenant: 'few' })
  for (const id of [1, 2, 3, 4, 5, 6, 7]) await demandVerification(database, id, 'challenge')
  const later = new Date(Date.now() + 60_000)
  assert.deepEqual(await readPending(database, later, 4), [1, 6, 2, 7])
  assert.deepEqual(await readPending(database, new Date(0), 4), [])
})
