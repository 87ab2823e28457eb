import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { countOldStats, removeOldStats } from '../../src/stats/retention.ts'
import { minuteOf, periodOf, type Step, steps } from '../../src/stats/steps.ts'
import { ownStatsDays } from '../../src/tenants/retention.ts'
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
async function rolledUp(
  step: Step,
  minutes: readonly number[],
  { subscriptionId = 1, tenant = 'default' } = {},
): Promise<void> {
  for (const [table, key, value] of [
    ['subscription_stats', 'subscription_id', subscriptionId],
    ['tenant_stats', 'tenant', tenant],
  ] as const) {
    await database.query({
      text: `insert into ${table} (step, minute, ${key}, success, failed, given_up, cells)
             select $1, minute, $3, 1, 0, 0, '{1}' from unnest($2::int4[]) as m (minute)`,
      values: [step, minutes, value],
    })
  }
  await database.query({
    text: `insert into stats_periods (step, minute) select $1, minute from unnest($2::int4[]) as m (minute)
           on conflict do nothing`,
    values: [step, minutes],
  })
}

const remove = async () => {
  const own = await ownStatsDays(database)
  const { signal } = new AbortController()
  return removeOldStats(database, { now: noon, retentionDays, own }, silentLogger(), signal)
}

/** Rows that would go, of whom. */
async function counted(): Promise<Readonly<Record<string, number>>> {
  const own = await ownStatsDays(database)
  const rows = await countOldStats(database, { now: noon, retentionDays, own })
  return Object.fromEntries(rows.map(({ tenant, rows: count }) => [tenant ?? '-', count]))
}

async function left(step: Step): Promise<readonly number[]> {
  return [...new Set((await storedRollUps(database, step)).map(row => row.minute))]
}

test('minutes are kept for two days, quarters for eight, hours and days as long as the setting says', async () => {
  const newest = (step: Step) => periodOf(minuteOf(noon), step) - step
  for (const step of steps) await rolledUp(step, [...lastKept(step), newest(step)])
  assert.deepEqual(await counted(), { default: 4, '-': 4 }, 'one period of each, in two tables')
  assert.equal(await remove(), 8)
  assert.deepEqual(await counted(), {})
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

/** What is left of whom, by the days that hours are old. */
async function hoursLeft(): Promise<Readonly<Record<string, readonly number[]>>> {
  const { rows } = await database.query<{ whose: string; minute: number }>({
    text: `select tenant as whose, minute from tenant_stats where step = 60
           union all select subscription_id::text, minute from subscription_stats where step = 60 order by 1, 2 desc`,
  })
  const byOwner = Map.groupBy(rows, ({ whose }) => whose)
  const age = (minute: number) => Math.round((minuteOf(noon) - minute) / 1440)
  return Object.fromEntries([...byOwner].map(([whose, of]) => [whose, of.map(({ minute }) => age(minute))]))
}

test('tenants keep their figures by the hour for less, or for longer; the sum of all and a deleted tenant are as of all', async t => {
  await database.query({
    text: `insert into tenants (id, name, retention, deleted_at) values
             ('brief', 'Brief', '{"stats_days": 7}', null), ('long', 'Long', '{"stats_days": 30}', null),
             ('gone', 'Gone', '{"stats_days": 30}', now())`,
  })
  t.after(() => database.query({ text: `delete from tenants where id in ('brief', 'long', 'gone')` }))
  await database.query({
    text: `insert into subscription_tombstones (id, tenant, target_url) values (2, 'brief', ''), (3, 'long', ''), (4, 'gone', '')`,
  })
  const hours = [6, 8, 11, 29, 31].map(days => periodOf(minuteOf(noon) - days * 1440, 60))
  await rolledUp(60, hours)
  await rolledUp(60, hours, { subscriptionId: 2, tenant: 'brief' })
  await rolledUp(60, hours, { subscriptionId: 3, tenant: 'long' })
  await rolledUp(60, hours, { subscriptionId: 4, tenant: 'gone' })
  await rolledUp(60, hours, { subscriptionId: 5, tenant: '*' })
  await rolledUp(1440, [periodOf(minuteOf(noon), 1440) - 1440]) // all hours are in days
  const kept = { default: [6, 8], brief: [6], long: [6, 8, 11, 29], gone: [6, 8], '*': [6, 8] }
  assert.deepEqual(await counted(), { default: 3, brief: 8, long: 2, gone: 6, '-': 9 })
  assert.equal(await remove(), 28)
  assert.deepEqual(await hoursLeft(), {
    ...kept,
    ...{ 1: kept.default, 2: kept.brief, 3: kept.long, 4: kept.gone, 5: kept.default },
  })
  assert.deepEqual(await counted(), {})
  assert.equal(await remove(), 0)
  const { rows: marks } = await database.query({ text: 'select from stats_periods where step = 60' })
  assert.equal(marks.length, 4, 'a period is known for as long as somebody keeps it')
})
