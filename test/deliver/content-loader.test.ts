import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ContentLoader } from '../../src/deliver/content-loader.ts'
import { RecentContents } from '../../src/deliver/recent-contents.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { newId, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
after(() => world.close())

/** The database, counting what it is asked. */
function counting(recent?: RecentContents) {
  const counter = { reads: 0, fails: false }
  const connection: Queryable = {
    query(statement) {
      counter.reads++
      return counter.fails ? Promise.reject(new Error('away')) : world.database.query(statement)
    },
  }
  return { counter, loader: new ContentLoader(connection, recent) }
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

test('what was accepted here a moment ago is not read, and its attempts begin in several turns', async () => {
  const recent = new RecentContents()
  const { counter, loader } = counting(recent)
  const ids = Array.from({ length: 10 }, () => newId())
  const content = { eventType: null, contentType: 'text/plain', payload: Buffer.from('x') }
  for (const id of ids) recent.remember(id, content)
  let given = 0
  const all = ids.map(async id => {
    assert.equal(await loader.load(id), content)
    given++
  })
  const turns: number[] = []
  while (given < ids.length) {
    await turn()
    turns.push(given)
  }
  await Promise.all(all)
  assert.equal(counter.reads, 0)
  assert.ok(
    turns.some(n => n > 0 && n < ids.length),
    `${turns}`,
  )
  const [id] = await someEvents(1)
  assert.ok(id)
  assert.ok(await loader.load(id), 'all others are read')
})

test('a delivery that no read of its lane has brought has the content that was accepted, unless payloads were expunged', async () => {
  const recent = new RecentContents()
  const { loader } = counting(recent)
  const ids = [newId(), newId()] as const
  const content = { eventType: null, contentType: 'text/plain', payload: Buffer.from('x') }
  for (const id of ids) recent.remember(id, content)
  const held = (webhookId: Uuid) => loader.heldBy({ webhookId, content: null, isUnread: true })
  assert.deepEqual([held(ids[0]), held(ids[0])], [content, null])
  loader.expunged(uuidTime(ids[1]) + 1)
  assert.equal(held(ids[1]), null)
})

test('after payloads were expunged, what is in memory of earlier events is read, and what comes later is not', async () => {
  const recent = new RecentContents()
  const { counter, loader } = counting(recent)
  const [id = assert.fail()] = await someEvents(1)
  const content = { eventType: null, contentType: 'text/plain', payload: Buffer.from('x') }
  recent.remember(id, content)
  assert.equal(loader.heldBy({ webhookId: id, content }), content)
  const at = uuidTime(id) + 1
  loader.expunged(at)
  assert.equal(loader.heldBy({ webhookId: id, content }), null)
  assert.notEqual(await loader.load(id), content)
  assert.equal(counter.reads, 1)
  assert.equal(loader.heldBy({ webhookId: uuidLowerBound(at), content }), content)
})
