import type { Delivery } from '../model/delivery.ts'

/** What the lanes need of the dispatcher. */
export interface LaneSink {
  reserve(subscriptionId: number, tenant: string, sizeBytes: number, fresh: boolean): boolean
  release(subscriptionId: number, sizeBytes: number, fresh: boolean): void
  push(delivery: Delivery): void
  /** Takes out what waits for a subscription and has not begun; or only what came from its lane. */
  takeWaiting(subscriptionId: number, only?: 'of lane'): readonly Delivery[]
}
