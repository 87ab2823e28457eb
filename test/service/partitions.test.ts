import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../src/config/config.ts'
import { periodsOf } from '../../src/log/partitions.ts'
import { makePartitions } from '../../src/service/partitions.ts'
import { fakeClock, hourMs } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { someTroubles } from '../support/troubles.ts'

test('while the clock of a process and that of the database are apart, there are partitions for both', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const now = Date.now()
  const ahead = now + 240 * hourMs
  const deps = { database, config: readConfig({}), clock: fakeClock(ahead), troubles: someTroubles() }
  assert.ok((await makePartitions(deps)) > 0)
  for (const table of ['events', 'delivery_logs', 'audit_log'] as const) {
    const periods = await periodsOf(database, table)
    for (const moment of [now, ahead])
      assert.ok(
        periods.some(({ from, to }) => from <= moment && moment < to),
        `${table}, ${new Date(moment).toISOString()}`,
      )
  }
  assert.equal(await makePartitions(deps), 0)
})
