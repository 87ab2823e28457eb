import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** What the event stream tells of. */
export const liveKinds = ['accepted', 'attempt', 'subscription', 'received'] as const
export type LiveKind = (typeof liveKinds)[number]

/** Something that happened, as the event stream tells it. */
export interface LiveItem {
  /** A UUIDv7: that of its row. The stream is in the order of these. */
  readonly id: Uuid
  readonly kind: LiveKind
  /** Whose it is; null: nobody knows any more, so operators alone see it. */
  readonly tenant: string | null
  /** The subscriptions that it is about. */
  readonly subscriptionIds: readonly number[]
  readonly eventType: string | null
  /** Of an attempt. */
  readonly status: string | null
  /** What callers see of it. */
  readonly data: Readonly<Record<string, unknown>>
}

/** The rows to read: those with ids after the one, and up to and with the other, in the order of their ids. */
export interface LiveRange {
  readonly after: Uuid
  readonly until: Uuid
  readonly limit: number
  /** Others need not be read, where that is cheaper; null: all. Whoever reads looks again what is for whom. */
  readonly tenant: string | null
  readonly subscriptionId: number | null
  readonly status: string | null
}

/** A table that the event stream reads. Its ids are UUIDv7, and `Unwritten` knows of those that are not written yet. */
export interface LiveSource {
  readonly kind: LiveKind
  /** @returns at most `limit` items; as many: there may be more */
  read(db: Queryable, range: LiveRange): Promise<readonly LiveItem[]>
}
