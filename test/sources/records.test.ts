import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Database } from '../../src/platform/postgres.ts'
import { type Refusal, SourceRecords } from '../../src/sources/records.ts'
import { sourceLimits } from '../../src/sources/schema.ts'
import { hourMs } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { idAt } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
after(() => world.close())

let now = Date.parse('2026-03-01T05:00:00Z')
const clock = { now: () => now }

async function aSource(tenant = 'default'): Promise<number> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into sources (tenant, name, preset, token, secrets, settings, enabled)
           values ($1, 'a source', 'github', 'x', '[]', '{}', true) returning id`,
    values: [tenant],
  })
  return rows[0]?.id ?? 0
}

const refusal = (reason = 'signature_mismatch', bytes = 2): Refusal => ({
  ...{ reason, method: 'POST', query: null, headers: { 'content-type': 'text/plain' } },
  ...{ body: Buffer.alloc(bytes), body_bytes: bytes },
})

async function rowOf(id: number) {
  const { rows } = await world.database.query<Record<string, unknown>>({
    text: `select accepted::int, repeated::int, refused::int, refused_in_a_row::int, last_reason, refusing_since,
             (select count(*)::int from source_refusals where source = s.id) as kept
           from sources s where id = $1`,
    values: [id],
  })
  return rows[0]
}

async function factsOf(id: number) {
  const { rows } = await world.database.query<{ data: Record<string, unknown> }>({
    text: `select data from system_facts where type = 'source.rejecting' and data ->> 'source_id' = $1 order by id`,
    values: [String(id)],
  })
  return rows.map(({ data }) => data)
}

test('what came is added up, and refusals in a row end with one that is accepted', async () => {
  const records = new SourceRecords({ database: world.database, clock })
  const id = await aSource()
  records.accepted(id, false)
  records.accepted(id, true)
  records.refused(id, refusal())
  records.refused(id, refusal('timestamp_too_old'))
  await records.flush()
  assert.deepEqual(await rowOf(id), {
    ...{ accepted: 2, repeated: 1, refused: 2, refused_in_a_row: 2, kept: 2 },
    ...{ last_reason: 'timestamp_too_old', refusing_since: new Date(now) },
  })
  now += 1000
  records.refused(id, refusal())
  await records.flush()
  assert.partialDeepStrictEqual(await rowOf(id), {
    refused_in_a_row: 3,
    refusing_since: new Date(now - 1000),
  })
  records.accepted(id, false)
  await records.flush()
  assert.partialDeepStrictEqual(await rowOf(id), { refused_in_a_row: 0, refusing_since: null, accepted: 3 })
})

test('its owner is told once for each time it begins to refuse, an hour apart at the least; the tenant system never', async () => {
  const records = new SourceRecords({ database: world.database, clock })
  const [id, ofSystem] = [await aSource(), await aSource('system')]
  const refuse = async (times: number) => {
    for (let n = 0; n < times; n++) for (const one of [id, ofSystem]) records.refused(one, refusal())
    await records.flush()
  }
  await refuse(4)
  assert.deepEqual(await factsOf(id), [])
  await refuse(1)
  await refuse(10)
  const [fact, ...others] = await factsOf(id)
  assert.deepEqual(others, [])
  assert.partialDeepStrictEqual(fact, { rejected: 5, reason: 'signature_mismatch', preset: 'github' })
  const again = async () => {
    records.accepted(id, false)
    await refuse(6)
    return (await factsOf(id)).length
  }
  assert.equal(await again(), 1)
  await world.database.query({
    text: `update sources set told_at = told_at - interval '2 hours' where id = $1`,
    values: [id],
  })
  now = Date.now()
  assert.equal(await again(), 2)
  assert.deepEqual(await factsOf(ofSystem), [])
})

test('two processes that write at one moment count what both have refused', async () => {
  const records = new SourceRecords({ database: world.database, clock })
  const id = await aSource()
  for (let n = 0; n < 3; n++) records.refused(id, refusal())
  let writing: Promise<void> = Promise.resolve()
  await world.database.transaction(async tx => {
    await tx.query({
      text: 'update sources set refused_in_a_row = refused_in_a_row + 2 where id = $1',
      values: [id],
    })
    writing = records.flush()
    await eventually(async () => {
      const { rows } = await tx.query({
        text: 'select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))',
      })
      return rows.length > 0
    })
  })
  await writing
  assert.partialDeepStrictEqual(await rowOf(id), { refused_in_a_row: 5 })
  assert.equal((await factsOf(id)).length, 1)
})

test('what cannot be written is gathered further, within its bounds', async () => {
  let isAway = true
  const database = {
    transaction: (work: Parameters<Database['transaction']>[0]) =>
      isAway ? Promise.reject(new Error('away')) : world.database.transaction(work),
  } as unknown as Database // nothing else of it is used
  const records = new SourceRecords({ database, clock })
  const id = await aSource()
  for (let n = 0; n < 300; n++) records.refused(id, refusal())
  await assert.rejects(records.flush(), /away/)
  records.accepted(id, false)
  records.refused(id, refusal('wrong_token'))
  await assert.rejects(records.flush(), /away/)
  isAway = false
  await records.flush()
  assert.partialDeepStrictEqual(await rowOf(id), {
    ...{ accepted: 1, refused: 301, refused_in_a_row: 1, last_reason: 'wrong_token' },
    kept: sourceLimits.refusals,
  })
  await records.flush()
  assert.partialDeepStrictEqual(await rowOf(id), { refused: 301 })
})

test('of each source the newest are kept, in number and in bytes; those that are old go', async () => {
  now = Date.now() - hourMs // removal goes by the earlier of the clock and the database's
  const records = new SourceRecords({ database: world.database, clock })
  const [many, large] = [await aSource(), await aSource()]
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 60; n++) records.refused(many, refusal())
    for (let n = 0; n < 40; n++) records.refused(large, refusal('wrong_token', sourceLimits.bodyBytes))
    await records.flush()
  }
  assert.equal((await rowOf(many))?.kept, 100)
  const kept = Number((await rowOf(large))?.kept)
  assert.ok(kept > 55 && kept < 64, `${kept}`)
  now += 1000
  records.refused(many, refusal())
  await records.flush()
  await records.removeOld(500, new AbortController().signal)
  assert.equal((await rowOf(many))?.kept, 1)
  assert.equal((await rowOf(large))?.kept, 0)
})

test('by a clock that is ahead of the database nothing goes that is not old', async () => {
  const ahead = Date.now() + 1000 * hourMs
  const records = new SourceRecords({ database: world.database, clock: { now: () => ahead } })
  const id = await aSource()
  records.refused(id, refusal())
  await records.flush()
  await world.database.query({
    text: 'update source_refusals set id = $2 where source = $1',
    values: [id, idAt(Date.now())],
  })
  await records.removeOld(hourMs, new AbortController().signal)
  assert.equal((await rowOf(id))?.kept, 1)
})

test('a source that is deleted meanwhile is no trouble', async () => {
  const records = new SourceRecords({ database: world.database, clock })
  const id = await aSource()
  records.refused(id, refusal())
  records.accepted(id, false)
  await world.database.query({ text: 'delete from sources where id = $1', values: [id] })
  await records.flush()
  assert.equal(await rowOf(id), undefined)
})
