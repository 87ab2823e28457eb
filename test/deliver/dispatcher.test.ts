import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Dispatcher, type DispatcherLimits } from '../../src/deliver/dispatcher.ts'
import { Gates } from '../../src/deliver/gates.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import type { Delivery } from '../../src/queue/delivery.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { aSubscription } from '../support/subscription.ts'

const roomy = { maxInFlight: 1000, heldPerSubscription: 1000, heldInAll: 10_000, heldBytes: 1_000_000 }

interface Running {
  readonly delivery: Delivery
  end(): Promise<void>
}

const clock = fakeClock()
const ungated = { clock, gates: new Gates(clock, { failures: 0, cooldownMs: 1000 }), defer: () => {} }

/** A dispatcher whose attempts end when the test says so. */
function aWorld(limits: Partial<DispatcherLimits> = {}, subscriptions: readonly Subscription[] = []) {
  const byId = new Map(subscriptions.map(subscription => [subscription.id, subscription]))
  const running: Running[] = []
  const started: number[] = []
  const newId = uuidV7Source(fakeClock())
  const dispatcher = new Dispatcher({
    limits: { ...roomy, ...limits },
    subscription: id => byId.get(id),
    ...ungated,
    attempt: delivery => {
      started.push(delivery.subscriptionId)
      return new Promise<boolean>(resolve => {
        running.push({
          delivery,
          async end() {
            running.splice(running.indexOf(this), 1)
            resolve(true)
            await new Promise(next => setImmediate(next))
          },
        })
      })
    },
  })
  const aDelivery = (subscriptionId: number, sizeBytes: number): Delivery => ({
    webhookId: newId(),
    subscriptionId,
    attempt: 1,
    attemptsBefore: 0,
    since: noon,
    dueAt: noon,
    sizeBytes,
    content: null,
    lane: null,
  })
  const tenantOf = (id: number) => byId.get(id)?.tenant ?? 'default'
  return {
    dispatcher,
    running,
    started,
    reserve: (id: number, sizeBytes = 10) => dispatcher.reserve(id, tenantOf(id), sizeBytes),
    push(id: number, sizeBytes = 10): Delivery {
      assert.ok(dispatcher.reserve(id, tenantOf(id), sizeBytes), `no room for ${id}`)
      const delivery = aDelivery(id, sizeBytes)
      dispatcher.push(delivery)
      return delivery
    },
  }
}

const subscription = (id: number, changes: Partial<Subscription> = {}) => aSubscription({ id, ...changes })

test('an attempt starts at once while there is room, and its delivery is held until it is released', async () => {
  const { dispatcher, running, push } = aWorld({}, [subscription(1)])
  push(1, 100)
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 100, inFlight: 1 })
  await running[0]?.end()
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 100, inFlight: 0 })
  dispatcher.release(1, 100)
  assert.deepEqual(dispatcher.load, { held: 0, heldBytes: 0, inFlight: 0 })
})

test('a subscription has no more attempts in flight than it allows', async () => {
  const { running, push } = aWorld({}, [subscription(1, { maxInFlight: 2 }), subscription(2)])
  for (let n = 0; n < 5; n++) push(1)
  push(2)
  assert.deepEqual(
    running.map(({ delivery }) => delivery.subscriptionId),
    [1, 1, 2],
  )
  await running[0]?.end()
  assert.equal(running.filter(({ delivery }) => delivery.subscriptionId === 1).length, 2)
})

test('there are no more attempts in flight in all than the service allows', async () => {
  const { running, push } = aWorld({ maxInFlight: 3 }, [subscription(1), subscription(2)])
  for (let n = 0; n < 4; n++) for (const id of [1, 2]) push(id)
  assert.equal(running.length, 3)
  await running[0]?.end()
  assert.equal(running.length, 3)
})

test('a subscription that is not known gets one attempt at a time', () => {
  const { running, push } = aWorld()
  for (let n = 0; n < 3; n++) push(9)
  assert.equal(running.length, 1)
})

