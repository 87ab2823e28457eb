import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Reach } from '../../src/model/caller.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { CandidateReader } from '../../src/replay/candidate-reader.ts'
import { firstKey, Replays } from '../../src/replay/replays.ts'
import { testDatabase } from '../support/database.ts'
import { ended, settle, subscribe } from '../support/replay.ts'
import { emptyAll } from '../support/rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const replays = new Replays({ database, clock: systemClock(), retentionMs: 72 * 3_600_000 })
const selection = replays.selection({}, Reach.all)

/** The database, counting what it is asked. */
function counting() {
  const counter = { reads: 0 }
  const db: Queryable = {
    query(statement) {
      counter.reads++
      return database.query(statement)
    },
  }
  return { counter, db }
}

async function deadLetters(count: number): Promise<readonly Uuid[]> {
  await subscribe(database, [1])
  const ids: Uuid[] = []
  for (let n = 0; n < count; n++) ids.push(await ended(database, { 1: 'given_up' }))
  return ids
}

test('each is taken once, in order, of what one statement has read', async () => {
  const ids = await deadLetters(25)
  const { counter, db } = counting()
  const reader = new CandidateReader(firstKey)
  const found: string[] = []
  for (let step = 0; step < 3; step++) {
    const taken = await reader.take(db, selection, 10, 100, 0)
    found.push(...taken.map(({ webhookId }) => webhookId))
    assert.equal(reader.after.webhookId, found.at(-1), 'a run that is cut off goes on behind what was taken')
    assert.equal(reader.isDone, step === 2, 'that is known without another look')
  }
  assert.deepEqual(found, ids)
  assert.equal(counter.reads, 1)
  assert.deepEqual(await reader.take(db, selection, 10, 100, 0), [])
})

test('what was read a while ago is read again', async () => {
  const [first, second] = await deadLetters(2)
  assert.ok(first && second)
  const { counter, db } = counting()
  const reader = new CandidateReader(firstKey)
  assert.deepEqual(
    (await reader.take(db, selection, 1, 100, 0)).map(({ webhookId }) => webhookId),
    [first],
  )
  await settle(database, second, 1, 2, 'delivered')
  assert.deepEqual(await reader.take(db, selection, 1, 100, 10_000), [])
  assert.ok(counter.reads > 1)
})
