import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidV7Source } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { noteSourceRejecting } from '../system-facts/facts.ts'
import { Gathered } from './gathered.ts'
import { addTallies, type SourceTally } from './records-store.ts'
import type { RefusalRow } from './refusals-store.ts'

export interface RecordsDeps {
  readonly database: Database
  readonly clock: Clock
}

/** A request that was refused. */
export type Refusal = Omit<RefusalRow, 'id'>

/** From this number of refusals in a row on the owner of a source is told, and again after an hour at the earliest. */
export const tell = { refused: 5, againMs: 3_600_000 } as const

/** What comes to sources: counted, and what was refused kept (`Gathered`). */
export class SourceRecords {
  readonly #deps: RecordsDeps
  readonly #newId: () => Uuid
  readonly #gathered: Gathered<SourceTally>

  constructor(deps: RecordsDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
    this.#gathered = new Gathered({ ...deps, by: 'sources', write, added })
  }

  /** @param isRepeat the provider had sent it before */
  accepted(source: number, isRepeat: boolean): void {
    const before = this.#tallyOf(source)
    this.#gathered.count({
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
    this.#gathered.count({
      ...before,
      refused: before.refused + 1,
      lastRefusedAt: now,
      inARow: before.inARow + 1,
      inARowSince: before.inARowSince ?? now,
      lastReason: refusal.reason,
    })
    this.#gathered.keep({ ...refusal, of: source, id: this.#newId() })
  }

  /** Writes what was gathered. Where that fails, it is gathered further. */
  flush(): Promise<void> {
    return this.#gathered.flush()
  }

  /** Removes refused requests that are older than the log is kept. To be called from time to time. */
  removeOld(retentionMs: number, signal: AbortSignal): Promise<void> {
    return this.#gathered.removeOld(retentionMs, signal)
  }

  #tallyOf(id: number): SourceTally {
    return this.#gathered.tallyOf(id) ?? { id, ...nothing }
  }
}

/** First what locks sources: all processes lock them in one order. */
async function write(
  tx: Queryable,
  tallies: readonly SourceTally[],
  keep: () => Promise<void>,
): Promise<void> {
  for (const row of await addTallies(tx, tallies, tell)) {
    await noteSourceRejecting(tx, {
      ...{ tenant: row.tenant, sourceId: String(row.id), name: row.name, preset: row.preset },
      ...{ reason: row.last_reason, rejected: row.refused_in_a_row, since: row.refusing_since.getTime() },
    })
  }
  await keep()
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