test('deliveries of a subscription start in the order in which they came', async () => {
  const { running, push } = aWorld({}, [subscription(1, { maxInFlight: 1 })])
  const pushed = Array.from({ length: 5 }, () => push(1).webhookId)
  const startedInOrder: string[] = []
  while (running[0]) {
    startedInOrder.push(running[0].delivery.webhookId)
    await running[0].end()
  }
  assert.deepEqual(startedInOrder, pushed)
})

test('turns go round over tenants, then over their subscriptions', async () => {
  const { running, started, push } = aWorld({ maxInFlight: 1 }, [
    subscription(1, { tenant: 'a' }),
    subscription(2, { tenant: 'a' }),
    subscription(3, { tenant: 'b' }),
  ])
  for (let n = 0; n < 4; n++) push(1)
  for (let n = 0; n < 4; n++) push(2)
  for (let n = 0; n < 4; n++) push(3)
  while (running[0]) await running[0].end()
  // The first began before the others were there.
  assert.deepEqual(started, [1, 1, 3, 2, 3, 1, 3, 2, 3, 1, 2, 2])
})

test('a slow subscription with any backlog takes only its own slots', async () => {
  const { dispatcher, running, push } = aWorld({ maxInFlight: 20 }, [subscription(1), subscription(2)])
  for (let n = 0; n < 500; n++) push(1)
  for (let n = 0; n < 50; n++) {
    push(2)
    const fast = running.find(({ delivery }) => delivery.subscriptionId === 2)
    assert.ok(fast, 'starts at once')
    await fast.end()
    dispatcher.release(2, 10)
  }
  assert.equal(running.length, 10)
})

test('room is refused beyond the bound of a subscription, of all, and of bytes', () => {
  const one = aWorld({ heldPerSubscription: 2 })
  assert.deepEqual(
    [one.reserve(1), one.reserve(1), one.reserve(1), one.reserve(2)],
    [true, true, false, true],
  )
  const all = aWorld({ heldInAll: 2 })
  assert.deepEqual([all.reserve(1), all.reserve(2), all.reserve(3)], [true, true, false])
  const bytes = aWorld({ heldBytes: 100 })
  assert.deepEqual([bytes.reserve(1, 60), bytes.reserve(1, 41), bytes.reserve(1, 40)], [true, false, true])
})

test('a refusal takes no room', () => {
  const { dispatcher, reserve } = aWorld({ heldBytes: 100, heldPerSubscription: 1 })
  reserve(1, 60)
  reserve(1, 10)
  reserve(2, 50)
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 60, inFlight: 0 })
  dispatcher.release(1, 60)
  assert.deepEqual(dispatcher.load, { held: 0, heldBytes: 0, inFlight: 0 })
})

test('a delivery larger than all the room is let in alone', () => {
  const { dispatcher, reserve } = aWorld({ heldBytes: 100 })
  assert.equal(reserve(1, 500), true)
  assert.equal(reserve(2, 0), false)
  dispatcher.release(1, 500)
  assert.equal(reserve(2, 1), true)
  assert.equal(reserve(1, 500), false)
})

test('what waits is taken out once, and what runs stays', () => {
  const { dispatcher, running, push } = aWorld({}, [subscription(1, { maxInFlight: 1 }), subscription(2)])
  const [, second, third] = [push(1), push(1), push(1)]
  push(2)
  assert.deepEqual(dispatcher.takeWaiting(1), [second, third])
  assert.deepEqual(dispatcher.takeWaiting(1), [])
  assert.deepEqual(dispatcher.takeWaiting(77), [])
  assert.equal(running.length, 2)
  assert.equal(dispatcher.load.held, 4, 'held until it is released')
})

test('a subscription goes on after what waited was taken out', async () => {
  const { dispatcher, running, push } = aWorld({ maxInFlight: 1 }, [subscription(1), subscription(2)])
  push(2)
  push(1)
  for (const { sizeBytes } of dispatcher.takeWaiting(1)) dispatcher.release(1, sizeBytes)
  const later = push(1)
  await running[0]?.end()
  assert.deepEqual(
    running.map(({ delivery }) => delivery),
    [later],
  )
})

