import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Notices } from '../../src/cluster/notices.ts'
import { readConfig } from '../../src/config/config.ts'
import { localOperator } from '../../src/model/caller.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openAccess } from '../../src/service/access.ts'
import { testDatabase } from '../support/database.ts'
import { aKey, aPortalToken, aTenant } from '../support/keys.ts'

test('the process that deletes a tenant refuses its keys and tokens at once, before it hears of any notice', async t => {
  const { database, url, close } = await testDatabase()
  t.after(close)
  await aTenant(database, 'acme')
  const config = readConfig({ AUTH: 'keys', DATABASE_URL: url })
  const clock = { now: () => Date.now() }
  const deps = { config, database, clock, logger: silentLogger() }
  const { keys, tenants } = await openAccess(deps, new Notices(database)) // it never listens
  assert.ok(keys)
  const [key, { token }] = [await aKey(database, 'tenant', 'acme'), await aPortalToken(database, 'acme')]
  for (const secret of [key, token]) assert.ok(await keys.identify(`Bearer ${secret}`))
  await tenants.remove(localOperator, 'acme')
  for (const secret of [key, token]) assert.equal(await keys.identify(`Bearer ${secret}`), undefined)
})
