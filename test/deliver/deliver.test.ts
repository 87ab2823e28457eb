import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { ContentLoader } from '../../src/deliver/content-loader.ts'
import { Deliver, type DeliverDeps } from '../../src/deliver/deliver.ts'
import { Throttle } from '../../src/dispatch/throttle.ts'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { DeliveryLog } from '../../src/log/log.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import type { LanePause } from '../../src/model/pause.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { ReceiverStates } from '../../src/subscriptions/receiver-states.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, hourMs } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { testEgress } from '../support/egress.ts'
import { aHealth } from '../support/health.ts'
import { httpDestination } from '../support/http-destination.ts'
import { aMember } from '../support/member.ts'
import { type Program, startReceiver } from '../support/receiver.ts'
import { allAttempts, allOwed, emptyAll, newId, owe } from '../support/rows.ts'
import { aSubscription, signingKey } from '../support/subscription.ts'
import { someTroubles } from '../support/troubles.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7
const payload = Buffer.from('{ "b" : 1,  "a":"é" }')

async function aWorld(
  t: TestContext,
  program: Program = {},
  changes: Partial<DeliverDeps> = {},
  circuitFailures = 0,
) {
  const receiver = await startReceiver(program)
  const clock = fakeClock(Math.floor(Date.now() / 1000) * 1000) // receivers check that a signature is fresh
  const throttle = new Throttle(clock, { failures: circuitFailures, cooldownMs: 1000 })
  const lanePauses: LanePause[] = []
  const log = new DeliveryLog({
    connection: world.database,
    clock,
    newId,
    membership: aMember({ id: me }),
    logger: silentLogger(),
    health: aHealth(),
    troubles: someTroubles(),
    settled: () => {},
    pauseLanes: async pauses => {
      lanePauses.push(...pauses)
    },
    lanesDue: () => {},
    ensurePartitions: async () => {},
  })
  t.after(async () => {
    await log.drained()
    await receiver.close()
  })
  const deliver = new Deliver({
    clock,
    random: () => 0,
    destination: httpDestination(t).destination,
    contents: new ContentLoader(world.database),
    throttle,
    receivers: new ReceiverStates({
      database: world.database,
      logger: silentLogger(),
      lanes: subscriptionLanes,
      refresh: async () => {},
      disableAfterHours: 0,
    }),
    interrupt: () => {},
    membership: aMember(),
    log,
    retentionMs: 72 * hourMs,
    userAgent: 'test/1',
    logger: silentLogger(),
    troubles: someTroubles(),
    isCuttingOff: () => false,
    ...changes,
  })
  const subscription = (rules: Partial<Subscription> = {}) =>
    aSubscription({ origin: receiver.origin, ...rules })
  /** An owed delivery; without content it is loaded. */
  const aDelivery = async (about: Partial<Delivery> = {}): Promise<Delivery> => {
    const webhookId = await owe(world.database, { payload, owner: me })
    const delivery = { webhookId, subscriptionId: 1, attempt: 1, attemptsBefore: 0, since: clock.now() }
    return { ...delivery, dueAt: clock.now(), sizeBytes: payload.length, content: null, lane: null, ...about }
  }
  const attempt = async (delivery: Delivery, to: Subscription | undefined) => {
    await deliver.attempt(delivery, to)
    await log.drained()
    return { logged: await allAttempts(world.database), owed: await allOwed(world.database) }
  }
  return { deliver, receiver, clock, throttle, lanePauses, attempt, aDelivery, subscription }
}

test('the stored bytes arrive signed, under the id of the event, and the delivery is over', async t => {
  const { receiver, attempt, aDelivery, subscription, clock } = await aWorld(t)
  const delivery = await aDelivery()
  const { logged, owed } = await attempt(delivery, subscription())
  assert.deepEqual(
    logged.map(row => [row.webhookId, row.status, row.verdict]),
    [[delivery.webhookId, 'success', 'delivered']],
  )
  assert.deepEqual(owed, [])
  const [request] = receiver.received
  assert.ok(request)
  assert.ok(request.body.equals(payload))
  const { headers } = request
  assert.equal(headers['webhook-id'], delivery.webhookId)
  assert.equal(headers['webhook-timestamp'], String(clock.now() / 1000))
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['x-event-type'], 'order.created')
  assert.equal(headers['user-agent'], 'test/1')
  const secret = signingKey.export().toString('base64')
  new Webhook(secret).verify(request.body, headers as Record<string, string>)
})

