import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { endOwedOfEvents } from '../../src/lanes/end-owed.ts'
import { DeliveryLog, type DeliveryLogDeps } from '../../src/log/log.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import type { ExchangeDetails } from '../../src/model/exchange-details.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { Settlement } from '../../src/model/settlement.ts'
import { DatabaseHealth } from '../../src/platform/database-health.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { GatedDatabase } from '../support/gated-database.ts'
import { aHealth } from '../support/health.ts'
import { aMember } from '../support/member.ts'
import { accepted, refused as refusedBy, unreachable } from '../support/outcomes.ts'
import { aLane, allAttempts, allOwed, emptyAll, laneOf, newId, owe } from '../support/rows.ts'
import { someTroubles } from '../support/troubles.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(async () => {
  await emptyAll(world.database)
  await aLane(world.database, 1)
})
after(() => world.close())

const me = 7
const refused: Outcome = refusedBy({ durationMs: 4 })
const failed: Outcome = { ...unreachable('dns', 'name'), error: 'ENOTFOUND', durationMs: 5 }

function aLog(changes: Partial<DeliveryLogDeps> = {}) {
  const settled: Delivery[] = []
  const rung: number[] = []
  const counter = { statements: 0 }
  const log = new DeliveryLog({
    connection: {
      query(statement) {
        counter.statements++
        return world.database.query(statement)
      },
    },
    clock: fakeClock(),
    newId,
    membership: aMember({ id: me }),
    logger: silentLogger(),
    health: aHealth(),
    troubles: someTroubles(changes.logger),
    settled: delivery => settled.push(delivery),
    pauseLanes: async () => {},
    lanesDue: dueAt => rung.push(dueAt),
    ensurePartitions: async () => {},
    ...changes,
  })
  return { log, settled, rung, counter }
}

/** A delivery that is owed, born leased to this process. */
async function aDelivery(attempt = 1): Promise<Delivery> {
  const webhookId = await owe(world.database, { owner: me })
  return {
    webhookId,
    subscriptionId: 1,
    attempt,
    attemptsBefore: attempt - 1,
    since: noon,
    dueAt: noon,
    sizeBytes: 7,
    content: null,
    lane: null,
  }
}

function attempted(
  delivery: Delivery,
  outcome: Outcome,
  verdict: 'delivered' | 'given_up' | number,
): Settlement {
  const next = typeof verdict === 'number' ? ({ kind: 'retry', dueAt: verdict } as const) : { kind: verdict }
  return { kind: 'attempted', delivery, outcome, verdict: next, at: noon }
}

test('each outcome is logged as what it was, and each verdict does what it says', async () => {
  const deliveries = [
    await aDelivery(),
    await aDelivery(),
    await aDelivery(),
    await aDelivery(),
    await aDelivery(),
  ]
  const [delivered, retried, givenUp, expired, back] = deliveries
  assert.ok(delivered && retried && givenUp && expired && back)
  const { log, settled, rung, counter } = aLog()
  log.settle(attempted(delivered, accepted, 'delivered'))
  log.settle(attempted(retried, refused, noon + 10_000))
  log.settle(attempted(givenUp, failed, 'given_up'))
  log.settle({ kind: 'ended', delivery: expired, verdict: 'expired', reason: 'too old', at: noon })
  log.settle({ kind: 'handed_back', delivery: back, at: noon + 1 })
  assert.equal(log.depth, 5)
  await log.drained()
  assert.equal(log.depth, 0)
  assert.equal(counter.statements, 1, 'one transaction for all')
  assert.deepEqual(
    (await allAttempts(world.database)).map(({ webhookId, status, verdict, error }) => [
      webhookId,
      status,
      verdict,
      error,
    ]),
    [
      [delivered.webhookId, 'success', 'delivered', null],
      [retried.webhookId, 'failed', 'retry', 'it broke'],
      [givenUp.webhookId, 'failed', 'given_up', 'ENOTFOUND'],
      [expired.webhookId, 'failed', 'expired', 'too old'],
    ],
  )
  assert.deepEqual(
    (await allOwed(world.database)).map(({ webhookId, attempt, owner, dueAt }) => [
      webhookId,
      attempt,
      owner,
      dueAt,
    ]),
    [
      [retried.webhookId, 2, null, noon + 10_000],
      [back.webhookId, 1, null, noon + 1],
    ],
  )
  assert.deepEqual(await laneOf(world.database, 1), { owner: null, dueAt: noon + 1 })
  assert.deepEqual(rung, [noon + 1])
  assert.deepEqual(settled, deliveries)
})

