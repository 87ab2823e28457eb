import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import { tryNow } from '../lanes/try-now.ts'
import type { Caller, Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidTime, uuidV7Source } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import {
  type DeliveryKey,
  type ReplayableEvent,
  readCandidates,
  readFirstScheduled,
  readLastAttempts,
  readReplayableEvent,
} from './candidates-store.ts'
import { frozenAt, type ReplayFilter, type Selection, selectionOf } from './filter.ts'
import { notTriedNow } from './not-tried-now.ts'
import { oweAgain } from './owe-store.ts'
import type { ReplayAnswer } from './schema.ts'
import { endReplay, insertReplay, listReplays, lockOpenReplay, type ReplayRow, readReplay } from './store.ts'

/** The notice that a replay was made: processes look for what there is to do. */
export const replayNotice = { channel: 'replays', parse: (id: string) => id } as const

export interface ReplaysDeps {
  readonly database: Database
  readonly clock: Clock
  /** Events that are older may leave with their partition at any time. */
  readonly retentionMs: number
  /** How long a tenant keeps its events, where that is not as for all. */
  readonly keptMs?: (tenant: string) => number | undefined
}

/** How long a count that someone waits for may take. */
const countMsMax = 20_000
/** Deliveries looked at in one statement of a count. */
const countRows = 10_000
/** A replay begins no delivery whose event may be dropped before it is owed. */
const dropMarginMs = 60_000

export const firstKey: DeliveryKey = { webhookId: uuidLowerBound(0), subscriptionId: 0 }

/** Sends again what was sent before: one event at once, or many in the background. */
export class Replays {
  readonly #deps: ReplaysDeps
  readonly #newId: () => Uuid
  #onMade: () => void = () => {}

  constructor(deps: ReplaysDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /** Some process has made a replay: whoever runs them is told. */
  noticed(): void {
    this.#onMade()
  }

  /** Sets who is told that there is something to run. */
  onMade(listener: () => void): void {
    this.#onMade = listener
  }

  /**
   * Owes an event again to its subscriptions, or to some of them, due now. Those that it is still owed to are left alone:
   * it comes anyway.
   *
   * @returns how many deliveries are owed now that were not
   * @throws AppError not_found; payload_expunged; validation_failed for subscriptions that the event was not for
   */
  async replayEvent(
    { actor, reach }: Caller,
    webhookId: Uuid,
    subscriptionIds?: readonly number[],
  ): Promise<number> {
    const { database } = this.#deps
    const event = await this.#eventOf(reach, webhookId)
    // One that was scheduled is kept as if it had been accepted when it was due.
    const keptSince = Math.max(uuidTime(webhookId), event.deliverAt?.getTime() ?? 0)
    if (keptSince < this.#keptFrom(event.tenant)) throw unknownEvent(webhookId)
    if (event.isExpunged) {
      throw new AppError(
        'payload_expunged',
        'The payload of this event was removed, so it cannot be sent again.',
      )
    }
    refuseForeign(event, subscriptionIds)
    return database.transaction(async tx => {
      const last = await readLastAttempts(tx, webhookId, loggedFrom(webhookId))
      const ids = [...new Set(subscriptionIds ?? event.subscriptionIds)]
      const candidates = ids.map(subscriptionId => {
        const attempt = last.get(subscriptionId) ?? 0
        return { webhookId, subscriptionId, sizeBytes: event.sizeBytes, attempt }
      })
      const deliveries = await oweAgain(tx, candidates, 'manual', null)
      await recordChange(tx, actor, {
        ...{ action: 'event.replayed', subjectId: webhookId, tenant: event.tenant },
        changes: differences(undefined, { subscription_ids: subscriptionIds ?? null, deliveries }),
      })
      return deliveries
    })
  }

  /**
   * Tries deliveries of an event at once that wait for their retry: all of them, or those to some subscriptions. What is due
   * already, or is being sent, goes on and is not counted.
   *
   * @returns how many are tried now that would have waited
   * @throws AppError not_found; validation_failed for subscriptions that the event was not for; not_tried_now where one of
   *   those that are named, or all of them, cannot be: nothing is changed then
   */
  async tryNow(
    { actor, reach }: Caller,
    webhookId: Uuid,
    subscriptionIds?: readonly number[],
  ): Promise<number> {
    const event = await this.#eventOf(reach, webhookId)
    refuseForeign(event, subscriptionIds)
    const ids = [...new Set(subscriptionIds ?? event.subscriptionIds)]
    return this.#deps.database.transaction(async tx => {
      const isNamed = subscriptionIds !== undefined
      const { count, obstacles } = await tryNow(tx, webhookId, ids, isNamed)
      if (isNamed ? obstacles.size > 0 : obstacles.size === ids.length) throw notTriedNow(ids, obstacles)
      if (count > 0) {
        await recordChange(tx, actor, {
          ...{ action: 'event.tried_now', subjectId: webhookId, tenant: event.tenant },
          changes: differences(undefined, { subscription_ids: subscriptionIds ?? null, deliveries: count }),
        })
      }
      return count
    })
  }

  /** @throws AppError not_found */
  async #eventOf(reach: Reach, webhookId: Uuid): Promise<ReplayableEvent> {
    const event = await readReplayableEvent(this.#deps.database, webhookId)
    if (event === undefined || !reach.has(event.tenant)) throw unknownEvent(webhookId)
    return event
  }

