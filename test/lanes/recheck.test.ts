import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { Recheck } from '../../src/lanes/recheck.ts'
import { leaseLanes, releaseLanes } from '../../src/lanes/store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
after(() => world.close())

test('a row that is committed after its lane was found empty is not forgotten', async () => {
  const { database } = world
  await database.query({
    text: `insert into lanes (subscription_id, due_at) values (1, now() - interval '1 s')`,
  })
  const inserter = new pg.Client(world.connection)
  await inserter.connect()
  // The lane is due already, so the inserter leaves it alone, and takes its time to commit.
  await inserter.query('begin')
  await inserter.query(
    `insert into owed (webhook_id, subscription_id, size_bytes, due_at) values (gen_random_uuid(), 1, 1, now())`,
  )
  let now = 0
  const look = new Recheck(
    database,
    5000,
    () => 0,
    () => now,
  )
  assert.equal((await leaseLanes(database, 7, Date.now(), 10))[0]?.subscriptionId, 1)
  await releaseLanes(database, 7, [1])
  look.add([1])
  await inserter.query('commit')
  await inserter.end()
  now = 4999
  await look.look()
  const dueAt = async () =>
    (
      await database.query<{ due_at: Date | null }>({
        text: 'select due_at from lanes where subscription_id = 1',
      })
    ).rows[0]?.due_at
  assert.equal(await dueAt(), null, 'too soon to look: another statement could still be under way')
  now = 5000
  await look.look()
  assert.ok(await dueAt())
})