test('what has ended meanwhile does not end once more in the log, and its room is free all the same', async () => {
  const delivery = await aDelivery()
  await endOwedOfEvents(world.database, [delivery.webhookId], 'the payload was expunged', 10)
  const { log, settled } = aLog()
  log.settle({ kind: 'ended', delivery, verdict: 'cancelled', reason: 'the payload was expunged', at: noon })
  await log.drained()
  assert.equal((await allAttempts(world.database)).length, 1)
  assert.deepEqual(settled, [delivery])
})

test('fresh deliveries that were accepted share a commit with those of the next 100 ms', async t => {
  const deliveries = [await aDelivery(), await aDelivery()] as const
  const { log, settled, counter } = aLog()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  log.settle(attempted(deliveries[0], accepted, 'delivered'))
  t.mock.timers.tick(60)
  log.settle(attempted(deliveries[1], accepted, 'delivered'))
  t.mock.timers.tick(39)
  assert.equal(counter.statements, 0, 'it waits')
  t.mock.timers.tick(1)
  t.mock.timers.reset()
  await log.drained()
  assert.equal(counter.statements, 1)
  assert.deepEqual(settled, deliveries)
})

const unhurried = {
  'a replay': { lane: { left: () => {} }, trigger: 'replay' },
  'a delivery of a lane that was not read from it': { lane: { left: () => {} }, isUnread: true },
} as const satisfies Record<string, Partial<Delivery>>

for (const [what, changes] of Object.entries(unhurried)) {
  test(`${what} that was accepted waits for more as fresh ones do`, async t => {
    const delivery = { ...(await aDelivery()), ...changes }
    const { log, counter } = aLog()
    t.mock.timers.enable({ apis: ['setTimeout'] })
    log.settle(attempted(delivery, accepted, 'delivered'))
    t.mock.timers.tick(49)
    assert.equal(counter.statements, 0, 'it waits')
    t.mock.timers.tick(1)
    t.mock.timers.reset()
    await log.drained()
    assert.equal(counter.statements, 1)
  })
}

const waitedFor = {
  'a retry': (delivery: Delivery) => [attempted(delivery, refused, noon + 10_000)],
  'what was given up': (delivery: Delivery) => [attempted(delivery, failed, 'given_up')],
  'what goes back to its lane': (delivery: Delivery) => [{ kind: 'handed_back', delivery, at: noon }],
  'a delivery of a lane': (delivery: Delivery) => [
    attempted({ ...delivery, lane: { left: () => {} } }, accepted, 'delivered'),
  ],
  'a replay that others of its key wait for': (delivery: Delivery) => [
    attempted(
      { ...delivery, lane: { left: () => {} }, trigger: 'replay', orderingKey: 'a' },
      accepted,
      'delivered',
    ),
  ],
  'a large delivery': (delivery: Delivery) => [
    attempted({ ...delivery, sizeBytes: 300_000 }, accepted, 'delivered'),
  ],
  'many at once': (delivery: Delivery) =>
    Array.from({ length: 64 }, () => attempted(delivery, accepted, 'delivered')),
} as const satisfies Record<string, (delivery: Delivery) => readonly Settlement[]>

for (const [what, settlements] of Object.entries(waitedFor)) {
  test(`${what} is written 5 ms later, with all that waits`, async t => {
    const [first, second] = [await aDelivery(), await aDelivery()]
    const { log, settled, counter } = aLog()
    t.mock.timers.enable({ apis: ['setTimeout'] })
    log.settle(attempted(first, accepted, 'delivered'))
    for (const settlement of settlements(second)) log.settle(settlement)
    t.mock.timers.tick(5)
    assert.equal(counter.statements, 1)
    t.mock.timers.reset()
    await log.drained()
    assert.equal(settled.length, 1 + settlements(second).length)
  })
}