test('what is in memory is sent before its attempt returns, so that no answer to a sender overtakes it', async t => {
  const sent: string[] = []
  const destination = httpDestination(t).destination
  const { deliver, aDelivery, subscription } = await aWorld(
    t,
    {},
    {
      destination: {
        ...{ close: () => destination.close() },
        deliver: (message, timeoutMs) => {
          sent.push(message.body.toString())
          return destination.deliver(message, timeoutMs)
        },
      },
    },
  )
  const content = { payload, contentType: 'application/json', eventType: null, hops: 0 }
  const delivery = await aDelivery({ content })
  const ended = deliver.attempt(delivery, subscription())
  assert.deepEqual(sent, [payload.toString()])
  assert.equal(await ended, true)
})

test('content that is in memory is not loaded, and without an event type there is no header of it', async t => {
  const { receiver, attempt, aDelivery, subscription } = await aWorld(t)
  const content = { eventType: null, contentType: 'text/plain', payload: Buffer.from('from memory') }
  await attempt(await aDelivery({ content }), subscription())
  const [request] = receiver.received
  assert.equal(request?.body.toString(), 'from memory')
  assert.equal(request?.headers['content-type'], 'text/plain')
  assert.equal(request?.headers['x-event-type'], undefined)
})

test('a failure is owed again after its delay, and the fifth is given up', async t => {
  const { attempt, aDelivery, subscription, clock } = await aWorld(t, { status: 500, body: 'no' })
  const first = await attempt(await aDelivery(), subscription())
  assert.equal(first.logged[0]?.verdict, 'retry')
  assert.deepEqual(
    first.owed.map(row => [row.attempt, row.dueAt, row.owner]),
    [[2, clock.now() + 10_000, null]],
  )
  await emptyAll(world.database)
  const fifth = await aDelivery({ attempt: 5, attemptsBefore: 4 })
  await world.database.query({ text: 'update owed set attempt = 5' })
  const last = await attempt(fifth, subscription())
  assert.equal(last.logged[0]?.verdict, 'given_up')
  assert.deepEqual(last.owed, [])
})

test('a delivery of a paused or deleted subscription goes back untried', async t => {
  const { receiver, attempt, aDelivery, subscription } = await aWorld(t)
  for (const to of [subscription({ paused: true }), undefined]) {
    await emptyAll(world.database)
    const { logged, owed } = await attempt(await aDelivery(), to)
    assert.deepEqual(logged, [])
    assert.deepEqual(
      owed.map(row => [row.attempt, row.owner]),
      [[1, null]],
    )
  }
  assert.equal(receiver.received.length, 0)
})

test('a delivery that is too old, or whose payload is gone, ends in the log without an attempt', async t => {
  const { receiver, attempt, aDelivery, subscription, clock } = await aWorld(t)
  const old = await attempt(await aDelivery({ since: clock.now() - 74 * hourMs }), subscription())
  assert.deepEqual(
    [old.logged[0]?.verdict, old.logged[0]?.error],
    ['expired', 'too old: its time limit has passed'],
  )
  assert.deepEqual(old.owed, [])
  await emptyAll(world.database)
  const delivery = await aDelivery()
  await world.database.query({ text: 'truncate events' })
  const gone = await attempt(delivery, subscription())
  assert.deepEqual(
    [gone.logged[0]?.verdict, gone.logged[0]?.error],
    ['expired', 'its payload is no longer stored'],
  )
  assert.equal(receiver.received.length, 0)
})

