import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { countOldStats } from '../../src/stats/retention.ts'
import { minuteOf, steps } from '../../src/stats/steps.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { subscribe } from '../support/replay.ts'
import { logAttempts, rollUpsAt, storedRollUps } from '../support/stats.ts'

const { database, close } = await testDatabase()
after(close)

const dayMs = 24 * hourMs

test('minutes are kept for two days, quarters for eight, hours and days as long as the setting says', async () => {
  await subscribe(database, [1])
  const clock = fakeClock(noon)
  const rollUps = rollUpsAt(database, clock, 10)
  const [first, last] = [noon, noon + 14 * dayMs]
  for (let at = first; at < last; at += 24 * hourMs) {
    await logAttempts(database, [{ at }])
    clock.set(at + 61_000 + 3000)
    await rollUps.run()
  }
  clock.set(last)
  assert.ok((await countOldStats(database, clock.now(), 10)) > 0)
  await rollUps.run()
  assert.equal(await countOldStats(database, clock.now(), 10), 0)
  const keptDays = { 1: 2, 15: 8, 60: 10, 1440: 10 }
  for (const step of steps) {
    const minutes = [...new Set((await storedRollUps(database, step)).map(row => row.minute))]
    const oldest = minuteOf(last) - keptDays[step] * 1440
    assert.ok(Math.min(...minutes) + step > oldest, `${step}: the oldest is gone`)
    assert.ok(Math.min(...minutes) <= oldest + 1440, `${step}: nothing goes too soon`)
    const { rows } = await database.query({
      text: 'select from stats_periods where step = $1 and minute + step <= $2',
      values: [step, oldest],
    })
    assert.equal(rows.length, 0, `${step}: no mark is left`)
  }
})
