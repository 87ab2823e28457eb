import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installationId } from '../../src/platform/installation.ts'
import { testDatabase } from '../support/database.ts'

test('an installation has one name, however many ask for it at once, and no other has it', async t => {
  const [one, other] = await Promise.all([testDatabase(), testDatabase()])
  t.after(() => Promise.all([one.close(), other.close()]))
  const names = await Promise.all(Array.from({ length: 5 }, () => installationId(one.database)))
  assert.equal(new Set(names).size, 1)
  assert.match(names[0] ?? '', /^[0-9a-f-]{36}$/)
  assert.notEqual(await installationId(other.database), names[0])
})