test('who waits for the log does not wait for more to come', async t => {
  const { log, counter } = aLog()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  const drained = log.drained()
  t.mock.timers.tick(5)
  assert.equal(counter.statements, 1)
  t.mock.timers.reset()
  await drained
})

test('the HTTP status, the duration and the next time are in the log', async () => {
  const { log } = aLog()
  log.settle(attempted(await aDelivery(), refused, noon + 10_000))
  log.settle(attempted(await aDelivery(), failed, 'given_up'))
  await log.drained()
  const { rows } = await world.database.query({
    text: 'select http_status, duration_ms, next_at, "timestamp" from delivery_logs order by id',
  })
  const timestamp = new Date(noon)
  assert.deepEqual(rows, [
    { http_status: 500, duration_ms: 4, next_at: new Date(noon + 10_000), timestamp },
    { http_status: null, duration_ms: 5, next_at: null, timestamp },
  ])
})

test('a thousand settlements take a few transactions', async () => {
  const { log, settled, counter } = aLog()
  const delivery = await aDelivery()
  for (let n = 0; n < 1000; n++) {
    log.settle(attempted({ ...delivery, webhookId: newId() }, accepted, 'delivered'))
  }
  await log.drained()
  assert.equal(counter.statements, 2)
  assert.equal(settled.length, 1000)
  assert.equal((await allAttempts(world.database)).length, 1000)
})

test('while the database is away settlements are kept, and written when it is back', async () => {
  let isAway = true
  let tries = 0
  const connection: Queryable = {
    query(statement) {
      tries++
      if (isAway) return Promise.reject(new AppError('database_unavailable', 'away'))
      return world.database.query(statement)
    },
  }
  const { log, settled } = aLog({ connection })
  assert.equal(log.oldest, Number.POSITIVE_INFINITY)
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await eventually(() => tries > 0)
  assert.equal(log.oldest, noon, 'the id is made, and its row is not there')
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  assert.ok(log.depth > 0)
  assert.deepEqual(settled, [])
  isAway = false
  await log.drained()
  assert.equal((await allAttempts(world.database)).length, 2)
  assert.equal(settled.length, 2)
  assert.equal(log.oldest, Number.POSITIVE_INFINITY)
  assert.deepEqual(await allOwed(world.database), [])
})

test('listeners hear once of a batch, when it is written', async () => {
  const heard: (readonly Settlement[])[] = []
  const { log } = aLog({ facts: { settled: settlements => heard.push(settlements) } })
  const settlements = [
    attempted(await aDelivery(), accepted, 'delivered'),
    attempted(await aDelivery(), refused, 'given_up'),
  ]
  for (const settlement of settlements) log.settle(settlement)
  assert.deepEqual(heard, [])
  await log.drained()
  assert.deepEqual(heard, [settlements])
})

test('an attempt whose writing was not heard of is not counted twice', async () => {
  let losesAnswer = true
  const connection: Queryable = {
    async query<Row extends object>(statement: Parameters<Queryable['query']>[0]) {
      const result = await world.database.query<Row>(statement)
      if (losesAnswer) {
        losesAnswer = false
        throw new AppError('database_unavailable', 'the answer is lost')
      }
      return result
    },
  }
  const { log, settled } = aLog({ connection })
  log.settle(attempted(await aDelivery(), refused, noon + 10_000))
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await log.drained()
  const [owed, ...others] = await allOwed(world.database)
  assert.deepEqual([owed?.attempt, owed?.dueAt, others], [2, noon + 10_000, []])
  assert.equal(settled.length, 2)
})

test('a partition that is missing is made', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const { log } = aLog({
    connection: database,
    ensurePartitions: async () => {
      await database.query({ text: 'create table delivery_logs_all partition of delivery_logs default' })
    },
  })
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await log.drained()
  assert.equal((await allAttempts(database)).length, 1)
})

test('with nothing to write it is drained at once', async () => {
  await aLog().log.drained()
})

