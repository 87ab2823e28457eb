import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { readConfig } from '../../src/config/config.ts'
import type { TroubleReport } from '../../src/monitor/system-schema.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { startService } from '../../src/service/service.ts'
import { makeTemplate, PostgresServer } from '../faults/postgres-server.ts'
import { systemOf } from '../support/acquainted.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { testRedis } from '../support/redis.ts'
import { client, type TestService, testService } from '../support/service.ts'

// Each trouble is brought about as it happens: what is stopped is stopped, what is full is full.

const run = promisify(execFile)

interface Line {
  readonly level: string
  readonly msg: string
  readonly trouble?: string
  readonly cause?: string
  readonly seconds?: number
  readonly [count: string]: unknown
}

/** A logger, with the lines that tell of troubles. */
function aLog() {
  const lines: Line[] = []
  const output = {
    write(text: string) {
      const line: Line = JSON.parse(text)
      if (line.trouble !== undefined) lines.push(line)
    },
  }
  return { lines, logger: createLogger({ level: 'warn', format: 'json', output }) }
}

async function readiness(url: string) {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as { checks: Record<string, string> } // as openapi.json has it
  return { status: answer.status, checks }
}

/** Waits until `/system` lists one of this kind, that lasts or is over. */
async function listed(url: string, kind: string, isOver: boolean): Promise<TroubleReport> {
  const find = async () =>
    (await systemOf(url)).troubles.find(
      trouble => trouble.kind === kind && (trouble.until !== null) === isOver,
    )
  return (await eventually(find, found => found !== undefined)) ?? assert.fail()
}

async function metric(url: string, line: RegExp): Promise<boolean> {
  return line.test(await (await fetch(`${url}/metrics`)).text())
}

async function aService(settings: Record<string, string> = {}) {
  const { lines, logger } = aLog()
  const service = await testService(settings, logger)
  return Object.assign(service, { lines })
}

/** One line that it began, and one that it is over. */
function assertTwoLines(lines: readonly Line[], kind: string, level: 'warn' | 'error', count: string): void {
  const told = lines.filter(({ trouble }) => trouble === kind)
  assert.equal(told.length, 2, JSON.stringify(told))
  assert.equal(told[0]?.level, level)
  assert.equal(typeof told[1]?.seconds, 'number')
  assert.equal(typeof told[1]?.[count], 'number')
}

test('PostgreSQL is stopped and started: two lines, /readyz, and /system answers without it', async () => {
  const template = await makeTemplate()
  const server = await PostgresServer.create(template)
  const { lines, logger } = aLog()
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-e2e-'))
  const environment = {
    DATABASE_URL: server.url(),
    DATA_DIR: dataDir,
    AUTH: 'none',
    HOST: '127.0.0.1',
    PORT: '0',
  }
  const service = await startService({
    config: readConfig({ ...environment, SHUTDOWN_DRAIN_MS: '0' }),
    logger,
  })
  try {
    const { url } = service
    await server.stop()
    await eventually(async () => (await readiness(url)).status === 503)
    assert.equal((await readiness(url)).checks.database, 'unavailable')
    const { until, count, cause } = await listed(url, 'database', false)
    assert.deepEqual([until, count], [null, 0])
    assert.ok(cause)
    assert.equal((await systemOf(url)).database.available, false)
    assert.ok(await metric(url, /^webhook_database_up 0$/m))
    assert.ok(await metric(url, /^webhook_troubles\{kind="database"\} 1$/m))
    assert.ok(!(await metric(url, /^webhook_queue_oldest_due_seconds /m)), 'what is not known is left out')
    await server.start()
    await eventually(async () => (await readiness(url)).status === 200)
    await listed(url, 'database', true)
    assertTwoLines(lines, 'database', 'warn', 'refused')
  } finally {
    await service.close()
    await server.close()
    await template.remove()
    await rm(dataDir, { recursive: true, force: true })
  }
})

