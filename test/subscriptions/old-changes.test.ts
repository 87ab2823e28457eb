import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { removeOldChanges } from '../../src/subscriptions/old-changes.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'

const { database, close } = await testDatabase()
after(close)

test('changes of states that are older than the log go, and no others', async () => {
  const clock = fakeClock(noon - 80 * hourMs)
  const newId = uuidV7Source(clock)
  for (let hour = 0; hour < 80; hour++) {
    await database.query({
      text: `insert into subscription_changes values ($1, 1, false, true, 'active', 'active', null)`,
      values: [newId()],
    })
    clock.advance(hourMs)
  }
  const deps = { database, clock, logger: silentLogger(), retentionMs: 72 * hourMs }
  await removeOldChanges(deps, new AbortController().signal)
  const { rows } = await database.query<{ n: number }>({
    text: 'select count(*)::int as n from subscription_changes',
  })
  assert.deepEqual(rows, [{ n: 72 }])
})
