import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { endOwed } from '../lanes/end-owed.ts'
import type { Caller, Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import {
  type DeliveryPage,
  type DeliveryRow,
  type DeliverySelection,
  endDeadLetters,
  readEndedDeliveries,
  readOwedDeliveries,
} from './deliveries-store.ts'
import type { DeliveryKey } from './store.ts'

export const deliveryStates = ['pending', 'failed', 'success', 'cancelled'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** Which deliveries a caller asks for. */
export interface DeliveryQuery {
  readonly states: readonly DeliveryState[]
  readonly subscriptionId?: number | undefined
  readonly errorClass?: string | undefined
  /** Of the acceptance of their events (Unix milliseconds). */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

/** A page of deliveries. It may be shorter than asked for, though there are more. */
export interface Deliveries {
  readonly rows: readonly DeliveryRow[]
  /** Where the next page begins; undefined: there is none. */
  readonly next: DeliveryKey | undefined
}

/** Deliveries that one request looks at, at most. */
const lookMax = 10_000
/** In one statement. */
const lookRows = 1000

/** Sorts above every delivery. */
const top: DeliveryKey = {
  webhookId: 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid, // canonical as it stands
  subscriptionId: 0,
}

/**
 * Deliveries, those of the newest events first. One request looks at a bounded number of them, whatever the filters leave:
 * so a page can be short or even empty, and `next` says where to go on.
 */
export async function listDeliveries(
  database: Database,
  reach: Reach,
  query: DeliveryQuery,
  limit: number,
  after?: DeliveryKey,
): Promise<Deliveries> {
  const before = after ?? topOf(query)
  const ended = query.states.filter(state => state !== 'pending')
  const selection = selectionOf(query, reach)
  const sources: Source[] = []
  if (query.states.includes('pending')) {
    sources.push(key => readOwedDeliveries(database, selection, key, loggedFrom(selection.from), lookRows))
  }
  if (ended.length > 0) {
    sources.push(key =>
      readEndedDeliveries(database, selection, ended, key, loggedFrom(selection.from), lookRows),
    )
  }
  const read = await Promise.all(sources.map(source => readUpTo(source, before, limit)))
  // Below where one source has stopped, its deliveries are not known yet.
  const floor = read.flatMap(({ stopped }) => stopped ?? []).reduce<DeliveryKey | undefined>(later, undefined)
  const rows = read
    .flatMap(({ rows: found }) => found)
    .filter(row => floor === undefined || compare(keyOf(row), floor) >= 0)
    .sort((one, other) => compare(keyOf(other), keyOf(one)))
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { rows: page, next: rows.length > limit && last ? keyOf(last) : floor }
}

/**
 * Ends all that the query matches now as cancelled, a thousand at a time, each with an entry in the audit log.
 *
 * @param mayGoOn asked between two batches
 * @returns how many, and whether that was all
 */
export async function discardDeliveries(
  database: Database,
  { actor, reach }: Caller,
  query: DeliveryQuery,
  isDryRun: boolean,
  mayGoOn: () => boolean,
): Promise<{ readonly count: number; readonly isDone: boolean }> {
  let count = 0
  let after: DeliveryKey | undefined
  while (mayGoOn()) {
    const { rows, next } = await listDeliveries(database, reach, query, lookRows, after)
    if (isDryRun) count += rows.length
    else {
      count += await database.transaction(async tx => {
        const discarded = await endAll(tx, rows)
        await recordChange(tx, actor, {
          ...{ action: 'delivery.discarded', subjectId: null, tenant: reach.tenant },
          changes: differences(undefined, { ...query, discarded }),
        })
        return discarded
      })
    }
    if (next === undefined) return { count, isDone: true }
    after = next
  }
  return { count, isDone: false }
}

/** What has changed since it was listed is left as it is. */
async function endAll(tx: Queryable, rows: readonly DeliveryRow[]): Promise<number> {
  const keysIn = (wanted: DeliveryState) => rows.filter(({ state }) => state === wanted).map(keyOf)
  const owed = await endOwed(tx, keysIn('pending'), 'discarded')
  const oldest = rows.at(-1)
  if (oldest === undefined) return owed
  return owed + (await endDeadLetters(tx, keysIn('failed'), 'discarded', loggedFrom(oldest.webhook_id)))
}

type Source = (before: DeliveryKey) => Promise<DeliveryPage>

interface ReadSource {
  readonly rows: readonly DeliveryRow[]
  /** The last that was looked at, where there may be more behind it. */
  readonly stopped: DeliveryKey | undefined
}

async function readUpTo(source: Source, from: DeliveryKey, limit: number): Promise<ReadSource> {
  const rows: DeliveryRow[] = []
  let before = from
  for (let looked = 0; looked < lookMax; looked += lookRows) {
    const page = await source(before)
    if (page.last === undefined) return { rows, stopped: undefined }
    rows.push(...page.rows)
    before = page.last
    if (rows.length > limit) break
  }
  return { rows, stopped: before }
}

function selectionOf(query: DeliveryQuery, reach: Reach): DeliverySelection {
  return {
    tenant: reach.tenant,
    subscriptionId: query.subscriptionId ?? null,
    errorClass: query.errorClass ?? null,
    from: uuidLowerBound(query.since ?? 0),
  }
}

function topOf({ until }: DeliveryQuery): DeliveryKey {
  return until === undefined ? top : { webhookId: uuidLowerBound(until), subscriptionId: 0 }
}

function keyOf(row: DeliveryRow): DeliveryKey {
  return { webhookId: row.webhook_id, subscriptionId: row.subscription_id }
}

function compare(one: DeliveryKey, other: DeliveryKey): number {
  if (one.webhookId !== other.webhookId) return one.webhookId < other.webhookId ? -1 : 1
  return one.subscriptionId - other.subscriptionId
}

function later(one: DeliveryKey | undefined, other: DeliveryKey): DeliveryKey {
  return one === undefined || compare(other, one) > 0 ? other : one
}

/** A key as a cursor has it. */
export function cursorOf({ webhookId, subscriptionId }: DeliveryKey): string {
  return `${webhookId}/${subscriptionId}`
}

export function parseCursor(text: string): DeliveryKey | undefined {
  const match = /^([0-9a-f-]{36})\/([0-9]{1,10})$/.exec(text)
  if (match === null) return undefined
  return { webhookId: match[1] as Uuid, subscriptionId: Number(match[2]) } // made by this list
}