/** A small disk; undefined where none can be mounted, which takes root. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-disk-'))
  await chmod(folder, 0o755)
  let isMounted = false
  t.after(async () => {
    if (isMounted) await run('umount', ['-l', folder])
    await rm(folder, { recursive: true, force: true })
  })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=755', 'tmpfs', folder])
  } catch {
    t.skip('a small disk cannot be mounted here: it takes root')
    return undefined
  }
  isMounted = true
  return folder
}

/** Writes until there is no room for a byte more. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  for (let bytes = 2 ** 20; bytes >= 1; ) {
    const { bytesWritten } = await file.write(Buffer.alloc(bytes)).catch(() => ({ bytesWritten: 0 }))
    if (bytesWritten < bytes) bytes = Math.floor(bytes / 2)
  }
  await file.close()
}

test('a full disk is named as such, in local mode, too', async t => {
  const disk = await smallDisk(t)
  if (disk === undefined) return
  const { lines, logger } = aLog()
  const config = readConfig({ DATA_DIR: join(disk, 'data'), PORT: '0', SHUTDOWN_DRAIN_MS: '0' })
  const service = await startService({ config, logger })
  try {
    const { url } = service
    const api = client(url)
    const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
    const ballast = join(disk, 'ballast')
    await fill(ballast)
    const body = 'x'.repeat(100_000)
    const send = async () => (await api.post(`/ingest/${id}`, body, { 'content-type': 'text/plain' })).status
    await eventually(send, status => status === 503)
    const { level, message } = await eventually(
      async () => (await systemOf(url)).troubles.find(({ kind }) => kind === 'disk_full') ?? assert.fail(),
      found => found.until === null,
    )
    assert.equal(level, 'error')
    assert.match(message, /disk of the database is full/)
    assert.equal((await readiness(url)).checks.database, 'disk_full')
    await rm(ballast)
    await eventually(async () => (await readiness(url)).status === 200)
    await eventually(send, status => status === 202)
    assertTwoLines(lines, 'disk_full', 'error', 'refused')
  } finally {
    await service.close()
  }
})

test('Redis is killed and started: two lines, in /readyz though ready, in /system', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  await using server = redis
  await using service = await aService({ REDIS_URL: server.url })
  const { url, lines } = service
  await eventually(() => metric(url, /^redis_up 1$/m))
  await server.kill()
  await listed(url, 'redis', false)
  const { status, checks } = await readiness(url)
  assert.deepEqual([status, checks.redis], [200, 'unavailable'])
  assert.ok(await metric(url, /^redis_up 0$/m))
  await server.start()
  await listed(url, 'redis', true)
  assertTwoLines(lines, 'redis', 'warn', 'errors')
})

test('a receiver that fails until its circuit opens, and answers again', async () => {
  let isWell = false
  await using receiver = await startReceiver(() => ({ status: isWell ? 200 : 500 }))
  await using service = await aService({ CIRCUIT_FAILURES: '3', CIRCUIT_COOLDOWN_SECONDS: '60' })
  const { url, lines, clock } = service
  const api = client(url)
  const { id } = await api.subscribe({ target_url: receiver.origin, retry: { base_seconds: 1 } })
  for (let n = 0; n < 6; n++) await api.ingest(id)
  // What waits is counted now and then.
  const trouble = await eventually(
    () => listed(url, 'receiver', false),
    ({ count }) => count === 6,
  )
  assert.deepEqual([trouble.subject, trouble.process], [String(id), null])
  assert.deepEqual([trouble.count, trouble.count_exact], [6, true])
  assert.match(trouble.cause ?? '', /one attempt at a time from 20[\d-]+T[\d:.]+Z on, less and less often$/)
  await eventually(() => metric(url, /^webhook_troubles\{kind="receiver"\} 1$/m))
  assert.equal((await readiness(url)).status, 200)
  isWell = true
  clock.advance(120_000)
  await listed(url, 'receiver', true)
  await eventually(() => metric(url, /^webhook_troubles\{kind="receiver"\} 0$/m))
  assertTwoLines(lines, 'receiver', 'warn', 'waiting')
  assert.equal(lines.find(line => line.trouble === 'receiver')?.subscription_id, id)
})

test('a receiver that a person has sent to again: the trouble is over with a line, from an open circuit and when disabled', async () => {
  await using receiver = await startReceiver((_request, index) => ({
    status: [500, 500, 500, 200, 410][index] ?? 200,
  }))
  await using service = await aService({ CIRCUIT_FAILURES: '3', CIRCUIT_COOLDOWN_SECONDS: '60' })
  const { url, lines } = service
  const api = client(url)
  const { id } = await api.subscribe({ target_url: receiver.origin, retry: { base_seconds: 1 } })
  const resume = () => api.post(`/subscriptions/${id}/resume`, '{}', { 'content-type': 'application/json' })
  for (let n = 0; n < 3; n++) await api.ingest(id)
  await listed(url, 'receiver', false)
  await resume()
  await listed(url, 'receiver', true)
  assertTwoLines(lines, 'receiver', 'warn', 'waiting')
  assert.match(lines.at(-1)?.msg ?? '', /was resumed/)
  await eventually(() => receiver.received.length > 3)
  await api.ingest(id) // one of these hears that the receiver is gone
  await api.ingest(id)
  await listed(url, 'receiver', false)
  await resume()
  const told = await eventually(
    () => lines.filter(({ trouble }) => trouble === 'receiver').map(({ msg }) => msg),
    messages => messages.length === 4,
  )
  assert.match(told[2] ?? '', /was disabled/)
  assert.match(told[3] ?? '', /was resumed/)
})

test('a trouble ends with the subscription that it is of', async () => {
  await using receiver = await startReceiver({ status: 410 })
  await using service = await aService()
  const { url, lines } = service
  const { id } = await client(url).subscribe({ target_url: receiver.origin })
  await client(url).ingest(id)
  await listed(url, 'receiver', false)
  assert.equal((await fetch(`${url}/subscriptions/${id}`, { method: 'DELETE' })).status, 204)
  assert.equal((await listed(url, 'receiver', true)).subject, String(id))
  assertTwoLines(lines, 'receiver', 'warn', 'waiting')
  assert.match(lines.at(-1)?.msg ?? '', /was deleted/)
})

/** Nobody can make a table any more. */
async function forbidTables({ world }: TestService): Promise<() => Promise<void>> {
  const sql = (text: string) => world.database.query({ text })
  await sql(`create function no_tables() returns event_trigger language plpgsql as
    $$ begin raise exception 'no tables are made here'; end $$`)
  await sql(
    `create event trigger no_tables on ddl_command_start when tag in ('CREATE TABLE') execute function no_tables()`,
  )
  return async () => {
    await sql('drop event trigger no_tables')
    await sql('drop function no_tables')
  }
}