function remembered(bodyBytes: number): Outcome {
  const exchange: ExchangeDetails = {
    request: { method: 'POST', url: 'http://127.0.0.1/', headers: {} },
    response: { headers: {}, body_bytes: bodyBytes, body_truncated: false },
    responseBody: Buffer.alloc(bodyBytes, 'x'),
    timings: { reused: true, repeated: false, dns: null, connect: null, tls: null, first_byte: 1, total: 1 },
    remoteAddress: '127.0.0.1',
  }
  return { ...refused, exchange }
}

async function countDetails(): Promise<number> {
  const { rows } = await world.database.query<{ n: number }>({
    text: 'select count(*)::int as n from attempt_details join delivery_logs using (id)',
  })
  return rows[0]?.n ?? 0
}

/** The names of the statements that ran on the connection. */
function spied(): { readonly connection: Queryable; readonly names: (string | undefined)[] } {
  const names: (string | undefined)[] = []
  const connection: Queryable = {
    query(statement) {
      names.push(statement.name)
      return world.database.query(statement)
    },
  }
  return { connection, names }
}

test('what an attempt remembers is under its id; a batch of successes takes the statement for nothing else', async () => {
  const { connection, names } = spied()
  const { log } = aLog({ connection })
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await log.drained()
  const [failed, delivered] = [await aDelivery(), await aDelivery()] // both there, so that one flush takes both
  log.settle(attempted(failed, remembered(100), noon + 10_000))
  log.settle(attempted(delivered, accepted, 'delivered'))
  await log.drained()
  assert.deepEqual(names, ['record_final_attempts', 'record_attempts'])
  assert.equal(await countDetails(), 1)
})

test('a success that remembers something keeps it too', async () => {
  const { log } = aLog()
  const { exchange } = remembered(10)
  assert.ok(exchange)
  log.settle(attempted(await aDelivery(), { ...accepted, exchange }, 'delivered'))
  await log.drained()
  assert.equal(await countDetails(), 1)
})

test('details that wait are bounded in memory; the log itself is complete', async () => {
  const { log } = aLog()
  const outcome = remembered(15 * 1024 * 1024)
  for (let n = 0; n < 3; n++) log.settle(attempted(await aDelivery(), outcome, 'given_up'))
  await log.drained()
  assert.deepEqual([await countDetails(), (await allAttempts(world.database)).length], [2, 3])
  log.settle(attempted(await aDelivery(), outcome, 'given_up'))
  await log.drained()
  assert.equal(await countDetails(), 3, 'what is written leaves room again')
})

test('details that the database refuses do not stop the log', async () => {
  const { log, settled } = aLog()
  const { exchange } = remembered(10)
  assert.ok(exchange)
  const poison = { ...exchange, remoteAddress: 'nul \u0000' }
  log.settle(attempted(await aDelivery(), { ...refused, exchange: poison }, 'given_up'))
  await log.drained()
  assert.deepEqual(
    [await countDetails(), (await allAttempts(world.database)).length, settled.length],
    [0, 1, 1],
  )
})

test('what enters its lane late enters it due at that moment; what is in its lane may keep its place', async () => {
  const { log, rung } = aLog({ clock: fakeClock(noon + 60_000) })
  log.settle(attempted(await aDelivery(), refused, noon + 10_000))
  await log.drained()
  log.settle({ kind: 'handed_back', delivery: { ...(await aDelivery()), lane: { left() {} } }, at: noon })
  await log.drained()
  assert.deepEqual(rung, [noon + 60_000, noon])
})

/** An error that no table can hold. */
const poison: Outcome = { ...failed, error: 'nul \u0000' }

