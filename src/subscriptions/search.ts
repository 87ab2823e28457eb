import type { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import { findSubscriptions, readEndOfLook, type SubscriptionFilter } from './search-store.ts'
import type { SubscriptionRow } from './store.ts'

export type { SubscriptionFilter } from './search-store.ts'

export interface SubscriptionPage<Row> {
  readonly rows: readonly Row[]
  /** The id below which the next page begins; undefined: this was the last one. */
  readonly next: number | undefined
}

/** Above every id. */
const beyond = 2 ** 31 - 1

/** A request looks at this many at most: a page may have few rows or none, and yet lead to a next one. */
export const lookedAtMax = 20_000

/** Newest first, from below `before`. */
export async function searchSubscriptions(
  db: Queryable,
  reach: Reach,
  { before = beyond, limit }: { readonly before?: number | undefined; readonly limit: number },
  filter: SubscriptionFilter,
  most = lookedAtMax,
): Promise<SubscriptionPage<SubscriptionRow>> {
  const isFiltered = Object.values(filter).some(value => value !== undefined)
  const end = isFiltered ? await readEndOfLook(db, reach, before, most) : undefined
  const found = await findSubscriptions(db, reach, { before, from: end ?? 0, limit: limit + 1 }, filter)
  const rows = found.slice(0, limit)
  return { rows, next: found.length > limit ? rows.at(-1)?.id : end }
}
