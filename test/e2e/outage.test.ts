import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { createLogger } from '../../src/platform/logger.ts'
import { testServer } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { client, type TestService, testService } from '../support/service.ts'

interface Line {
  readonly level: string
  readonly msg: string
  readonly cause?: string
  readonly refused?: number
}

/** A service, with what it logs of its database at `warn` and above. */
async function aService(): Promise<TestService & { readonly lines: readonly Line[] }> {
  const lines: Line[] = []
  const output = {
    write(text: string) {
      const line: Line = JSON.parse(text)
      if (!line.msg.startsWith('fsync')) lines.push(line) // the database of the tests has it off
    },
  }
  const service = await testService({}, createLogger({ level: 'warn', format: 'json', output }))
  return Object.assign(service, { lines })
}

async function readiness({ url }: TestService) {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as { checks: Record<string, string> } // as openapi.json has it
  return { status: answer.status, checks }
}

const sql = (service: TestService, text: string) => service.world.database.query({ text })

/** Through another database of the server. */
async function onServer(text: string): Promise<void> {
  const admin = new pg.Client(await testServer())
  await admin.connect()
  await admin.query(text)
  await admin.end()
}

/** All connections of the service get new sessions, with the settings of the database of now. */
const cutAll = (service: TestService) =>
  sql(
    service,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  )

test('a full disk, which heartbeats do not notice, is told, and unready until an event could be written', async () => {
  await using service = await aService()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  await sql(
    service,
    `create function full_disk() returns trigger language plpgsql as
     $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`,
  )
  await sql(
    service,
    'create trigger full_disk before insert on events for each statement execute function full_disk()',
  )
  assert.equal((await readiness(service)).status, 200)
  for (let n = 0; n < 3; n++) assert.equal((await api.post(`/ingest/${id}`, '{}')).status, 503)
  const { status, checks } = await readiness(service)
  assert.deepEqual([status, checks.database, checks.events], [503, 'disk_full', 'failing'])

  await sql(service, 'drop function full_disk cascade')
  await eventually(async () => (await readiness(service)).status === 200) // though nobody sends an event
  assert.equal((await sql(service, 'select from events')).rowCount, 0, 'what was tried is taken back')
  assert.deepEqual(
    service.lines.map(({ level, cause, refused }) => ({ level, cause, refused })),
    [
      { level: 'error', cause: 'could not extend file: No space left on device', refused: undefined },
      { level: 'warn', cause: undefined, refused: 3 },
    ],
  )
  await api.ingest(id)
})

test('a database that takes no writes any more is told by the heartbeat, without an event', async () => {
  await using service = await aService()
  const { database } = service.world.connection
  await sql(service, `alter database ${database} set default_transaction_read_only = on`)
  await cutAll(service)
  await eventually(async () => (await readiness(service)).status === 503)
  await eventually(() => service.lines.length > 0)
  await cutAll(service)
  await sql(
    service,
    `begin read write; alter database ${database} reset default_transaction_read_only; commit`,
  )
  await cutAll(service)
  await eventually(async () => (await readiness(service)).status === 200)
  assert.equal(service.lines.length, 2)
  assert.match(
    `${service.lines[0]?.cause}`,
    /read-only transaction|terminating connection|Connection terminated/,
  )
  assert.equal(service.lines[1]?.msg, 'the database can be used again')
})

test('a writer that cannot have its connections back is unready, though the heartbeat has its own', async () => {
  await using service = await aService()
  const { database } = service.world.connection
  // As where others have taken all connections that the server has: those who come now are refused.
  await onServer(`alter database ${database} allow_connections = false`)
  await onServer(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = '${database}' and application_name like '% ingest-%'`,
  )
  const { checks } = await eventually(
    () => readiness(service),
    ({ status }) => status === 503,
  )
  assert.equal(checks.connections, 'failing')
  await onServer(`alter database ${database} allow_connections = true`)
  await eventually(async () => (await readiness(service)).status === 200)
  assert.equal(service.lines.length, 2)
  assert.match(`${service.lines[0]?.cause}`, /is not currently accepting connections/)
})
