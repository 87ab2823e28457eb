import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { FoundInFlight } from '../../src/model/in-flight.ts'
import { beginWithFound, keepFound } from '../../src/subscriptions/in-flight.ts'
import { readInFlight } from '../../src/subscriptions/in-flight-store.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(async () => {
  for (const text of ['delete from in_flight_limits', 'delete from processes'])
    await world.database.query({ text })
})
after(() => world.close())

/** A process that has found out something of receivers, and a row among the processes that live. */
async function aProcess(limits: Record<number, FoundInFlight>) {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version) values ('here', 1, 'all', '1') returning id`,
  })
  const found = new Map(Object.entries(limits).map(([id, one]) => [Number(id), one]))
  let begunWith: ReadonlyMap<number, number> = new Map()
  const throttle = {
    found: () => found,
    beginWith: (known: ReadonlyMap<number, number>) => {
      begunWith = known
    },
  }
  const keep = keepFound({ database: world.database, throttle, membership: { id: rows[0]?.id ?? 0 } })
  return { throttle, found, keep, id: rows[0]?.id ?? 0, begunWith: () => begunWith }
}

const rowCount = async () => (await world.database.query({ text: 'select from in_flight_limits' })).rowCount

test('what a process has found out the next one begins with', async () => {
  const before = await aProcess({ 1: { limit: 64, reason: 'settled' }, 2: { limit: 3, reason: 'too_much' } })
  await before.keep()
  const next = await aProcess({})
  await beginWithFound({ database: world.database, throttle: next.throttle })
  assert.deepEqual(
    next.begunWith(),
    new Map([
      [1, 64],
      [2, 3],
    ]),
  )
})

test('each process begins with the mean of what processes had, not with the sum', async () => {
  for (const limit of [20, 40]) await (await aProcess({ 1: { limit, reason: 'growing' } })).keep()
  const next = await aProcess({})
  await beginWithFound({ database: world.database, throttle: next.throttle })
  assert.deepEqual(next.begunWith(), new Map([[1, 30]]))
})

test('what is minutes old is forgotten, and removed', async () => {
  const process = await aProcess({ 1: { limit: 64, reason: 'settled' } })
  await process.keep()
  await world.database.query({
    text: `update in_flight_limits set updated_at = now() - interval '6 minutes'`,
  })
  assert.equal(await readInFlight(world.database, 1), undefined)
  await beginWithFound({ database: world.database, throttle: process.throttle })
  assert.deepEqual(process.begunWith(), new Map())
  process.found.set(2, { limit: 11, reason: 'growing' })
  process.found.delete(1)
  await process.keep()
  assert.equal(await rowCount(), 1)
})

test('people see the sum of all processes that live, and the reason of the one that has most', async () => {
  const [one, other] = [
    await aProcess({ 1: { limit: 5, reason: 'too_much' } }),
    await aProcess({ 1: { limit: 40, reason: 'growing' } }),
  ]
  await one.keep()
  await other.keep()
  const { limit, reason } = (await readInFlight(world.database, 1)) ?? {}
  assert.deepEqual([limit, reason], [45, 'growing'])
  await world.database.query({ text: 'delete from processes where id = $1', values: [other.id] })
  assert.equal((await readInFlight(world.database, 1))?.limit, 5)
})

test('what has not changed is not written again, and what has is', async () => {
  const { keep, found, id } = await aProcess({ 1: { limit: 64, reason: 'settled' } })
  await keep()
  await world.database.query({ text: 'delete from in_flight_limits' })
  await keep()
  assert.equal(await rowCount(), 0)
  found.set(1, { limit: 76, reason: 'growing' })
  await keep()
  const { rows } = await world.database.query({ text: 'select process, found, reason from in_flight_limits' })
  assert.deepEqual(rows, [{ process: id, found: 76, reason: 'growing' }])
})
