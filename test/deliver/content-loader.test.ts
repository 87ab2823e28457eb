import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ContentLoader } from '../../src/deliver/content-loader.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { newId, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
after(() => world.close())

/** The database, counting what it is asked. */
function counting() {
  const counter = { reads: 0, fails: false }
  const connection: Queryable = {
    query(statement) {
      counter.reads++
      return counter.fails ? Promise.reject(new Error('away')) : world.database.query(statement)
    },
  }
  return { counter, loader: new ContentLoader(connection) }
}

function someEvents(count: number): Promise<readonly Uuid[]> {
  return Promise.all(
    Array.from({ length: count }, (_, n) => owe(world.database, { payload: Buffer.from(String(n)) })),
  )
}

test('what is asked for in one turn shares one read, and each gets its own', async () => {
  const { counter, loader } = counting()
  const ids = await someEvents(20)
  const contents = await Promise.all(ids.map(id => loader.load(id)))
  assert.deepEqual(
    contents.map(content => content?.payload.toString()),
    Array.from({ length: 20 }, (_, n) => String(n)),
  )
  assert.equal(counter.reads, 1)
})

test('an event that goes to many subscriptions is read once, and they share its bytes', async () => {
  const { counter, loader } = counting()
  const [id] = await someEvents(1)
  assert.ok(id)
  const [first, second] = await Promise.all([loader.load(id), loader.load(id)])
  assert.ok(first)
  assert.equal(first, second)
  assert.equal(counter.reads, 1)
})

test('one read takes a hundred events at most', async () => {
  const { counter, loader } = counting()
  const ids = await someEvents(150)
  await Promise.all(ids.map(id => loader.load(id)))
  assert.equal(counter.reads, 2)
})

test('what is no longer stored is undefined', async () => {
  const { loader } = counting()
  assert.equal(await loader.load(newId()), undefined)
})

test('a read that fails fails for all who wait for it, and the next one works', async () => {
  const { counter, loader } = counting()
  const ids = await someEvents(3)
  counter.fails = true
  const results = await Promise.allSettled(ids.map(id => loader.load(id)))
  for (const { status } of results) assert.equal(status, 'rejected')
  counter.fails = false
  for (const id of ids) assert.ok(await loader.load(id))
})
