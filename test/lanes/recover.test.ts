import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { recoverHoldings } from '../../src/lanes/recover.ts'
import { repair } from '../../src/lanes/repair.ts'
import { ensurePartitions } from '../../src/log/partitions.ts'
import { runRetention } from '../../src/log/retention.ts'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { type Connection, type ConnectionSettings, Database } from '../../src/platform/postgres.ts'
import { uuidV7Now } from '../../src/platform/sql.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { atLength } from '../support/length.ts'
import { allOwed, owe } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

const rows = atLength(100_000, 25_000)

/** Its pinned connections allow a statement less time than one takes that is about all rows, as this machine is now. */
class HurriedDatabase extends Database {
  statementMsMax = 10_000

  override connection(name: string, settings: ConnectionSettings = {}): Connection {
    return super.connection(name, { ...settings, queryTimeoutMs: this.statementMsMax })
  }
}

/** A backlog whose rows all belong to events of before the retention, leased to a process that is not there. */
async function aBacklog(t: TestContext) {
  const { database, connection, close } = await testDatabase({ queryTimeoutMs: 100_000, partitions: false })
  await ensurePartitions(database, Date.now(), 72) // what is ended in the log is dated by the database
  const hurried = new HurriedDatabase({
    connection,
    poolSize: 2,
    queryTimeoutMs: 10_000,
    connectTimeoutMs: 5000,
  })
  t.after(async () => {
    await hurried.close()
    await close()
  })
  await database.query({
    text: `
      insert into owed (webhook_id, subscription_id, size_bytes, due_at, owner)
      select (lpad(to_hex($1::bigint + n), 12, '0') || '7000' || substr(md5(n::text), 1, 16))::uuid, 1, 1, now(), 404
      from generate_series(1, $2::int) n`,
    values: [noon - 80 * hourMs, rows],
  })
  /**
   * Allows no statement more than two thirds of the time that this one takes; of a small backlog a time that a batch needs
   * on any machine, which says nothing of the whole.
   */
  const allowLessThan = async (text: string) => {
    const undone = new Error('undone')
    const beganAt = performance.now()
    const all = database.transaction(async tx => {
      await tx.query({ text })
      hurried.statementMsMax = Math.max(
        atLength(0, 5000),
        Math.floor(((performance.now() - beganAt) * 2) / 3),
      )
      throw undone
    })
    await assert.rejects(all, undone)
    if (atLength(1, 0) === 0) return
    await assert.rejects(hurried.connection('all at once').query({ text }), { code: 'database_unavailable' })
  }
  return {
    database,
    allowLessThan,
    deps: { database: hurried, clock: fakeClock(noon), logger: silentLogger() },
  }
}

const owned = async (database: Database) =>
  Number(
    (
      await database.query<{ n: number }>({
        text: 'select count(*)::int as n from owed where owner is not null',
      })
    ).rows[0]?.n,
  )

test('a backlog of any size is freed under a limit that no statement about all of it would keep', async t => {
  const { database, allowLessThan, deps } = await aBacklog(t)
  await allowLessThan('update owed set owner = null, due_at = now() where owner = 404')
  const signal = new AbortController().signal
  assert.deepEqual(await recoverHoldings(deps, { id: 404, from: 0 }, signal), {
    kind: 'recovered',
    deliveries: rows,
    isDone: true,
  })
  assert.equal(await owned(database), 0)
})

test('the repair frees as much without the help of a range', async t => {
  const { database, allowLessThan, deps } = await aBacklog(t)
  await allowLessThan('update owed set owner = null, due_at = now() where owner = 404')
  const report = await repair(deps, new AbortController().signal)
  assert.equal(report?.orphans, rows)
  assert.equal(await owned(database), 0)
})

test('retention ends as much under the same limit', async t => {
  const { database, allowLessThan, deps } = await aBacklog(t)
  const endAll = `
    with gone as (delete from owed where webhook_id < '0fffffff-0000-0000-0000-000000000000' returning *)
    insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict)
    select ${uuidV7Now}, subscription_id, webhook_id, attempt, 'failed', 'expired' from gone`
  await allowLessThan(endAll)
  const subscription = aSubscription({ retry: { ...defaultRetryPolicy, maxAgeSeconds: 3600 } })
  const subscriptions = { get: () => subscription, whichExist: async () => new Set([1]) }
  const report = await runRetention({ ...deps, subscriptions, retentionHours: 72, auditDays: 365 })
  assert.equal(report?.expired, rows)
  assert.deepEqual(await allOwed(database), [])
})

test('told to stop it leaves what it has freed, and the next call does the rest', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  for (let n = 0; n < 3; n++) await owe(database, { owner: 404 })
  const deps = { database, clock: fakeClock(noon), logger: silentLogger() }
  const stopped = await recoverHoldings(deps, { id: 404, from: 0 }, AbortSignal.abort())
  assert.deepEqual(stopped, { kind: 'recovered', deliveries: 0, isDone: false })
  const held = { id: 404, from: 0 }
  const { signal } = new AbortController()
  assert.deepEqual(await recoverHoldings(deps, held, signal), {
    kind: 'recovered',
    deliveries: 3,
    isDone: true,
  })
})

test('while another process is at it, nothing is done', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await owe(database, { owner: 404 })
  const deps = { database, clock: fakeClock(noon), logger: silentLogger() }
  await besideThePath(database, 'another process', async session => {
    assert.ok(await tryLockForSession(session, 'recovery'))
    const { signal } = new AbortController()
    assert.deepEqual(await recoverHoldings(deps, { id: 404, from: 0 }, signal), { kind: 'busy' })
  })
  assert.equal((await allOwed(database))[0]?.owner, 404)
})
