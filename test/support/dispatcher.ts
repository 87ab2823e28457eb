import assert from 'node:assert/strict'
import type { Member } from '../../src/cluster/membership.ts'
import { Dispatcher, type DispatcherLimits } from '../../src/dispatch/dispatcher.ts'
import { Throttle } from '../../src/dispatch/throttle.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { fakeClock, noon } from './clock.ts'
import { aMember } from './member.ts'

const roomy = { maxInFlight: 1000, heldPerSubscription: 1000, heldInAll: 10_000, heldBytes: 1_000_000 }

export interface Running {
  readonly delivery: Delivery
  end(): Promise<void>
  fail(): Promise<void>
}

const clock = fakeClock()
const ungated = { clock, throttle: new Throttle(clock, { failures: 0, cooldownMs: 1000 }), defer: () => {} }

/** A dispatcher whose attempts end when the test says so. */
export function aDispatcherWorld(
  limits: Partial<DispatcherLimits> = {},
  subscriptions: readonly Subscription[] = [],
  membership: Pick<Member, 'isSure'> = aMember(),
) {
  const byId = new Map(subscriptions.map(subscription => [subscription.id, subscription]))
  const running: Running[] = []
  const started: number[] = []
  const newId = uuidV7Source(fakeClock())
  const dispatcher = new Dispatcher({
    limits: { ...roomy, ...limits },
    subscription: id => byId.get(id),
    ...ungated,
    membership,
    attempt: delivery => {
      started.push(delivery.subscriptionId)
      const { promise, resolve, reject } = Promise.withResolvers<boolean>()
      const over = async (one: Running) => {
        running.splice(running.indexOf(one), 1)
        await new Promise(next => setImmediate(next))
      }
      running.push({
        delivery,
        end() {
          resolve(true)
          return over(this)
        },
        fail() {
          reject(new Error('it failed'))
          return over(this)
        },
      })
      return promise
    },
  })
  const aDelivery = (subscriptionId: number, sizeBytes: number, fresh: boolean): Delivery => ({
    webhookId: newId(),
    subscriptionId,
    attempt: 1,
    attemptsBefore: 0,
    since: noon,
    dueAt: noon,
    sizeBytes,
    content: null,
    lane: fresh ? null : aLane,
  })
  const tenantOf = (id: number) => byId.get(id)?.tenant ?? 'default'
  const push = (id: number, sizeBytes = 10, fresh = true): Delivery => {
    assert.ok(dispatcher.reserve(id, tenantOf(id), sizeBytes, fresh), `no room for ${id}`)
    const delivery = aDelivery(id, sizeBytes, fresh)
    dispatcher.push(delivery)
    return delivery
  }
  return {
    dispatcher,
    running,
    started,
    reserve: (id: number, sizeBytes = 10, fresh = true) =>
      dispatcher.reserve(id, tenantOf(id), sizeBytes, fresh),
    push,
    /** One that came from a lane: a retry, a replay, the backlog. */
    pushOfLane: (id: number) => push(id, 10, false),
    runningOf: (id: number) => running.filter(({ delivery }) => delivery.subscriptionId === id),
  }
}

const aLane = { left: () => {} }