test('after stopping nothing starts, nothing is let in, and what waited is given out', async () => {
  const { dispatcher, running, push, reserve } = aWorld({ maxInFlight: 1 }, [subscription(1)])
  push(1)
  const waiting = [push(1), push(1)]
  assert.deepEqual(dispatcher.stop(), waiting)
  await running[0]?.end()
  assert.equal(running.length, 0)
  assert.equal(reserve(1), false)
  assert.equal(dispatcher.load.inFlight, 0)
})

test('an attempt that throws frees its slot like any other', async () => {
  let attempts = 0
  const dispatcher = new Dispatcher({
    limits: { ...roomy, maxInFlight: 1 },
    subscription: () => undefined,
    ...ungated,
    attempt: async () => {
      attempts++
      throw new Error('it failed')
    },
  })
  const { push } = aWorld()
  for (let n = 0; n < 3; n++) {
    dispatcher.reserve(1, 'default', 10)
    dispatcher.push(push(1))
  }
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(attempts, 3)
  assert.equal(dispatcher.load.inFlight, 0)
})

test('a delivery for which no room was reserved is a fault', () => {
  const { dispatcher } = aWorld()
  const { push } = aWorld()
  assert.throws(() => dispatcher.push(push(5)), /no room was reserved/)
})

test('whatever happens, no bound is broken and nobody who may run waits', async () => {
  const limits = { maxInFlight: 5, heldPerSubscription: 6, heldInAll: 15, heldBytes: 200 }
  const step = fc.oneof(
    fc.record({
      do: fc.constant('push'),
      id: fc.integer({ min: 1, max: 4 }),
      n: fc.integer({ min: 0, max: 80 }),
    }),
    fc.record({ do: fc.constant('end'), id: fc.constant(0), n: fc.nat(20) }),
    fc.record({ do: fc.constant('take'), id: fc.integer({ min: 1, max: 4 }), n: fc.constant(0) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const subscriptions = [1, 2, 3, 4].map(id =>
        subscription(id, { maxInFlight: id, tenant: `t${id % 2}` }),
      )
      const { dispatcher, running, reserve, push } = aWorld(limits, subscriptions)
      const held = new Map<Delivery, number>()
      const bytes = () => [...held.keys()].reduce((sum, delivery) => sum + delivery.sizeBytes, 0)
      const heldOf = (id: number) =>
        [...held.keys()].filter(delivery => delivery.subscriptionId === id).length
      const letGo = (delivery: Delivery) => {
        held.delete(delivery)
        dispatcher.release(delivery.subscriptionId, delivery.sizeBytes)
      }
      for (const { do: what, id, n } of steps) {
        if (what === 'push') {
          const fits =
            held.size < limits.heldInAll &&
            heldOf(id) < limits.heldPerSubscription &&
            (held.size === 0 || bytes() + n <= limits.heldBytes)
          if (fits) held.set(push(id, n), id)
          else assert.equal(reserve(id, n), false)
        } else if (what === 'end') {
          const one = running[n % Math.max(1, running.length)]
          await one?.end()
          if (one) letGo(one.delivery)
        } else for (const delivery of dispatcher.takeWaiting(id)) letGo(delivery)

        assert.deepEqual(dispatcher.load, { held: held.size, heldBytes: bytes(), inFlight: running.length })
        const runningOf = (which: number) =>
          running.filter(({ delivery }) => delivery.subscriptionId === which).length
        assert.ok(running.length <= limits.maxInFlight)
        for (const { id: which, maxInFlight } of subscriptions) {
          assert.ok(runningOf(which) <= maxInFlight)
          const waits = heldOf(which) > runningOf(which)
          const crowded = runningOf(which) > 0 && running.length >= limits.maxInFlight * 0.75
          const mayRun = running.length < limits.maxInFlight && runningOf(which) < maxInFlight && !crowded
          assert.ok(!(waits && mayRun), `${which} waits though it may run`)
        }
      }
    }),
    { numRuns: 150 },
  )
})
