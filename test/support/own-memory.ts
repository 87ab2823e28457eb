import type { Member } from '../../src/cluster/membership.ts'
import { Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { Throttle } from '../../src/dispatch/throttle.ts'
import { LeasedRows } from '../../src/handover/leased-rows.ts'
import { OwnMemory } from '../../src/handover/own-memory.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from './clock.ts'

/** How long after the time in its id an event of these worlds may be committed. */
export const commitMsMax = 10_000

/** A process that delivers what it accepts, as far as that begins: its attempts are noted, and never end. */
export function anOwnMemory(
  connection: Queryable,
  membership: Member,
  { heldPerSubscription = 100, hearsByMessage = false, takeFresh = false } = {},
) {
  const clock = fakeClock(noon)
  const started: Delivery[] = []
  const rung: number[] = []
  const offeredToLane: Delivery[] = []
  const throttle = new Throttle(clock, { failures: 0, cooldownMs: 1000 })
  const dispatcher = new Dispatcher({
    limits: { maxInFlight: 100, heldPerSubscription, heldInAll: 1000, heldBytes: 1_000_000 },
    subscription: () => undefined,
    clock,
    membership,
    throttle,
    defer: () => {},
    attempt: async delivery => {
      started.push(delivery)
      return true
    },
  })
  const leasedRows = new LeasedRows({
    connection,
    clock,
    logger: silentLogger(),
    membership,
    commitMsMax,
    hearsByMessage,
    returned: () => rung.push(clock.now()),
  })
  const ownMemory = new OwnMemory({
    dispatcher,
    membership,
    throttle,
    leasedRows,
    takeFresh: delivery => {
      offeredToLane.push(delivery)
      return takeFresh
    },
    ringLanes: dueAt => rung.push(dueAt),
  })
  return { clock, started, rung, offeredToLane, throttle, dispatcher, leasedRows, ownMemory }
}
