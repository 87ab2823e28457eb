import type { FoundInFlight } from '../model/in-flight.ts'
import type { Queryable } from '../platform/postgres.ts'
import { deleteOld, readFound, writeFound } from './in-flight-store.ts'

export interface InFlightDeps {
  readonly database: Queryable
  readonly throttle: {
    found(): ReadonlyMap<number, FoundInFlight>
    beginWith(found: ReadonlyMap<number, number>): void
  }
  /** Under whose id it is written. */
  readonly membership: { readonly id: number }
}

/** What has not changed is written again after this, so that it does not count as old. */
const againMs = 120_000

/** Goes on with what processes before this one have found out of their receivers. */
export async function beginWithFound({
  database,
  throttle,
}: Omit<InFlightDeps, 'membership'>): Promise<void> {
  throttle.beginWith(await readFound(database))
}

/** Makes the step that writes down what was found out since the last one; without news it asks nothing of the database. */
export function keepFound({ database, throttle, membership }: InFlightDeps): () => Promise<void> {
  const written = new Map<number, FoundInFlight & { readonly at: number }>()
  return async () => {
    const now = performance.now()
    const found = throttle.found()
    for (const id of written.keys()) if (!found.has(id)) written.delete(id)
    const news = new Map(
      [...found].filter(([id, { limit, reason }]) => {
        const before = written.get(id)
        return !before || before.limit !== limit || before.reason !== reason || now - before.at > againMs
      }),
    )
    if (news.size === 0) return
    await writeFound(database, membership.id, news)
    await deleteOld(database)
    for (const [id, one] of news) written.set(id, { ...one, at: now })
  }
}
