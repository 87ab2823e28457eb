import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import { endOwedOfEvents } from '../lanes/end-owed.ts'
import type { Caller, Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { type Batch, besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database, Queryable } from '../platform/postgres.ts'
import { forgetRequestsOf } from '../test-receivers/of-events.ts'
import {
  addExpunged,
  deleteDetailsOf,
  deleteEndedExpungesOf,
  type ExpungeRow,
  endExpunge,
  expungePayloads,
  hasExpunges,
  insertExpunge,
  listExpunges,
  notifyExpunged,
  readEventsBefore,
  readExpunge,
  readOpenExpunges,
} from './expunge-store.ts'

/** The notice that an expunging was made: processes look for what there is to do. */
export const expungeNotice = { channel: 'expunges', parse: (id: string) => id } as const

/** The notice that payloads were expunged: processes read again what they have in memory. */
export const expungedNotice = { channel: 'expunged', parse: () => true } as const

export interface ExpungesDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** An expunging as the API shows it. */
export interface ExpungeAnswer {
  readonly id: string
  readonly tenant: string | null
  readonly before: string
  readonly state: 'running' | 'done'
  readonly events: number
  readonly deliveries: number
  readonly created_at: string
  readonly finished_at: string | null
}

/** How long a count that someone waits for may take, and the events that it looks at in one statement. */
const count = { msMax: 20_000, rows: 10_000 } as const
/** Owed rows that end with one statement. */
const endedMax = 1000
/** Below every id. */
const first = uuidLowerBound(0)

export const expungedReason = 'the payload was expunged'

/**
 * Takes out of events what they hold: their payloads, what attempts have kept of them, and what test receivers got of them. The
 * events and their log stay.
 */
export class Expunges {
  readonly #deps: ExpungesDeps
  readonly #newId: () => Uuid
  #onMade: () => void = () => {}
  #onTakenOut: () => void = () => {}

  constructor(deps: ExpungesDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /** Some process has made one: whoever runs them is told. */
  noticed(): void {
    this.#onMade()
  }

  /** Sets who is told that there is something to run. */
  onMade(listener: () => void): void {
    this.#onMade = listener
  }

  /** Payloads were expunged, by some process or this one. */
  takenOut(): void {
    this.#onTakenOut()
  }

  /** Sets who is told that payloads were expunged. */
  onTakenOut(listener: () => void): void {
    this.#onTakenOut = listener
  }

  /**
   * Makes an expunging, which then runs in the background.
   *
   * @param before Unix milliseconds
   * @throws AppError validation_failed for a time to come
   */
  async create({ actor, reach: { tenant } }: Caller, before: number): Promise<ExpungeAnswer> {
    this.#check(before)
    const row = await this.#deps.database.transaction(async tx => {
      const made = await insertExpunge(tx, { id: this.#newId(), tenant, before: new Date(before) })
      await recordChange(tx, actor, {
        ...{ action: 'event.expunged', subjectId: null, tenant },
        changes: differences(undefined, { expunge: made.id, before: made.before.toISOString() }),
      })
      return made
    })
    return answerOf(row)
  }

  /**
   * Counts the events whose payload would be removed.
   *
   * @throws AppError validation_failed; overloaded when that takes longer than a request may
   */
  async count({ tenant }: Reach, before: number): Promise<number> {
    this.#check(before)
    const until = performance.now() + count.msMax
    const below = uuidLowerBound(before)
    let found = 0
    for (let after = first; performance.now() < until; ) {
      const page = await readEventsBefore(this.#deps.database, tenant, { after, below, limit: count.rows })
      found += page.own.filter(({ isExpunged }) => !isExpunged).length
      if (page.last === undefined || page.rows < count.rows) return found
      after = page.last
    }
    throw new AppError(
      'overloaded',
      'There are more events before then than can be counted while you wait. Without dry_run they are expunged in the background, and counted.',
    )
  }

  async list(reach: Reach, before: Uuid, limit: number): Promise<readonly ExpungeAnswer[]> {
    return (await listExpunges(this.#deps.database, reach.tenant, before, limit)).map(answerOf)
  }

  async read(reach: Reach, id: Uuid): Promise<ExpungeAnswer | undefined> {
    const row = await readExpunge(this.#deps.database, reach.tenant, id)
    return row && answerOf(row)
  }

  /**
   * Runs all that there are, in one process at a time. It can be cut off anywhere: a step that is done again finds the
   * payloads gone, and ends what is still owed.
   *
   * @returns false when another process is at it
   */
  async run(signal: AbortSignal): Promise<boolean> {
    const { database, logger } = this.#deps
    if ((await readOpenExpunges(database)).length === 0) return true
    return besideThePath(database, 'expunge', async session => {
      if (!(await tryLockForSession(session, 'expunge'))) return false
      for (;;) {
        const [open] = await readOpenExpunges(session)
        if (open === undefined || signal.aborted) return true
        const options = { name: `expunging ${open.id}`, logger, signal }
        const { isDone } = await inBatches<Uuid>(options, open.after_webhook_id ?? first, (after, limit) =>
          this.#step(session, open, after, limit),
        )
        if (isDone) await endExpunge(session, open.id)
      }
    })
  }

  async #step(session: Connection, row: ExpungeRow, after: Uuid, limit: number): Promise<Batch<Uuid>> {
    const below = uuidLowerBound(row.before.getTime())
    const page = await readEventsBefore(session, row.tenant, { after, below, limit })
    const ids = page.own.map(({ webhookId }) => webhookId)
    if (ids.length > 0) {
      await session.transaction(async tx => {
        await addExpunged(tx, row.id, { events: await takeOut(tx, ids) })
      })
      this.takenOut()
      // In the transaction that ends them, so that the count is right whenever this process is killed.
      const end = () =>
        session.transaction(async tx => {
          const deliveries = await endSomeOwed(tx, ids)
          if (deliveries > 0) await addExpunged(tx, row.id, { deliveries })
          return deliveries
        })
      while ((await end()) > 0);
    }
    if (page.last !== undefined) await addExpunged(session, row.id, { after: page.last })
    return { rows: page.rows, last: page.last }
  }

  #check(before: number): void {
    if (before <= this.#deps.clock.now()) return
    const detail = 'Give a time that is past: what is accepted from now on is not expunged.'
    throw validationFailed([{ pointer: '/before', detail }])
  }
}

/**
 * Empties the payloads of events, and removes what was kept of their attempts and by test receivers. All processes are told
 * when it is committed.
 *
 * @param ids in their order
 * @returns how many payloads were there
 */
export async function takeOut(tx: Queryable, ids: readonly Uuid[]): Promise<number> {
  const [oldest] = ids
  if (oldest === undefined) return 0
  const expunged = await expungePayloads(tx, ids)
  await deleteDetailsOf(tx, ids, loggedFrom(oldest))
  await forgetRequestsOf(tx, ids)
  await notifyExpunged(tx)
  return expunged
}

/**
 * Ends what is still owed of events. In short statements: an event can be owed to ten thousand subscriptions. Whatever a
 * crash leaves of it ends the same way when its turn comes, because a payload that was expunged is not sent.
 */
export async function endOwed(db: Queryable, ids: readonly Uuid[]): Promise<void> {
  while ((await endSomeOwed(db, ids)) > 0);
}

function endSomeOwed(db: Queryable, ids: readonly Uuid[]): Promise<number> {
  return endOwedOfEvents(db, ids, expungedReason, endedMax)
}

function answerOf(row: ExpungeRow): ExpungeAnswer {
  const { id, tenant, state, events, deliveries } = row
  return {
    ...{ id, tenant, before: row.before.toISOString(), state, events, deliveries },
    created_at: row.created_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  }
}

/** Removes up to `limit` expungings of a deleted tenant that have ended; the others end by themselves. */
export async function deleteSomeExpungesOf(
  session: Queryable,
  tenant: string,
  limit: number,
): Promise<Batch<number>> {
  const rows = await deleteEndedExpungesOf(session, tenant, limit)
  return { rows, last: rows > 0 ? 0 : undefined }
}

/** Whether a tenant has expungings. */
export function hasExpungesOf(session: Queryable, tenant: string): Promise<boolean> {
  return hasExpunges(session, tenant)
}
