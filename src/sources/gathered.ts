import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { uuidLowerBound } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { deleteOldRefusals, keepRefusals, type RefusalOf, type RefusedBy } from './refusals-store.ts'
import { sourceLimits } from './schema.ts'

export interface GatheredDeps<Tally> {
  readonly database: Database
  readonly clock: Clock
  readonly by: RefusedBy
  /** Writes what was counted, and has what was refused kept: in which order says which rows are locked first. */
  readonly write: (tx: Queryable, tallies: readonly Tally[], keep: () => Promise<void>) => Promise<void>
  /** What came before, and what came since, as one. */
  readonly added: (before: Tally, since: Tally) => Tally
}

/** Refused requests that wait to be written, in all and of one source or subscription. Beyond them they are counted only. */
const waitingMax = { requests: 500, bytes: 4 * 1_048_576, ofOne: sourceLimits.refusals } as const
const keptMax = { requestsMax: sourceLimits.refusals, bytesMax: sourceLimits.keptBytes } as const
/** Rows that one statement removes. */
const removedMax = 500

/**
 * What came from providers, to sources or to subscriptions with `inbound`: counted and kept in memory, and written once in a
 * while. So the path of an event writes no row for it, and who sends wrong requests as fast as they can makes one transaction
 * per second, of bounded size.
 */
export class Gathered<Tally extends { readonly id: number }> {
  readonly #deps: GatheredDeps<Tally>
  #tallies = new Map<number, Tally>()
  #refusals: readonly RefusalOf[] = []
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: GatheredDeps<Tally>) {
    this.#deps = deps
  }

  /** What was counted of one since the last time it was written. */
  tallyOf(id: number): Tally | undefined {
    return this.#tallies.get(id)
  }

  count(tally: Tally): void {
    this.#tallies.set(tally.id, tally)
  }

  /** Keeps a refused request, if there is room. It is written with what is counted of the same. */
  keep(refusal: RefusalOf): void {
    const bytes = bytesOf(refusal)
    const isFull = this.#refusals.length >= waitingMax.requests || this.#bytes + bytes > waitingMax.bytes
    if (isFull || this.#refusals.filter(({ of }) => of === refusal.of).length >= waitingMax.ofOne) return
    this.#refusals = [...this.#refusals, refusal]
    this.#bytes += bytes
  }

  /** Writes what was gathered. Where that fails, it is gathered further. */
  flush(): Promise<void> {
    const writing = this.#writing.then(() => this.#flush())
    this.#writing = writing.catch(() => {})
    return writing
  }

  async #flush(): Promise<void> {
    if (this.#tallies.size === 0) return
    const { database, by, write, added } = this.#deps
    const [tallies, refusals, bytes] = [this.#tallies, this.#refusals, this.#bytes]
    this.#tallies = new Map()
    this.#refusals = []
    this.#bytes = 0
    try {
      await database.transaction(tx =>
        write(tx, [...tallies.values()], async () => {
          if (refusals.length > 0) await keepRefusals(tx, by, refusals, keptMax)
        }),
      )
    } catch (error) {
      for (const [id, tally] of tallies) {
        const since = this.#tallies.get(id)
        this.#tallies.set(id, since === undefined ? tally : added(tally, since))
      }
      this.#refusals = [...refusals, ...this.#refusals].slice(0, waitingMax.requests)
      this.#bytes += bytes
      throw error
    }
  }

  /** Removes refused requests that are older than the log is kept. To be called from time to time. */
  async removeOld(retentionMs: number, signal: AbortSignal): Promise<void> {
    const { database, by, clock } = this.#deps
    const before = uuidLowerBound((await earlierNow(database, clock)) - retentionMs)
    while (!signal.aborted && (await deleteOldRefusals(database, by, before, removedMax)) === removedMax);
  }
}

function bytesOf({ body, headers }: RefusalOf): number {
  return body.length + JSON.stringify(headers).length
}
