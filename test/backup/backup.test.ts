import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { createGunzip, gunzipSync, gzipSync } from 'node:zlib'
import { ownTables, writeBackup } from '../../src/backup/backup.ts'
import { BackupReader } from '../../src/backup/format.ts'
import { restoreBackup } from '../../src/backup/restore.ts'
import { StartupError } from '../../src/errors.ts'
import { tryLockForTransaction } from '../../src/platform/advisory-lock.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const newId = uuidV7Source(systemClock())

async function backUp(database: Database): Promise<Buffer> {
  const out = new PassThrough()
  const pieces: Buffer[] = []
  out.on('data', piece => pieces.push(piece))
  await writeBackup({ database, version: '0.0.0', keys: undefined }, out)
  return Buffer.concat(pieces)
}

async function restore(database: Database, backup: Buffer, force = false): Promise<number> {
  const text = createGunzip()
  text.end(backup)
  const reader = new BackupReader(text)
  const header = await reader.header()
  return restoreBackup({ database, reader, header, force })
}

/** What a table holds, as one text; `but`: columns that are left out. */
async function contentOf(database: Database, table: string): Promise<string> {
  const { rows } = await database.query<{ content: string }>({
    text: `select md5(string_agg(t::text, ' ' order by t::text)) as content from ${table} t`,
  })
  return `${table} ${rows[0]?.content}`
}

const inAll = async (database: Database) =>
  Promise.all((await ownTables()).map(table => contentOf(database, table)))

/** A database with something in each table that events pass through, and text that needs care. */
async function filled() {
  const world = await testDatabase({ partitions: 'hourly' })
  const { database } = world
  const odd = 'a\\.\n\\.\r\n\tö 🙂 \\N "quoted"'
  await database.query({
    text: `insert into subscriptions (target_url, description, metadata, signing_secrets, event_types)
           select 'https://example.org', $1, $2, '[]', array[$1, null] from generate_series(1, 3)`,
    values: [odd, JSON.stringify({ odd })],
  })
  await database.query({ text: 'delete from subscriptions where id = 3' })
  for (const payload of [
    randomBytes(5000),
    Buffer.from(odd),
    Buffer.alloc(0),
    Buffer.from([0, 92, 46, 10]),
  ]) {
    const values = [newId(), payload, odd]
    await database.query({
      text: `insert into events (webhook_id, tenant, content_type, payload, subscription_ids, metadata)
             values ($1, 'default', $3, $2, '{1,2}', null)`,
      values,
    })
    await database.query({
      text: `insert into owed (webhook_id, subscription_id, due_at, size_bytes, owner) values ($1, 1, now(), 5, 1)`,
      values: values.slice(0, 1),
    })
    await database.query({
      text: `insert into attempt_details (id, request, response_body, timings) values ($1, $3, $2, '{}')`,
      values: [values[0], payload, JSON.stringify({ odd: `${odd}\0` })],
    })
  }
  await database.query({
    text: "insert into lanes (subscription_id, due_at, full_at) values (1, 'infinity', null)",
  })
  await database.query({
    text: "insert into processes (host, pid, role, version, heartbeat_at) values ('h', 1, 'all', '0', now() - interval '1 hour')",
  })
  return world
}

test('every table of the schema is in a backup', async () => {
  const { database, close } = await testDatabase({ partitions: false })
  const { rows } = await database.query<{ name: string }>({
    text: `select relname as name from pg_class
           where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
             and relname <> 'schema_migrations'`,
  })
  assert.deepEqual([...(await ownTables())].sort(), rows.map(({ name }) => name).sort())
  await close()
})

test('a restored database holds what the other one held, byte for byte, and gives out no number again', async () => {
  const source = await filled()
  const target = await testDatabase({ migrated: false })
  const before = await inAll(source.database)
  await restore(target.database, await backUp(source.database))
  const differing = (await inAll(target.database)).filter(content => !before.includes(content))
  // Its processes are dead, and it is an installation of its own.
  assert.deepEqual(
    differing.map(content => content.split(' ')[0]),
    ['installation', 'processes', 'dead_processes'],
  )
  const { rows: dead } = await target.database.query({ text: 'select id from dead_processes' })
  assert.deepEqual(dead, [{ id: 1 }])
  const { rows } = await target.database.query<{ id: number }>({
    text: "insert into subscriptions (target_url, signing_secrets) values ('https://example.org', '[]') returning id",
  })
  assert.equal(rows[0]?.id, 1004, 'three were given out before')
  await source.close()
  await target.close()
})

