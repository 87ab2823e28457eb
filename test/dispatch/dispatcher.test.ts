import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Delivery } from '../../src/model/delivery.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { aDispatcherWorld } from '../support/dispatcher.ts'
import { aMember } from '../support/member.ts'
import { aSubscription } from '../support/subscription.ts'

const subscription = (id: number, changes: Partial<Subscription> = {}) => aSubscription({ id, ...changes })

test('an attempt starts at once while there is room, and its delivery is held until it is released', async () => {
  const { dispatcher, running, push } = aDispatcherWorld({}, [subscription(1)])
  push(1, 100)
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 100, inFlight: 1 })
  await running[0]?.end()
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 100, inFlight: 0 })
  dispatcher.release(1, 100)
  assert.deepEqual(dispatcher.load, { held: 0, heldBytes: 0, inFlight: 0 })
})

test('a subscription has no more attempts in flight than it allows', async () => {
  const { running, push } = aDispatcherWorld({}, [subscription(1, { maxInFlight: 2 }), subscription(2)])
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
  const { running, push } = aDispatcherWorld({ maxInFlight: 3 }, [subscription(1), subscription(2)])
  for (let n = 0; n < 4; n++) for (const id of [1, 2]) push(id)
  assert.equal(running.length, 3)
  await running[0]?.end()
  assert.equal(running.length, 3)
})

test('a subscription that is not known gets one attempt at a time', () => {
  const { running, push } = aDispatcherWorld()
  for (let n = 0; n < 3; n++) push(9)
  assert.equal(running.length, 1)
})

test('deliveries of a subscription start in the order in which they came', async () => {
  const { running, push } = aDispatcherWorld({}, [subscription(1, { maxInFlight: 1 })])
  const pushed = Array.from({ length: 5 }, () => push(1).webhookId)
  const startedInOrder: string[] = []
  while (running[0]) {
    startedInOrder.push(running[0].delivery.webhookId)
    await running[0].end()
  }
  assert.deepEqual(startedInOrder, pushed)
})

