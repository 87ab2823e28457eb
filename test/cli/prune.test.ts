import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCode } from '../../src/cli/command.ts'
import { runPrune } from '../../src/cli/prune.ts'
import type { Environment } from '../../src/config/config.ts'
import { ensurePartitions } from '../../src/log/partitions.ts'
import { tryLockForSession } from '../../src/platform/advisory-lock.ts'
import { besideThePath } from '../../src/platform/batches.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { hourMs } from '../support/clock.ts'
import { allAttempts, allOwed, countEvents, idAt, owe } from '../support/rows.ts'
import { client, eventually, processWorld, testService } from '../support/service.ts'

async function prune(environment: Environment, args: readonly string[] = []) {
  const lines: string[] = []
  const write = (text: string) => void lines.push(text)
  const code = await runPrune(args, { out: write, err: write, environment })
  return { code, text: lines.join('\n') }
}

/** The service's own round, which begins as it starts, is over. */
function firstRoundOver(database: Database): Promise<unknown> {
  return besideThePath(database, 'test', session => eventually(() => tryLockForSession(session, 'retention')))
}

test('prune drops what is old, and keeps what is owed to a subscription whose secrets do not open', async () => {
  // The service keeps it for longer than the command, so that no round of its own takes what is made here.
  await using world = await testService({ LOG_RETENTION_HOURS: '2000' })
  const { database } = world.world
  await firstRoundOver(database)
  const api = client(world.url)
  const rules = { target_url: 'http://127.0.0.1:9/', paused: true }
  const [readable, unreadable] = [await api.subscribe(rules), await api.subscribe(rules)]
  await database.query({
    text: `update subscriptions set signing_secrets = '[{"sealed": "v1:00000000:AAAA", "expires_at": null}]' where id = $1`,
    values: [unreadable.id],
  })
  const then = Date.now() - 1000 * hourMs
  await ensurePartitions(database, then, 72)
  await owe(database, { webhookId: idAt(then), subscriptionIds: [readable.id, unreadable.id, 404] })
  const { code, text } = await prune({ ...world.environment, LOG_RETENTION_HOURS: '72' })
  assert.equal(code, exitCode.ok)
  assert.match(text, /1 deliveries expired, 1 cancelled, 1 events carried over/)
  assert.match(text, /1 subscriptions cannot be read/)
  const audit = (await (await fetch(`${world.url}/audit?action=retention.run`)).json()) as unknown[]
  assert.equal(audit.length, 1, 'the round of the command is recorded, and not those of the service')
  assert.deepEqual(
    (await allOwed(database)).map(row => row.subscriptionId),
    [unreadable.id],
  )
  assert.deepEqual(
    (await allAttempts(database)).map(row => [row.subscriptionId, row.verdict]),
    [
      [readable.id, 'expired'],
      [404, 'cancelled'],
    ],
  )
})

test('what goes row by row is counted too, and removed: states, figures, replays and test receivers', async () => {
  await using world = await processWorld() // of which none is running
  const { database } = world.world
  const then = idAt(Date.now() - 3000 * hourMs)
  const minute = Math.floor(Date.now() / 60_000) - 100 * 1440
  for (const text of [
    `insert into subscription_changes (id, subscription_id, paused_before, paused, state_before, state)
     values ('${then}', 1, false, true, 'active', 'active')`,
    `insert into tenant_stats (step, minute, tenant, success, failed, given_up, cells) values (1440, ${minute}, 'default', 1, 0, 0, '{1}')`,
    `insert into stats_periods (step, minute) values (1440, ${minute})`,
    `insert into replays (id, tenant, filter, state, finished_at) values ('${then}', 'default', '{}', 'done', now() - interval '100 d')`,
    `insert into test_receivers (tenant, token, url, answer, expires_at) values ('default', 't', 'u', '{}', now() - interval '1 h')`,
    `insert into test_receiver_requests (id, receiver, method, headers, body, body_bytes, signature)
     select '${then}', id, 'POST', '{}', '', 0, 'unchecked' from test_receivers`,
  ])
    await database.query({ text })
  const planned = (await prune(world.environment, ['--dry-run'])).text
  for (const line of [
    /^states +- +1 /m,
    /^figures +default +1 /m,
    /^replays +default +1 /m,
    /^test receivers +default +2 /m,
  ])
    assert.match(planned, line)
  const { text } = await prune(world.environment)
  assert.match(
    text,
    /^Row by row: 1 changes of states, 1 rows of figures, 1 replays and 1 test receivers\.$/m,
  )
  assert.match((await prune(world.environment, ['--dry-run'])).text, /^Nothing is old enough to go\./m)
})

test('prune says when another process is at it', async () => {
  await using world = await testService()
  await besideThePath(world.world.database, 'another process', async session => {
    await eventually(() => tryLockForSession(session, 'retention')) // the service's own first round has it
    const { code, text } = await prune(world.environment)
    assert.equal(code, exitCode.ok)
    assert.match(text, /Another process is at it/)
  })
})

test('prune --dry-run says what would go, by kind and tenant, and changes nothing', async () => {
  await using world = await processWorld() // of which none is running
  const { database } = world.world
  const then = Date.now() - 1000 * hourMs
  await ensurePartitions(database, then, 72)
  const settled = { webhookId: idAt(then), subscriptionIds: [] }
  await owe(database, { ...settled, payload: Buffer.alloc(2048) })
  const { code, text } = await prune(world.environment, ['--dry-run'])
  assert.equal(code, exitCode.ok)
  assert.match(text, /^kind +tenant +rows +about\nevents +default +1 +2\.1 KiB$/m)
  assert.match(
    text,
    /Partitions that would be dropped: \d+, which take [\d.]+ [KM]iB on the disk\.\nNothing was changed/,
  )
  assert.equal(await countEvents(database), 1)
  const recorded = await database.query({ text: `select from audit_log where action = 'retention.run'` })
  assert.equal(recorded.rows.length, 0)
  assert.match((await prune(world.environment)).text, /^Dropped \d+ partitions/m)
  assert.match((await prune(world.environment, ['--dry-run'])).text, /^Nothing is old enough to go\./m)
  const mistaken = await prune(world.environment, ['--dry'])
  assert.deepEqual(
    [mistaken.code, (await prune(world.environment, ['--help'])).code],
    [exitCode.usage, exitCode.ok],
  )
  assert.match(mistaken.text, /--dry-run/)
})
