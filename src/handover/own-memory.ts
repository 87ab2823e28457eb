import type { Member } from '../cluster/membership.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { Delivery, SharedPayload } from '../model/delivery.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type Handover, type HotLaneDeps, mayBeHot, type OfferedRow } from './handover.ts'
import type { LeasedRows } from './leased-rows.ts'

export interface OwnMemoryDeps extends HotLaneDeps {
  readonly dispatcher: Pick<Dispatcher, 'reserve' | 'push' | 'release'>
  readonly membership: Member
  readonly leasedRows: LeasedRows
  /** Takes one that waits in its lane, if it may be sent at once; see `Lanes.takeFresh`. */
  readonly takeFresh: (delivery: Delivery) => boolean
  /** A lane has something due (Unix milliseconds). */
  readonly ringLanes: (dueAt: number, subscriptionId: number) => void
}

/**
 * This process itself holds what is offered, and delivers it. While it may have been declared dead it takes nothing,
 * since that would be given to others.
 */
export class OwnMemory implements Handover {
  readonly #deps: OwnMemoryDeps

  constructor(deps: OwnMemoryDeps) {
    this.#deps = deps
  }

  offer(subscription: Subscription, sizeBytes: number, shared?: SharedPayload): number | null {
    const { membership, dispatcher } = this.#deps
    if (!membership.isSure || !mayBeHot(subscription, this.#deps)) return null
    const { id, tenant } = subscription
    return dispatcher.reserve(id, tenant, sizeBytes, true, shared) ? membership.id : null
  }

  commit(owner: number | null, delivery: Delivery): void {
    const { membership, dispatcher, leasedRows, takeFresh, ringLanes } = this.#deps
    if (owner === null) {
      if (!takeFresh(delivery)) ringLanes(delivery.dueAt, delivery.subscriptionId)
    }
    // With another id by now it was declared dead while the row was being written: the row goes to its lane.
    else if (owner === membership.id && leasedRows.hold(delivery)) dispatcher.push(delivery)
    else dispatcher.release(delivery.subscriptionId, delivery.sizeBytes, true, delivery.shared)
  }

  abort(
    { owner, webhookId, subscriptionId, sizeBytes, shared }: OfferedRow,
    written: 'no' | 'unknown',
  ): void {
    const { dispatcher, leasedRows } = this.#deps
    if (owner === null) return
    dispatcher.release(subscriptionId, sizeBytes, true, shared)
    if (written === 'unknown') leasedRows.doubt(webhookId)
  }

  async stop(): Promise<void> {
    await this.#deps.leasedRows.stop()
  }
}