test('a database that is not empty is refused, and replaced whole with force', async () => {
  const source = await filled()
  const backup = await backUp(source.database)
  const target = await filled()
  await target.database.query({ text: "update subscriptions set description = 'mine'" })
  const before = await inAll(target.database)
  await assert.rejects(
    restore(target.database, backup),
    /not empty \(there are rows in .*subscriptions.*--force/,
  )
  assert.deepEqual(await inAll(target.database), before)
  await restore(target.database, backup, true)
  const subscriptions = await contentOf(source.database, 'subscriptions')
  assert.equal(await contentOf(target.database, 'subscriptions'), subscriptions)
  await source.close()
  await target.close()
})

test('a backup that is damaged restores nothing, and changes nothing', async () => {
  const source = await filled()
  const text = gunzipSync(await backUp(source.database))
  const target = await filled()
  const before = await inAll(target.database)
  const refused = async (damaged: Buffer, message: RegExp) => {
    await assert.rejects(restore(target.database, gzipSync(damaged), true), message)
    assert.deepEqual(await inAll(target.database), before)
  }
  await refused(text.subarray(0, text.length - 10), /cut short/)
  await refused(text.subarray(0, Math.floor(text.length / 2)), /cut short/)
  await refused(Buffer.from(text.toString().replace(/"rows":\d+/, '"rows":1')), /should have 1/)
  await refused(
    Buffer.from(text.toString().replace('{"table":"owed"', '{"table":"pg_authid"')),
    /no table pg_authid/,
  )
  const name = /"name":"(events_\d+)"/.exec(text.toString())?.[1] ?? ''
  await refused(Buffer.from(text.toString().replace(name, 'x; drop table owed')), /no proper names/)
  await source.close()
  await target.close()
})

test('it is not restored under a service that runs, nor by a version that lacks its migrations', async () => {
  const source = await filled()
  const backup = await backUp(source.database)
  await source.database.query({ text: 'update processes set heartbeat_at = now()' })
  await assert.rejects(restore(source.database, backup, true), /Stop it first: process 1 on h/)
  const newer = gunzipSync(backup)
    .toString()
    .replace(/"migrations":\[/, '$&{"name":"0999_later.sql","checksum":"x"},')
  const target = await testDatabase({ migrated: false })
  await assert.rejects(restore(target.database, gzipSync(newer)), /does not have \(0999_later\.sql\)/)
  await source.close()
  await target.close()
})

test('while a backup is written, no partition is dropped, and events come in that are not in it', async () => {
  const { database, close } = await filled()
  const pieces: Buffer[] = []
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const slow = new Writable({
    write(piece, _encoding, done) {
      pieces.push(piece)
      void released.then(() => done())
    },
  })
  const writing = writeBackup({ database, version: '0.0.0', keys: undefined }, slow)
  await eventually(() => pieces.length > 0)
  assert.equal(await database.transaction(tx => tryLockForTransaction(tx, 'retention')), false)
  await database.query({ text: "update subscriptions set description = 'too late'; delete from owed" })
  release()
  const { rows } = await writing
  assert.equal(await database.transaction(tx => tryLockForTransaction(tx, 'retention')), true)
  const target = await testDatabase({ migrated: false })
  assert.equal(await restore(target.database, Buffer.concat(pieces)), rows)
  const { rows: owed } = await target.database.query({
    text: "select from owed where not exists (select from subscriptions where description = 'too late')",
  })
  assert.equal(owed.length, 4)
  await target.close()
  await close()
})

test('of an empty database there is no backup', async () => {
  const { database, close } = await testDatabase({ migrated: false })
  await assert.rejects(backUp(database), StartupError)
  await close()
})
