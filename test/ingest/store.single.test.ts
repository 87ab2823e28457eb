import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type EventRow, insertEvents, type OwedRow } from '../../src/ingest/store.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { anEvent, countEvents, emptyAll, newId, owedFor } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

async function insertAlone(event: EventRow, changes: Partial<OwedRow> = {}): Promise<void> {
  const [row] = owedFor(event, 9)
  assert.ok(row)
  await insertEvents(world.database, [event], [{ ...row, ...changes }], noon + 0.25)
}

/** All columns of the rows of an event, without its id. */
async function rowsOf({ webhookId }: EventRow): Promise<readonly unknown[]> {
  const read = async (table: 'events' | 'owed') => {
    const { rows } = await world.database.query({
      text: `select to_jsonb(t) - 'webhook_id' as row from ${table} t where webhook_id = $1`,
      values: [webhookId],
    })
    return rows.map(({ row }) => row)
  }
  return [await read('events'), await read('owed')]
}

const events = {
  'with all that an event can have': anEvent({
    tenant: 'system',
    eventType: 'order."created"',
    contentType: 'text/plain; charset=latin1',
    payload: Buffer.from([0, 255, 10, 39, 92]),
    subscriptionIds: [7],
    metadata: { hops: 2, content_encoding: 'gzip' },
  }),
  'with as little as it can have': anEvent({
    eventType: null,
    payload: Buffer.alloc(0),
    subscriptionIds: [1],
  }),
} as const

for (const [which, event] of Object.entries(events)) {
  test(`an event ${which} is stored alone as it is among others`, async () => {
    const { database } = world
    const [alone, one, other] = [newId(), newId(), newId()].map(webhookId => ({ ...event, webhookId }))
    assert.ok(alone && one && other)
    await insertAlone(alone)
    await insertEvents(database, [one, other], [...owedFor(one, 9), ...owedFor(other, 9)], noon + 0.25)
    const stored = await rowsOf(alone)
    assert.deepEqual(
      stored.map(rows => (Array.isArray(rows) ? rows.length : rows)),
      [1, 1],
    )
    assert.deepEqual(stored, await rowsOf(one))
  })
}

test('a single event whose row cannot be stored is not stored either', async () => {
  const event = anEvent()
  await insertAlone(event)
  await assert.rejects(insertAlone(event), { code: '23505' })
  await assert.rejects(insertAlone(anEvent(), { sizeBytes: 2 ** 40 }), { code: '22003' })
  assert.equal(await countEvents(world.database), 1)
})
