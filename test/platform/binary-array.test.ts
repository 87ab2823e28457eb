import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import {
  byteaArray,
  int2Array,
  int4Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '../../src/platform/binary-array.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase({ migrated: false })
})
after(() => world.close())

/** What PostgreSQL makes of an array, one value per element. */
async function read(type: string, array: Buffer, show = 'v'): Promise<readonly unknown[]> {
  const { rows } = await world.database.query<{ v: unknown }>({
    text: `select ${show} as v from unnest($1::${type}[]) with ordinality as t (v, n) order by n`,
    values: [array],
  })
  return rows.map(row => row.v)
}

const someRuns = { numRuns: 30 }

test('uuid', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uuid()), async ids =>
      assert.deepEqual(await read('uuid', uuidArray(ids)), ids),
    ),
    someRuns,
  )
})

test('a uuid in upper case', async () => {
  const id = '0f9e8d7c-6b5a-4938-a716-0512f4e3d2c1'
  assert.deepEqual(await read('uuid', uuidArray([id.toUpperCase(), null])), [id, null])
})

test('int2 and int4, negative and missing ones too', async () => {
  const small = [0, -1, 32_767, -32_768, null, 5]
  const large = [...small, 2_147_483_647, -2_147_483_648]
  assert.deepEqual(await read('int2', int2Array(small)), small)
  assert.deepEqual(await read('int4', int4Array(large)), large)
})

test('a number that does not fit is refused, not cut', () => {
  assert.throws(() => int2Array([32_768]), RangeError)
  assert.throws(() => int4Array([2_147_483_648]), RangeError)
})

test('timestamptz, before and after 2000, missing ones too', async () => {
  const times = [noon, noon + 1, 0, -1, 946_684_799_999, null, Date.UTC(1900, 0, 1), Date.UTC(2200, 0, 1)]
  const shown = await read('timestamptz', timestamptzArray(times), '(extract(epoch from v) * 1000)::float8')
  assert.deepEqual(shown, times)
})

test('a time between two milliseconds keeps its microseconds', async () => {
  const micros = '2026-03-01T12:00:00.123457Z'
  const { rows } = await world.database.query<{ ms: number }>({
    text: 'select (extract(epoch from $1::timestamptz) * 1000)::float8 as ms',
    values: [micros],
  })
  const back = await read('timestamptz', timestamptzArray([rows[0]?.ms ?? 0]), `v = '${micros}'`)
  assert.deepEqual(back, [true])
})

test('text of any length and script, empty and missing ones too', async () => {
  const texts = ['', 'a', null, 'NULL', '{1,2}', '"quoted\\"', 'Größe', '😀 👩‍👩‍👧', 'x'.repeat(100_000)]
  assert.deepEqual(await read('text', textArray(texts)), texts)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(fc.string({ unit: 'grapheme' }))), async some =>
      assert.deepEqual(await read('text', textArray(some)), some),
    ),
    someRuns,
  )
})

test('bytea of any bytes, empty and large ones too', async () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const large = Buffer.alloc(3_000_000, all)
  const shown = await read('bytea', byteaArray([all, Buffer.alloc(0), large]))
  assert.deepEqual(shown, [all, Buffer.alloc(0), large])
})

test('an empty array of each type is an empty array', async () => {
  const empty = {
    uuid: uuidArray([]),
    int2: int2Array([]),
    int4: int4Array([]),
    text: textArray([]),
    bytea: byteaArray([]),
    timestamptz: timestamptzArray([]),
  }
  for (const [type, array] of Object.entries(empty)) assert.deepEqual(await read(type, array), [], type)
})

test('ten thousand elements arrive in order', async () => {
  const numbers = Array.from({ length: 10_000 }, (_, n) => n - 5000)
  assert.deepEqual(await read('int4', int4Array(numbers)), numbers)
})
