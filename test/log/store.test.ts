import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { endOwedOfEvents } from '../../src/lanes/end-owed.ts'
import {
  type AttemptEntry,
  type OwedAgain,
  recordAttempts,
  recordFinalAttempts,
} from '../../src/log/store.ts'
import type { ExchangeDetails } from '../../src/model/exchange-details.ts'
import type { Uuid } from '../../src/platform/id.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, allAttempts, allOwed, emptyAll, laneOf, newId, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const other = 8

function anAttempt(webhookId: Uuid, changes: Partial<AttemptEntry> = {}): AttemptEntry {
  return {
    id: newId(),
    subscriptionId: 1,
    webhookId,
    timestamp: noon,
    attempt: 1,
    status: 'success',
    verdict: 'delivered',
    httpStatus: 200,
    durationMs: 12,
    nextAt: null,
    error: null,
    ...changes,
  }
}

const failure = {
  status: 'failed',
  verdict: 'retry',
  httpStatus: 500,
  nextAt: noon + 10_000,
  error: 'HTTP 500',
} as const

function again(webhookId: Uuid, changes: Partial<OwedAgain> = {}): OwedAgain {
  return { webhookId, subscriptionId: 1, attempt: 1, nextAttempt: 2, dueAt: noon + 10_000, ...changes }
}

test('a final attempt is logged with all its facts, and what it settles is owed no more', async () => {
  const { database } = world
  const webhookId = await owe(database, { owner: me, subscriptionIds: [1, 2] })
  const row = anAttempt(webhookId, {
    status: 'failed',
    verdict: 'given_up',
    httpStatus: null,
    durationMs: 10_000,
    error: 'größer 😀',
  })
  await recordFinalAttempts(database, [row])
  const { rows } = await database.query({
    text: `select id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, http_status, duration_ms,
                  next_at, error from delivery_logs`,
  })
  assert.deepEqual(rows, [
    {
      id: row.id,
      subscription_id: 1,
      webhook_id: webhookId,
      timestamp: new Date(noon),
      attempt: 1,
      status: 'failed',
      verdict: 'given_up',
      http_status: null,
      duration_ms: 10_000,
      next_at: null,
      error: 'größer 😀',
    },
  ])
  assert.deepEqual(
    (await allOwed(database)).map(owed => owed.subscriptionId),
    [2],
  )
})

test('what is settled is settled, whoever holds it now', async () => {
  const { database } = world
  const webhookId = await owe(database, { owner: other })
  await recordFinalAttempts(database, [anAttempt(webhookId)])
  assert.deepEqual(await allOwed(database), [])
})

test('a final attempt does not end a later one: the number is checked', async () => {
  const { database } = world
  const webhookId = await owe(database)
  await database.query({ text: 'update owed set attempt = 3' })
  await recordFinalAttempts(database, [anAttempt(webhookId, { attempt: 2 })])
  await recordAttempts(database, me, [anAttempt(webhookId, { attempt: 1 })], [])
  assert.equal((await allOwed(database))[0]?.attempt, 3)
  assert.equal((await allAttempts(database)).length, 2, 'the attempts were made, so they are logged')
})

test('an end without an attempt is logged once, by whoever ends it first', async () => {
  const { database } = world
  const [here, elsewhere, again] = [await owe(database), await owe(database), await owe(database)]
  await endOwedOfEvents(database, [elsewhere], 'the payload was expunged', 10)
  await database.query({ text: 'update owed set attempt = 2 where webhook_id = $1', values: [again] })
  const attempt = anAttempt(elsewhere)
  for (const verdict of ['cancelled', 'expired'] as const) {
    const end = { status: 'failed', httpStatus: null, durationMs: null, isWithoutAttempt: true } as const
    const ends = [here, elsewhere, again].map(id => anAttempt(id, { ...end, verdict, error: 'here' }))
    await recordAttempts(database, me, verdict === 'expired' ? [attempt, ...ends] : ends, [])
  }
  assert.deepEqual(
    (await allAttempts(database)).map(row => [row.webhookId, row.verdict, row.error]),
    [
      [here, 'cancelled', 'here'],
      [elsewhere, 'delivered', null],
      [elsewhere, 'cancelled', 'the payload was expunged'],
    ],
    'what was sent all the same is logged besides',
  )
  assert.deepEqual(
    (await allOwed(database)).map(owed => owed.webhookId),
    [again],
    'what is owed for another attempt by now does not end',
  )
})

test('a retry goes back to its lane with its next number and time', async () => {
  const { database } = world
  await aLane(database, 1)
  const webhookId = await owe(database, { owner: me })
  await recordAttempts(database, me, [anAttempt(webhookId, failure)], [again(webhookId)])
  assert.deepEqual(await allOwed(database), [
    { webhookId, subscriptionId: 1, attempt: 2, owner: null, dueAt: noon + 10_000 },
  ])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 10_000 })
  assert.equal((await allAttempts(database))[0]?.verdict, 'retry')
})

test('a retry of a row that another process holds, or has moved on, changes nothing of it', async () => {
  const { database } = world
  await aLane(database, 1)
  const taken = await owe(database, { owner: other })
  const moved = await owe(database, { owner: me })
  await database.query({ text: 'update owed set attempt = 2 where webhook_id = $1', values: [moved] })
  const before = await allOwed(database)
  const rows = [anAttempt(taken, failure), anAttempt(moved, failure)]
  await recordAttempts(database, me, rows, [again(taken), again(moved)])
  assert.deepEqual(await allOwed(database), before)
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: null })
  assert.equal((await allAttempts(database)).length, 2)
})