test('a partition that cannot be made is told, at last by refused events, and so is that it can be made again', async () => {
  await using service = await aService()
  const { url, lines, clock } = service
  const api = client(url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  const allow = await forbidTables(service)
  clock.advance(9 * 3_600_000) // past the hours that there are partitions for
  const send = async () => (await api.post(`/ingest/${id}`, '{}')).status
  assert.equal(await send(), 503)
  const { level, cause } = await listed(url, 'partitions', false)
  assert.deepEqual([level, cause], ['error', 'no tables are made here'])
  const { status, checks } = await readiness(url)
  assert.deepEqual([status, checks.partitions, checks.events], [503, 'failing', 'failing'])
  await allow()
  await eventually(send, answered => answered === 202)
  await listed(url, 'partitions', true)
  assertTwoLines(lines, 'partitions', 'error', 'tries')
})

test('what is lacking to send is told by what it is', async () => {
  // Nothing listens there: a proxy that is away.
  await using service = await aService({ EGRESS_PROXY: 'http://127.0.0.1:9' })
  const { url, lines } = service
  const api = client(url)
  const { id } = await api.subscribe({ target_url: 'http://example.com/' })
  await api.ingest(id)
  const { subject, message } = await listed(url, 'resources', false)
  assert.ok(subject)
  assert.match(message, /deliveries wait, and no attempt is spent/)
  assert.equal(lines.filter(({ trouble }) => trouble === 'resources').length, 1)
})