test('tenants take turns, and within each its subscriptions', async () => {
  const { running, started, push } = aDispatcherWorld({ maxInFlight: 1 }, [
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
  const { dispatcher, running, push } = aDispatcherWorld({ maxInFlight: 20 }, [
    subscription(1),
    subscription(2),
  ])
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

test('what there is no room for is refused, and takes none', () => {
  const { dispatcher, reserve } = aDispatcherWorld({ heldInAll: 1 })
  assert.equal(reserve(1, 60), true)
  assert.equal(reserve(2, 10), false)
  assert.deepEqual(dispatcher.load, { held: 1, heldBytes: 60, inFlight: 0 })
  dispatcher.release(1, 60)
  assert.deepEqual(dispatcher.load, { held: 0, heldBytes: 0, inFlight: 0 })
  assert.equal(reserve(2, 10), true)
})

test('however much lanes bring, a fresh event finds a slot', () => {
  const ids = Array.from({ length: 50 }, (_, n) => n + 1)
  const { running, started, push, pushOfLane } = aDispatcherWorld(
    { maxInFlight: 40 },
    [...ids, 77].map(id => subscription(id)),
  )
  for (const id of ids) for (let n = 0; n < 3; n++) pushOfLane(id)
  assert.equal(running.length, 30, 'three quarters of the slots are for lanes')
  push(77)
  assert.equal(started.at(-1), 77)
})

test('lanes and fresh events start in turn when all slots are taken', async () => {
  const ids = Array.from({ length: 30 }, (_, n) => n + 1)
  const { running, push, pushOfLane } = aDispatcherWorld(
    { maxInFlight: 4 },
    [...ids, ...ids.map(id => id + 100)].map(id => subscription(id)),
  )
  for (const id of ids) {
    pushOfLane(id)
    push(id + 100)
  }
  const early: string[] = []
  while (running[0] && early.length < 24) {
    early.push(running[0].delivery.lane ? 'lane' : 'fresh')
    await running[0].end()
  }
  for (const kind of ['lane', 'fresh']) {
    const count = early.filter(one => one === kind).length
    assert.ok(count >= 10, `${count} of the first 24 are ${kind}`)
  }
})

test('a fresh event of a subscription overtakes its own backlog, and the backlog goes on', async () => {
  const { running, push, pushOfLane } = aDispatcherWorld({}, [subscription(1, { maxInFlight: 1 })])
  const backlog = Array.from({ length: 6 }, () => pushOfLane(1))
  const fresh = Array.from({ length: 3 }, () => push(1))
  const startedInOrder: Delivery[] = []
  while (running[0]) {
    startedInOrder.push(running[0].delivery)
    await running[0].end()
  }
  const [b1, b2, b3, b4, b5, b6] = backlog
  const [f1, f2, f3] = fresh
  assert.deepEqual(startedInOrder, [b1, f1, b2, f2, b3, f3, b4, b5, b6])
})

test('a subscription with one attempt left to end is not kept out by slow ones when it has ended', async () => {
  const slow = Array.from({ length: 8 }, (_, n) => n + 10)
  const { push, runningOf } = aDispatcherWorld(
    { maxInFlight: 10 },
    [1, ...slow].map(id => subscription(id)),
  )
  push(1)
  for (const id of slow) push(id)
  push(1)
  assert.equal(runningOf(1).length, 1, 'crowded: no second one')
  await runningOf(1)[0]?.end()
  assert.equal(runningOf(1).length, 1, 'the second one has begun though it is as crowded as before')
})

test('what came from a lane can be taken out alone', () => {
  const { dispatcher, push, pushOfLane } = aDispatcherWorld({}, [subscription(1, { maxInFlight: 1 })])
  push(1)
  const [fresh, ofLane] = [push(1), pushOfLane(1)]
  assert.deepEqual(dispatcher.takeWaiting(1, 'of lane'), [ofLane])
  assert.deepEqual(dispatcher.takeWaiting(1), [fresh])
})

test('what waits is taken out once, and what runs stays', () => {
  const { dispatcher, running, push } = aDispatcherWorld({}, [
    subscription(1, { maxInFlight: 1 }),
    subscription(2),
  ])
  const [, second, third] = [push(1), push(1), push(1)]
  push(2)
  assert.deepEqual(dispatcher.takeWaiting(1), [second, third])
  assert.deepEqual(dispatcher.takeWaiting(1), [])
  assert.deepEqual(dispatcher.takeWaiting(77), [])
  assert.equal(running.length, 2)
  assert.equal(dispatcher.load.held, 4, 'held until it is released')
})

test('a subscription goes on after what waited was taken out', async () => {
  const { dispatcher, running, push } = aDispatcherWorld({ maxInFlight: 1 }, [
    subscription(1),
    subscription(2),
  ])
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

test('after stopping nothing starts and nothing is let in', async () => {
  const { dispatcher, running, push, reserve } = aDispatcherWorld({ maxInFlight: 1 }, [subscription(1)])
  push(1)
  push(1)
  dispatcher.stop()
  await running[0]?.end()
  assert.equal(running.length, 0)
  assert.equal(reserve(1), false)
  assert.equal(dispatcher.load.inFlight, 0)
})

test('an attempt that throws frees its slot like any other', async () => {
  const { dispatcher, running, started, push } = aDispatcherWorld({ maxInFlight: 1 })
  for (let n = 0; n < 3; n++) push(1)
  while (running[0]) await running[0].fail()
  assert.equal(started.length, 3)
  assert.equal(dispatcher.load.inFlight, 0)
})

test('nothing begins while what is held may be others’, and all goes on when it is known to be ours', async () => {
  let isSure = true
  const one = subscription(1, { maxInFlight: 1 })
  const membership = aMember({
    get isSure() {
      return isSure
    },
  })
  const { dispatcher, running, started, push } = aDispatcherWorld({}, [one], membership)
  for (let n = 0; n < 2; n++) push(1)
  isSure = false
  await running[0]?.end()
  push(2)
  assert.deepEqual(started, [1], 'only what had begun before')
  isSure = true
  dispatcher.wake()
  assert.deepEqual(started, [1, 1, 2])
})

test('a delivery for which no room was reserved is a fault', () => {
  const { dispatcher } = aDispatcherWorld()
  const { push } = aDispatcherWorld()
  assert.throws(() => dispatcher.push(push(5)), /no room was reserved/)
})

test('whatever happens, no bound is broken and nobody who may run waits', async () => {
  const limits = { maxInFlight: 8, heldPerSubscription: 6, heldInAll: 20, heldBytes: 1000 }
  const laneSlots = 6
  const ids = [1, 2, 3, 4]
  const step = fc.record({
    do: fc.constantFrom('push', 'push', 'push', 'end', 'end', 'take'),
    id: fc.integer({ min: 1, max: 4 }),
    n: fc.nat(20),
    fresh: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async steps => {
      const subscriptions = ids.map(id => subscription(id, { maxInFlight: id + 1, tenant: `t${id % 2}` }))
      const { dispatcher, running, runningOf, reserve, push } = aDispatcherWorld(limits, subscriptions)
      const held = new Set<Delivery>()
      const letGo = (delivery: Delivery) => {
        held.delete(delivery)
        dispatcher.release(delivery.subscriptionId, delivery.sizeBytes, delivery.lane === null)
      }
      for (const { do: what, id, n, fresh } of steps) {
        if (what === 'push' && reserve(id, n, fresh)) {
          dispatcher.release(id, n, fresh)
          held.add(push(id, n, fresh))
        } else if (what === 'end') {
          const one = running[n % Math.max(1, running.length)]
          await one?.end()
          if (one) letGo(one.delivery)
        } else if (what === 'take') for (const delivery of dispatcher.takeWaiting(id)) letGo(delivery)

        const heldBytes = [...held].reduce((sum, delivery) => sum + delivery.sizeBytes, 0)
        assert.deepEqual(dispatcher.load, { held: held.size, heldBytes, inFlight: running.length })
        assert.ok(held.size <= limits.heldInAll && heldBytes <= limits.heldBytes)
        const ofLanes = running.filter(({ delivery }) => delivery.lane !== null).length
        assert.ok(running.length <= limits.maxInFlight && ofLanes <= laneSlots)
        for (const { id: which, maxInFlight } of subscriptions) {
          const its = runningOf(which)
          assert.ok(its.length <= maxInFlight)
          const waits = [...held].filter(
            one => one.subscriptionId === which && !its.some(({ delivery }) => delivery === one),
          )
          if (its.length === maxInFlight || running.length === limits.maxInFlight) continue
          const isAlone = its.length === 0
          const isCrowded = running.length >= limits.maxInFlight * 0.75
          if (waits.some(one => one.lane === null))
            assert.ok(isCrowded && !isAlone, `a fresh one of ${which} waits though it may run`)
          if (waits.some(one => one.lane !== null)) {
            const isCrowdedByLanes = isCrowded || ofLanes >= laneSlots * 0.75
            assert.ok(
              ofLanes === laneSlots || (isCrowdedByLanes && !isAlone),
              `one of the lane of ${which} waits though it may run`,
            )
          }
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('to one origin there are no more attempts in flight than it may have, and its subscriptions take turns', async () => {
  const same = { origin: 'https://one.example', isAdaptive: true, maxInFlight: 100 }
  const { running, push } = aDispatcherWorld({ originInFlight: () => 4 }, [
    subscription(1, same),
    subscription(2, same),
    subscription(3, { ...same, origin: 'https://other.example' }),
  ])
  for (const id of [1, 2, 3]) for (let n = 0; n < 6; n++) push(id)
  const inFlightTo = (id: number) => running.filter(({ delivery }) => delivery.subscriptionId === id)
  assert.equal(inFlightTo(1).length + inFlightTo(2).length, 4)
  assert.equal(inFlightTo(3).length, 4)
  for (let ended = 0; ended < 8; ended++) {
    await [...inFlightTo(1), ...inFlightTo(2)].at(ended % 2)?.end()
    assert.ok(inFlightTo(1).length + inFlightTo(2).length <= 4)
  }
  assert.ok(inFlightTo(2).length > 0, 'the second one is served, too')
  while (running[0]) await running[0].end()
})

test('who sets its number itself is not held back by what its origin may have, but counts', () => {
  const { running, push } = aDispatcherWorld({ originInFlight: () => 4 }, [
    subscription(1, { origin: 'https://one.example', maxInFlight: 10 }),
    subscription(2, { origin: 'https://one.example', isAdaptive: true }),
  ])
  for (const id of [1, 2]) for (let n = 0; n < 10; n++) push(id)
  assert.deepEqual(
    running.map(({ delivery }) => delivery.subscriptionId),
    Array.from({ length: 10 }, () => 1),
  )
})

test('when the last attempt to an origin has ended all who wait for it go on', async () => {
  const ids = [1, 2, 3, 4, 5]
  const { running, started, push } = aDispatcherWorld(
    { originInFlight: () => 1 },
    ids.map(id => subscription(id, { origin: 'https://one.example', isAdaptive: true })),
  )
  for (const id of ids) push(id)
  while (running[0]) await running[0].end()
  assert.deepEqual(started.toSorted(), ids)
})
