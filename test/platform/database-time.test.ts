import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { databaseClock, databaseTime, earlierNow } from '../../src/platform/database-time.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, hourMs } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'

const { database, close } = await testDatabase()
after(close)

test('of a clock and the database the one that says earlier says what is old', async () => {
  const now = await databaseTime(database)
  assert.equal(await earlierNow(database, fakeClock(now - hourMs)), now - hourMs)
  const ahead = await earlierNow(database, fakeClock(now + hourMs))
  assert.ok(ahead >= Math.floor(now) && ahead < now + hourMs)
})

test('the clock of a command shows what the database says, whatever this machine does', async () => {
  const longAgo = Date.UTC(2020, 0, 1)
  const answer = { rows: [{ ms: longAgo }], rowCount: 1 }
  const clock = await databaseClock({ query: async () => answer } as unknown as Queryable) // what is used of it
  assert.ok(clock.now() >= longAgo && clock.now() < longAgo + hourMs)
})