test('while the payload cannot be read the delivery goes back, not counted', async t => {
  const away = { query: () => Promise.reject(new Error('away')) }
  const { attempt, aDelivery, subscription } = await aWorld(t, {}, { contents: new ContentLoader(away) })
  const { logged, owed } = await attempt(await aDelivery(), subscription())
  assert.deepEqual([logged, owed[0]?.attempt, owed[0]?.owner], [[], 1, null])
})

test('an attempt that the service cuts off to stop does not count; one that was answered does', async t => {
  const content = { payload, contentType: 'application/json', eventType: null }
  const cutOff = await aWorld(t, { fault: 'hang' }, { isCuttingOff: isLater() })
  const cut = await cutOff.attempt(await cutOff.aDelivery(), cutOff.subscription({ timeoutMs: 600 }))
  assert.equal(cutOff.receiver.received.length, 1)
  assert.deepEqual([cut.logged, cut.owed[0]?.attempt, cut.owed[0]?.owner], [[], 1, null])
  await emptyAll(world.database)
  const answered = await aWorld(t, { status: 200 }, { isCuttingOff: isLater() })
  const { logged } = await answered.attempt(await answered.aDelivery({ content }), answered.subscription())
  assert.equal(logged[0]?.verdict, 'delivered')
})

/** False when it is asked first, true from then on. */
function isLater(): () => boolean {
  let asked = 0
  return () => asked++ > 0
}

test('what may be others’ by now, or would be cut off at once, is not sent when its payload has been read', async t => {
  for (const changes of [{ membership: aMember({ isSure: false }) }, { isCuttingOff: () => true }]) {
    await emptyAll(world.database)
    const { attempt, aDelivery, subscription, receiver } = await aWorld(t, {}, changes)
    const { logged, owed } = await attempt(await aDelivery(), subscription())
    assert.deepEqual([logged, owed.length, receiver.received.length], [[], 1, 0])
  }
})

test('what goes back untried keeps its place in its lane, and in order nothing overtakes it', async t => {
  const interrupted: number[] = []
  const contents = new ContentLoader({ query: () => Promise.reject(new Error('away')) })
  const interrupt = (id: number) => interrupted.push(id)
  const { attempt, aDelivery, subscription, clock } = await aWorld(t, {}, { contents, interrupt })
  const dueAt = clock.now() - 5000
  const { owed } = await attempt(
    await aDelivery({ dueAt, lane: { left: () => {} } }),
    subscription({ ordered: true }),
  )
  assert.equal(owed[0]?.dueAt, dueAt)
  assert.deepEqual(interrupted, [1])
})

test('while our own proxy is away nothing is spent: the delivery keeps its place, and its lane waits', async t => {
  const gone = await startReceiver()
  await gone.close()
  const egress = testEgress({ egressProxy: gone.origin })
  t.after(() => egress.close())
  const { destination } = httpDestination(t, { connector: egress.connector })
  const interrupted: number[] = []
  const interrupt = (id: number) => interrupted.push(id)
  const world = await aWorld(t, {}, { destination, interrupt }, 1)
  const { clock, throttle, lanePauses, subscription } = world
  const delivery = await world.aDelivery({ dueAt: clock.now() - 1000, lane: { left: () => {} } })
  const until = clock.now() + 5000
  const { logged, owed } = await world.attempt(delivery, subscription())
  assert.deepEqual(logged, [])
  assert.deepEqual(
    owed.map(row => [row.attempt, row.owner, row.dueAt]),
    [[1, null, delivery.dueAt]],
  )
  const pause = { subscriptionId: 1, until, reason: 'ours' }
  assert.deepEqual([interrupted, lanePauses], [[1], [pause]], 'here and in all processes')
  assert.equal(throttle.opensAt(subscription()), until)
  assert.equal(throttle.cap(subscription()), 10, 'no single probe, as after one failure of the receiver')

  clock.advance(74 * hourMs)
  const late = await world.attempt({ ...delivery, since: clock.now() - 74 * hourMs }, subscription())
  assert.equal(late.logged[0]?.verdict, 'expired', 'it ends')
})