  /**
   * Counts what a filter matches now.
   *
   * @throws AppError overloaded when that takes longer than a request may
   */
  async count({ reach }: Caller, filter: ReplayFilter): Promise<number> {
    const until = performance.now() + countMsMax
    const { database } = this.#deps
    const selection = await withoutGone(database, this.selection(filter, reach))
    const { count, isDone } = await countCandidates(database, selection, () => performance.now() < until)
    if (isDone) return count
    throw new AppError(
      'overloaded',
      'There is more in this range of time than can be counted while you wait. Narrow since and until; a replay without dry_run counts in the background.',
    )
  }

  /**
   * Makes a replay, that then runs in the background. It is of events that were accepted before now.
   *
   * @param sincePointer where the caller has said `since`
   * @throws AppError validation_failed
   */
  async create(
    { actor, reach }: Caller,
    filter: ReplayFilter,
    ratePerSecond: number | undefined,
    sincePointer?: string,
  ): Promise<ReplayAnswer> {
    const { database, clock } = this.#deps
    const frozen = frozenAt(filter, clock.now(), sincePointer)
    selectionOf(frozen)
    const row = await database.transaction(async tx => {
      const replay = { id: this.#newId(), tenant: reach.tenant, filter: frozen }
      const made = await insertReplay(tx, { ...replay, rate_per_second: ratePerSecond ?? null })
      await recordChange(tx, actor, {
        ...{ action: 'replay.created', subjectId: made.id, tenant: made.tenant },
        changes: differences(undefined, { filter: made.filter, rate_per_second: made.rate_per_second }),
      })
      return made
    })
    return replayAnswer(row)
  }

  async list(reach: Reach, before: Uuid, limit: number): Promise<readonly ReplayAnswer[]> {
    return (await listReplays(this.#deps.database, reach.tenant, before, limit)).map(replayAnswer)
  }

  async read(reach: Reach, id: Uuid): Promise<ReplayAnswer | undefined> {
    const row = await readReplay(this.#deps.database, reach.tenant, id)
    return row && replayAnswer(row)
  }

  /**
   * Queues nothing more. What it has queued is delivered all the same. One that has ended already stays as it is.
   *
   * @returns undefined when there is none
   */
  async cancel({ actor, reach }: Caller, id: Uuid): Promise<ReplayAnswer | undefined> {
    return this.#deps.database.transaction(async tx => {
      const row = await readReplay(tx, reach.tenant, id)
      if (row === undefined) return undefined
      if ((await lockOpenReplay(tx, id)) !== undefined) {
        await endReplay(tx, id, 'cancelled')
        await recordChange(tx, actor, { action: 'replay.cancelled', subjectId: id, tenant: row.tenant })
      }
      const now = await readReplay(tx, reach.tenant, id)
      return now && replayAnswer(now)
    })
  }

  /** Of a tenant; null: of all, so not of what some keep for longer. Unix milliseconds. */
  #keptFrom(tenant: string | null): number {
    const { clock, retentionMs, keptMs } = this.#deps
    const own = tenant === null ? undefined : keptMs?.(tenant)
    return clock.now() - (own ?? retentionMs) + dropMarginMs
  }

  /** What a filter selects for someone with this reach, of what retention does not take meanwhile. */
  selection(filter: ReplayFilter, reach: Reach): Selection {
    const selection = selectionOf(filter)
    const tenant = reach.tenant ?? selection.tenant
    return { ...selection, tenant, kept: uuidLowerBound(this.#keptFrom(tenant)) }
  }
}

/** @throws AppError validation_failed for subscriptions that the event was not for */
function refuseForeign(event: ReplayableEvent, subscriptionIds: readonly number[] = []): void {
  const matched = new Set(event.subscriptionIds)
  const foreign = subscriptionIds.findIndex(id => !matched.has(id))
  if (foreign < 0) return
  throw validationFailed([
    {
      pointer: `/subscription_ids/${foreign}`,
      detail: 'The event was not for this subscription, so it cannot be sent to it again.',
    },
  ])
}

/** The same selection, that begins where something may match: so what is gone is not looked at, of which the log may know much. */
export async function withoutGone(db: Queryable, selection: Selection): Promise<Selection> {
  const { from, kept } = selection
  return from >= kept ? selection : { ...selection, from: (await readFirstScheduled(db, selection)) ?? kept }
}

/** How far a count has come. */
export interface Counted {
  readonly count: number
  readonly after: DeliveryKey
  readonly isDone: boolean
}

export const nothingCounted: Counted = { count: 0, after: firstKey, isDone: false }

/** Counts the deliveries that match, page by page, for as long as it may go on; from where another count has stopped. */
export async function countCandidates(
  db: Queryable,
  selection: Selection,
  mayGoOn: () => boolean,
  { count, after }: Counted = nothingCounted,
): Promise<Counted> {
  while (mayGoOn()) {
    const page = await readCandidates(db, selection, after, loggedFrom(selection.from), countRows)
    count += page.matching.length
    if (page.last === undefined) return { count, after, isDone: true }
    after = page.last
  }
  return { count, after, isDone: false }
}

export function replayAnswer(row: ReplayRow): ReplayAnswer {
  const { id, state, total, queued, delivered, failed, skipped, gone, filter } = row
  return {
    ...{ id, state, total, queued, delivered, failed, skipped, gone },
    rate_per_second: row.rate_per_second,
    created_at: row.created_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
    filter,
  }
}

function unknownEvent(webhookId: Uuid): AppError {
  return new AppError(
    'not_found',
    `There is no event ${webhookId}, or its retention is over and it was removed.`,
  )
}
