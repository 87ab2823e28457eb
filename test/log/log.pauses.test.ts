import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { pauseLanes } from '../../src/lanes/subscription-lanes-store.ts'
import { DeliveryLog } from '../../src/log/log.ts'
import type { PauseReason } from '../../src/model/pause.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aHealth } from '../support/health.ts'
import { aMember } from '../support/member.ts'
import { refused } from '../support/outcomes.ts'
import { aLane, allAttempts, emptyAll, newId, owe } from '../support/rows.ts'
import { someTroubles } from '../support/troubles.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(async () => {
  await emptyAll(world.database)
  await aLane(world.database, 1, 7)
})
after(() => world.close())

const later = noon + 60_000

async function openUntil(): Promise<number | null> {
  const { rows } = await world.database.query<{ at: Date | null }>({
    text: 'select open_until as at from lanes',
  })
  return rows[0]?.at?.getTime() ?? null
}

/** The first attempt of the head of an ordered lane has failed here, and that is written down. */
async function failHead(webhookId: Uuid, reason: PauseReason, verdict: 'retry' | 'given_up' = 'retry') {
  const { database } = world
  const log = new DeliveryLog({
    connection: database,
    clock: fakeClock(noon),
    newId,
    membership: aMember(),
    logger: silentLogger(),
    health: aHealth(),
    troubles: someTroubles(),
    settled: () => {},
    pauseLanes: pauses => pauseLanes(database, pauses),
    lanesDue: () => {},
    ensurePartitions: async () => {},
  })
  const delivery = {
    webhookId,
    subscriptionId: 1,
    attempt: 1,
    attemptsBefore: 0,
    since: noon,
    dueAt: noon,
    sizeBytes: 7,
    content: null,
    lane: { left() {} },
  }
  log.settle({
    kind: 'attempted',
    delivery,
    outcome: refused(),
    verdict: verdict === 'retry' ? { kind: verdict, dueAt: later } : { kind: verdict },
    at: noon,
    keepsPlace: true,
    pause: { subscriptionId: 1, until: later, reason },
  })
  await log.drained()
}

test('an ordered lane waits for the retry of its head', async () => {
  await failHead(await owe(world.database), 'order')
  assert.equal(await openUntil(), later)
})

test('a process that slept closes no lane for a head that others have settled meanwhile', async () => {
  const { database } = world
  const delivered = newId()
  const attemptedSince = await owe(database)
  await database.query({ text: 'update owed set attempt = 2' })
  for (const webhookId of [delivered, attemptedSince]) {
    for (const reason of ['order', 'retry_after', 'circuit_open'] as const) await failHead(webhookId, reason)
  }
  assert.equal(await openUntil(), null)
  assert.equal((await allAttempts(database)).length, 6, 'the attempts were made, so they are logged')
})

test('a receiver that asks for a pause gets it, also when its delivery is over', async () => {
  await failHead(newId(), 'retry_after', 'given_up')
  assert.equal(await openUntil(), later)
})