test('a row in its lane is retried by whoever leased the lane', async () => {
  const { database } = world
  await aLane(database, 1, me)
  const webhookId = await owe(database, { owner: null, dueAt: noon })
  await recordAttempts(database, me, [anAttempt(webhookId, failure)], [again(webhookId)])
  assert.equal((await allOwed(database))[0]?.attempt, 2)
})

test('a lane is lowered to the soonest of its retries, and never raised', async () => {
  const { database } = world
  await aLane(database, 1)
  await aLane(database, 2, other)
  const [first, second] = [await owe(database, { owner: me }), await owe(database, { owner: me })]
  const third = await owe(database, { owner: me, subscriptionIds: [2] })
  await recordAttempts(
    database,
    me,
    [],
    [
      again(first, { dueAt: noon + 5000 }),
      again(second, { dueAt: noon + 3000 }),
      again(third, { subscriptionId: 2, dueAt: noon + 9000 }),
    ],
  )
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 3000 })
  assert.deepEqual(await laneOf(database, 2), { owner: other, dueAt: noon + 9000 })
  const fourth = await owe(database, { owner: me })
  await recordAttempts(database, me, [], [again(fourth, { dueAt: noon + 4000 })])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 3000 })
})

test('a delivery that is handed back is due again with the same number, and not in the log', async () => {
  const { database } = world
  await aLane(database, 1)
  const webhookId = await owe(database, { owner: me })
  await recordAttempts(database, me, [], [again(webhookId, { nextAttempt: 1, dueAt: noon })])
  assert.deepEqual(await allOwed(database), [
    { webhookId, subscriptionId: 1, attempt: 1, owner: null, dueAt: noon },
  ])
  assert.deepEqual(await allAttempts(database), [])
})

test('all of it is written or nothing: one bad row leaves owed and lanes as they were', async () => {
  const { database } = world
  await aLane(database, 1)
  const [final, retried] = [await owe(database, { owner: me }), await owe(database, { owner: me })]
  const before = await allOwed(database)
  const rows = [anAttempt(final, { error: 'x'.repeat(201) }), anAttempt(retried, failure)]
  await assert.rejects(recordAttempts(database, me, rows, [again(retried)]), /check constraint/)
  assert.deepEqual(await allOwed(database), before)
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: null })
  assert.deepEqual(await allAttempts(database), [])
})

test('final and further attempts of one batch are told apart', async () => {
  const { database } = world
  await aLane(database, 1)
  const [delivered, retried] = [await owe(database, { owner: me }), await owe(database, { owner: me })]
  await recordAttempts(database, me, [anAttempt(delivered), anAttempt(retried, failure)], [again(retried)])
  assert.deepEqual(
    (await allOwed(database)).map(owed => [owed.webhookId, owed.attempt]),
    [[retried, 2]],
  )
  assert.deepEqual(
    (await allAttempts(database)).map(row => row.verdict),
    ['delivered', 'retry'],
  )
})

const exchange: ExchangeDetails = {
  request: { method: 'POST', url: 'https://example.com/hook?x=1', headers: { 'webhook-id': 'evt_1' } },
  response: {
    headers: { 'x-odd': 'nul \u0000, half a pair \ud83d, "quoted"' },
    body_bytes: 5,
    body_truncated: false,
  },
  responseBody: Buffer.from([0, 255, 0, 10, 0xc3]),
  timings: { reused: false, repeated: false, dns: 1.25, connect: 2, tls: null, first_byte: 4, total: 5 },
  remoteAddress: '192.0.2.1',
}

test('what an attempt remembers is written with it, whatever bytes it holds', async () => {
  const { database } = world
  await aLane(database, 1)
  const [refused, silent] = [await owe(database, { owner: me }), await owe(database, { owner: me })]
  const rows = [
    anAttempt(refused, { ...failure, errorClass: 'http' }),
    anAttempt(silent, { ...failure, httpStatus: null, errorClass: 'dns', errorCode: 'ENOTFOUND' }),
    anAttempt(await owe(database, { owner: me })),
  ]
  const [first, second] = rows
  assert.ok(first && second)
  const nothing = { ...exchange, response: null, responseBody: Buffer.alloc(0), remoteAddress: null }
  await recordAttempts(
    database,
    me,
    rows,
    [again(refused), again(silent)],
    [
      { id: first.id, exchange },
      { id: second.id, exchange: nothing },
    ],
  )
  const details = await database.query({ text: 'select * from attempt_details order by id' })
  const { responseBody: response_body, remoteAddress: remote_address, ...rest } = exchange
  assert.deepEqual(details.rows, [
    { id: first.id, ...rest, response_body, remote_address },
    { id: second.id, ...rest, response: null, response_body: Buffer.alloc(0), remote_address: null },
  ])
  const log = await database.query({ text: 'select error_class, error_code from delivery_logs order by id' })
  assert.deepEqual(log.rows, [
    { error_class: 'http', error_code: null },
    { error_class: 'dns', error_code: 'ENOTFOUND' },
    { error_class: null, error_code: null },
  ])
})
