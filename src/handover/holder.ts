import type { Member } from '../cluster/membership.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { Delivery } from '../model/delivery.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** Who keeps fresh deliveries in memory, so that they are sent without waiting in their lanes. */
export interface Holder {
  /**
   * Takes room for a fresh delivery that is about to be written.
   *
   * @returns the id of the process to which its row is born leased; null: there is no room, it goes to its lane
   */
  take(subscription: Subscription, sizeBytes: number): number | null
  /** Its row is committed: it may be sent. */
  push(owner: number, delivery: Delivery): void
  /** Its row was not written: the room is free again. */
  release(owner: number, subscriptionId: number, sizeBytes: number): void
}

/**
 * This process itself, which delivers what it accepts.
 * While it may have been declared dead it takes nothing, since that would be given to others.
 */
export function ownMemory(dispatcher: Dispatcher, membership: Pick<Member, 'id' | 'isSure'>): Holder {
  const owner = () => (membership.isSure ? membership.id : null)
  return {
    take({ id, tenant }, sizeBytes) {
      const me = owner()
      return me !== null && dispatcher.reserve(id, tenant, sizeBytes, true) ? me : null
    },
    push(held, delivery) {
      const me = owner()
      if (me === null || me === held) dispatcher.push(delivery)
      // Declared dead while the row was being written: it is found, and goes to its lane.
      else dispatcher.release(delivery.subscriptionId, delivery.sizeBytes)
    },
    release: (_owner, subscriptionId, sizeBytes) => dispatcher.release(subscriptionId, sizeBytes),
  }
}

/** Nobody: everything goes to the lanes, and whoever delivers finds it there. */
export const lanesOnly: Holder = {
  take: () => null,
  push: () => {},
  release: () => {},
}
