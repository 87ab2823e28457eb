import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { countOldStats, removeOldStats } from '../../src/stats/retention.ts'
import { minuteOf, periodOf, type Step, steps } from '../../src/stats/steps.ts'
import { noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { emptyAll } from '../support/rows.ts'
import { storedRollUps } from '../support/stats.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const retentionDays = 10
const keptDays = { 1: 2, 15: 8, 60: retentionDays, 1440: retentionDays }

/** The period that is kept for as long as it can be, and the one before it, which is too old. */
function lastKept(step: Step): readonly [kept: number, tooOld: number] {
  const kept = periodOf(minuteOf(noon) - keptDays[step] * 1440, step)
  return [kept, kept - step]
}

/** Roll-ups of a subscription and its tenant in some periods. */
async function rolledUp(step: Step, minutes: readonly number[]): Promise<void> {
  for (const [table, key, value] of [
    ['subscription_stats', 'subscription_id', 1],
    ['tenant_stats', 'tenant', 'default'],
  ] as const) {
    await database.query({
      text: `insert into ${table} (step, minute, ${key}, success, failed, given_up, cells)
             select $1, minute, $3, 1, 0, 0, '{1}' from unnest($2::int4[]) as m (minute)`,
      values: [step, minutes, value],
    })
  }
  await database.query({
    text: 'insert into stats_periods (step, minute) select $1, minute from unnest($2::int4[]) as m (minute)',
    values: [step, minutes],
  })
}

const remove = () =>
  removeOldStats(database, noon, retentionDays, silentLogger(), new AbortController().signal)

async function left(step: Step): Promise<readonly number[]> {
  return [...new Set((await storedRollUps(database, step)).map(row => row.minute))]
}

test('minutes are kept for two days, quarters for eight, hours and days as long as the setting says', async () => {
  const newest = (step: Step) => periodOf(minuteOf(noon), step) - step
  for (const step of steps) await rolledUp(step, [...lastKept(step), newest(step)])
  assert.equal(await countOldStats(database, noon, retentionDays), 8, 'one period of each, in two tables')
  assert.equal(await remove(), 8)
  assert.equal(await countOldStats(database, noon, retentionDays), 0)
  for (const step of steps) {
    const [kept] = lastKept(step)
    assert.deepEqual(await left(step), [kept, newest(step)], `periods of ${step} minutes`)
    const { rows } = await database.query<{ minute: number }>({
      text: 'select minute from stats_periods where step = $1 order by minute',
      values: [step],
    })
    assert.deepEqual(
      rows.map(({ minute }) => minute),
      [kept, newest(step)],
      'no mark is left of what is gone',
    )
  }
})

test('what no longer period is made of yet stays, however old it is', async () => {
  const [, tooOld] = lastKept(1)
  await rolledUp(1, [tooOld - 1440, tooOld])
  assert.equal(await remove(), 0)
  await rolledUp(15, [periodOf(tooOld - 1440, 15)])
  assert.equal(await remove(), 2)
  assert.deepEqual(await left(1), [tooOld])
})