test('an attempt that the database refuses stops no other one, and is logged with what it can hold', async () => {
  const { log, settled, counter } = aLog()
  const deliveries = await Promise.all(Array.from({ length: 300 }, () => aDelivery()))
  for (const [index, delivery] of deliveries.entries())
    log.settle(attempted(delivery, index === 77 || index === 78 ? poison : accepted, 'delivered'))
  await log.drained()
  assert.equal(settled.length, 300)
  assert.deepEqual(await allOwed(world.database), [])
  const attempts = await allAttempts(world.database)
  assert.equal(attempts.length, 300)
  const wrong = attempts.filter(({ status }) => status === 'failed')
  assert.deepEqual(
    wrong.map(({ webhookId, error }) => [webhookId, error]),
    [deliveries[77], deliveries[78]].map(delivery => [
      delivery?.webhookId,
      'the database did not take the error of this attempt',
    ]),
  )
  assert.ok(counter.statements < 50, `${counter.statements} statements`)
})

test('a retry that is refused is a retry all the same, and its details are not missed', async () => {
  const { log } = aLog()
  const delivery = await aDelivery()
  const { exchange } = remembered(10)
  assert.ok(exchange)
  log.settle(attempted(delivery, { ...failed, error: 'nul \u0000', exchange }, noon + 10_000))
  await log.drained()
  assert.deepEqual(
    (await allOwed(world.database)).map(({ webhookId, attempt, dueAt }) => [webhookId, attempt, dueAt]),
    [[delivery.webhookId, 2, noon + 10_000]],
  )
})

test('an attempt that cannot be logged at all stays owed, for an hour later, and is told', async t => {
  const logger = silentLogger()
  const told: unknown[] = []
  t.mock.method(logger, 'error', (about: object, words: string) => told.push([about, words]))
  const { log, settled } = aLog({ logger })
  const [good, bad] = [await aDelivery(), await aDelivery()]
  await world.database.query({
    text: 'create function refuse() returns trigger language plpgsql as $$ begin if new.webhook_id = tg_argv[0]::uuid then raise exception $x$not this one$x$ using errcode = $x$22003$x$; end if; return new; end $$',
  })
  await world.database.query({
    text: `create trigger refuse before insert on delivery_logs_all for each row execute function refuse('${bad.webhookId}')`,
  })
  t.after(() => world.database.query({ text: 'drop function refuse cascade' }))
  log.settle(attempted(good, accepted, 'delivered'))
  log.settle(attempted(bad, accepted, 'delivered'))
  await log.drained()
  assert.equal(settled.length, 2)
  assert.deepEqual(
    (await allOwed(world.database)).map(({ webhookId, attempt, owner, dueAt }) => [
      webhookId,
      attempt,
      owner,
      dueAt,
    ]),
    [[bad.webhookId, 1, null, noon + 3_600_000]],
  )
  assert.deepEqual(told, [
    [
      { webhook_id: bad.webhookId, subscription_id: 1, attempt: 1, cause: 'not this one' },
      'an attempt cannot be logged, as the database refuses it: the delivery stays owed, and is sent again in an hour',
    ],
  ])
})

test('what the database refuses of all is tried until it is taken, and nothing is sent again for it', async t => {
  const { log, settled } = aLog()
  await world.database.query({ text: 'alter table delivery_logs_all rename to elsewhere' })
  await world.database.query({ text: 'alter table delivery_logs rename to away' })
  const restore = () =>
    world.database.query({
      text: 'alter table if exists away rename to delivery_logs; alter table if exists elsewhere rename to delivery_logs_all',
    })
  t.after(restore)
  for (let n = 0; n < 3; n++) log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await eventually(() => log.depth === 3)
  await restore()
  await log.drained()
  assert.equal(settled.length, 3)
  assert.equal((await allAttempts(world.database)).length, 3)
})

test('while the database is away this is told once, not by each try', async t => {
  const logger = silentLogger()
  const warn = t.mock.method(logger, 'warn')
  const health = new DatabaseHealth({ logger, troubles: someTroubles(logger) })
  const gate = new GatedDatabase(world.database)
  gate.isAway = true
  const { log } = aLog({ logger, health, connection: gate })
  log.settle(attempted(await aDelivery(), accepted, 'delivered'))
  await eventually(() => gate.statements >= 3)
  assert.deepEqual([...health.failing], ['log'])
  gate.isAway = false
  await log.drained()
  assert.deepEqual([...health.failing], [])
  assert.equal(warn.mock.callCount(), 2, 'one line when it begins, and one when it ends')
})
