import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound, uuidV7Source } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import { noteSourceRejecting } from '../system-facts/facts.ts'
import { addTallies, deleteOldRefusals, keepRefusals, type SourceTally } from './records-store.ts'
import { sourceLimits } from './schema.ts'
import type { RefusalRow } from './store.ts'

export interface RecordsDeps {
  readonly database: Database
  readonly clock: Clock
}

/** A request that was refused. */
export type Refusal = Omit<RefusalRow, 'id'>

/** From this number of refusals in a row on the owner of a source is told, and again after an hour at the earliest. */
export const tell = { refused: 5, againMs: 3_600_000 } as const

/** Refused requests that wait to be written, in all and of one source. Beyond them they are counted only. */
const waitingMax = { requests: 500, bytes: 4 * 1_048_576, ofSource: sourceLimits.refusals } as const

type Waiting = RefusalRow & { readonly source: number }

/**
 * What comes to sources, gathered in memory and written once in a while: the path of an event writes no row for it, and who
 * sends wrong requests as fast as they can makes one transaction per second, of bounded size.
 */
export class SourceRecords {
  readonly #deps: RecordsDeps
  readonly #newId: () => RefusalRow['id']
  #tallies = new Map<number, SourceTally>()
  #refusals: Waiting[] = []
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: RecordsDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /** @param isRepeat the provider had sent it before */
  accepted(source: number, isRepeat: boolean): void {
    const before = this.#tallyOf(source)
    this.#tallies.set(source, {
      ...before,
      accepted: before.accepted + 1,
      repeated: before.repeated + (isRepeat ? 1 : 0),
      lastAcceptedAt: this.#deps.clock.now(),
      ...{ inARow: 0, inARowSince: null },
    })
  }

  refused(source: number, refusal: Refusal): void {
    const now = this.#deps.clock.now()
    const before = this.#tallyOf(source)
    this.#tallies.set(source, {
      ...before,
      refused: before.refused + 1,
      lastRefusedAt: now,
      inARow: before.inARow + 1,
      inARowSince: before.inARowSince ?? now,
      lastReason: refusal.reason,
    })
    const bytes = refusal.body.length + JSON.stringify(refusal.headers).length
    const ofSource = this.#refusals.filter(waiting => waiting.source === source).length
    const isFull = this.#refusals.length >= waitingMax.requests || this.#bytes + bytes > waitingMax.bytes
    if (isFull || ofSource >= waitingMax.ofSource) return
    this.#refusals.push({ ...refusal, source, id: this.#newId() })
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
    const [tallies, refusals, bytes] = [this.#tallies, this.#refusals, this.#bytes]
    this.#tallies = new Map()
    this.#refusals = []
    this.#bytes = 0
    try {
      await this.#write([...tallies.values()], refusals)
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

  async #write(tallies: readonly SourceTally[], refusals: readonly Waiting[]): Promise<void> {
    await this.#deps.database.transaction(async tx => {
      for (const row of await addTallies(tx, tallies, tell)) {
        await noteSourceRejecting(tx, {
          ...{ tenant: row.tenant, sourceId: String(row.id), name: row.name, preset: row.preset },
          ...{ reason: row.last_reason, rejected: row.refused_in_a_row, since: row.refusing_since.getTime() },
        })
      }
      if (refusals.length === 0) return
      await keepRefusals(tx, refusals, {
        requestsMax: sourceLimits.refusals,
        bytesMax: sourceLimits.keptBytes,
      })
    })
  }

  /** Removes refused requests that are older than the log is kept. To be called from time to time. */
  async removeOld(retentionMs: number, signal: AbortSignal): Promise<void> {
    const before = uuidLowerBound(this.#deps.clock.now() - retentionMs)
    const most = 500
    while (!signal.aborted && (await deleteOldRefusals(this.#deps.database, before, most)) === most);
  }

  #tallyOf(id: number): SourceTally {
    return this.#tallies.get(id) ?? { id, ...nothing }
  }
}

const nothing: Omit<SourceTally, 'id'> = {
  accepted: 0,
  repeated: 0,
  refused: 0,
  lastAcceptedAt: null,
  lastRefusedAt: null,
  inARow: 0,
  inARowSince: null,
  lastReason: null,
}

/** What came before, and what came since. */
function added(before: SourceTally, since: SourceTally): SourceTally {
  const goesOn = since.accepted === 0
  return {
    id: since.id,
    accepted: before.accepted + since.accepted,
    repeated: before.repeated + since.repeated,
    refused: before.refused + since.refused,
    lastAcceptedAt: since.lastAcceptedAt ?? before.lastAcceptedAt,
    lastRefusedAt: since.lastRefusedAt ?? before.lastRefusedAt,
    inARow: since.inARow + (goesOn ? before.inARow : 0),
    inARowSince: goesOn ? (before.inARowSince ?? since.inARowSince) : since.inARowSince,
    lastReason: since.lastReason ?? before.lastReason,
  }
}
