import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { readStorage, type SettingReport, type StorageReport } from '../../src/monitor/storage.ts'
import { testDatabase } from '../support/database.ts'
import { testService } from '../support/service.ts'

const world = await testService({ PUBLIC_URL: 'https://webhooks.example.com' })
after(() => world[Symbol.asyncDispose]())

test('operators see the settings in force, without secrets', async () => {
  const settings = (await (await fetch(`${world.url}/system/settings`)).json()) as SettingReport[]
  const of = (name: string) => settings.find(({ variable }) => variable === name)
  assert.deepEqual(of('PUBLIC_URL'), {
    ...{ variable: 'PUBLIC_URL', value: 'https://webhooks.example.com', is_default: false },
  })
  assert.equal(of('MAX_STREAMS')?.is_default, true)
  assert.match(of('DATABASE_URL')?.value ?? '', /:\*\*\*@|^(?!.*:[^/@]+@)/)
})

test('operators see what is stored and for how long it is kept', async () => {
  const report = (await (await fetch(`${world.url}/system/storage`)).json()) as StorageReport
  assert.ok(report.database_bytes > 1_000_000)
  const events = report.tables.find(({ name }) => name === 'events')
  assert.ok(events && events.partitions.length >= 2)
  assert.equal(
    events.bytes,
    events.partitions.reduce((sum, { bytes }) => sum + bytes, 0),
  )
  for (const { from, to } of events.partitions) assert.ok(Date.parse(from) < Date.parse(to))
  const present = events.partitions.some(
    ({ from, to }) => Date.parse(from) <= Date.now() && Date.now() < Date.parse(to),
  )
  assert.ok(present, 'one for the present')
  assert.equal(report.tables.find(({ name }) => name === 'subscriptions')?.partitions.length, 0)
  assert.deepEqual(report.retention, {
    ...{ log_hours: 72, payload_hours: 72, details_hours: 72, names_hours: 72 },
    audit_days: report.retention.audit_days,
  })
})

test('how many rows a table has is not known before the database has looked', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await database.query({ text: 'create table never_looked_at (id integer)' })
  const retention = { log_hours: 1, payload_hours: 1, details_hours: 1, names_hours: 24, audit_days: 1 }
  const rowsOf = async () =>
    (await readStorage(database, retention)).tables.find(({ name }) => name === 'never_looked_at')?.rows
  assert.equal(await rowsOf(), null)
  await database.query({ text: 'insert into never_looked_at values (1), (2)' })
  await database.query({ text: 'analyze never_looked_at' })
  assert.equal(await rowsOf(), 2)
})
