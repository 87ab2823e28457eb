import { parseIdCursor } from '../http/paging.ts'
import type { Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { parseUuid, type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { planByIndexes } from '../platform/sql.ts'
import type { DeliveryKey } from './candidates-store.ts'
import {
  type DeliveryRow,
  type DeliverySelection,
  type KeyPage,
  type Look,
  readDeadKeys,
  readDeliveries,
  readEndedKeys,
  readOwedKeys,
} from './deliveries-store.ts'

export type { DeliveryKey }

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

/**
 * What one request reads at the most, whatever the tables hold: rows of which nothing but the key is looked at, and
 * deliveries that are read with their log. The statement that passes a bound is the last one.
 */
export const deliveryBounds = {
  rows: 1_000_000,
  rowsAtOnce: 50_000,
  deliveries: 20_000,
  deliveriesAtOnce: 1000,
} as const

/** Sorts above every delivery. */
const top: DeliveryKey = {
  webhookId: 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid, // canonical as it stands
  subscriptionId: 0,
}

/**
 * Deliveries, those of the newest events first. One request reads a bounded number of rows, whatever the filters leave: so a
 * page can be short or even empty, and `next` says where to go on.
 */
export async function listDeliveries(
  database: Database,
  reach: Reach,
  query: DeliveryQuery,
  limit: number,
  after?: DeliveryKey,
): Promise<Deliveries> {
  const until = topOf(query)
  const before = after === undefined || compare(until, after) < 0 ? until : after
  const sources = sourcesOf(query)
  const selection = selectionOf(query, reach)
  const read = await database.transaction(async tx => {
    await planByIndexes(tx)
    const parts: ReadSource[] = []
    for (const source of sources) parts.push(await readUpTo(tx, source, selection, before, limit))
    return parts
  })
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

/** A table in which deliveries of some states are found. */
interface Source {
  readonly states: readonly DeliveryState[]
  readonly readKeys: (tx: Queryable, selection: DeliverySelection, look: Look) => Promise<KeyPage>
}

/** The narrowest ways to what is asked for. */
function sourcesOf({ states }: DeliveryQuery): readonly Source[] {
  const ended = states.filter(state => state !== 'pending')
  const isDead = ended.every(state => state === 'failed')
  return [
    ...(states.includes('pending') ? [{ states: ['pending'] as const, readKeys: readOwedKeys }] : []),
    ...(ended.length > 0 ? [{ states: ended, readKeys: isDead ? readDeadKeys : readEndedKeys }] : []),
  ]
}

interface ReadSource {
  readonly rows: readonly DeliveryRow[]
  /** The last that was looked at, where there may be more behind it. */
  readonly stopped: DeliveryKey | undefined
}

/** Reads until there are more than `limit`, or a bound is passed: few rows first, as most pages need no more. */
async function readUpTo(
  tx: Queryable,
  { states, readKeys }: Source,
  selection: DeliverySelection,
  from: DeliveryKey,
  limit: number,
): Promise<ReadSource> {
  const { tenant, subscriptionId, errorClass } = selection
  const isNarrow = tenant !== null || subscriptionId !== null || errorClass !== null
  const rows: DeliveryRow[] = []
  let [before, looked, described] = [from, 0, 0]
  for (let keysMax = Math.min(limit + 1, deliveryBounds.deliveriesAtOnce); ; ) {
    const rowsMax = isNarrow ? deliveryBounds.rowsAtOnce : keysMax
    const look = { before, rowsMax, keysMax, loggedFrom: loggedFrom(selection.from) }
    const { keys, looked: more, end } = await readKeys(tx, selection, look)
    const oldest = keys.at(-1)
    const found = oldest ? await readDeliveries(tx, keys, loggedFrom(oldest.webhookId)) : []
    rows.push(
      ...found.filter(
        row => states.includes(row.state) && (errorClass === null || row.error_class === errorClass),
      ),
    )
    if (end === undefined) return { rows, stopped: undefined }
    before = end
    looked += more
    described += keys.length
    if (rows.length > limit || looked >= deliveryBounds.rows || described >= deliveryBounds.deliveries) break
    keysMax = deliveryBounds.deliveriesAtOnce
  }
  return { rows, stopped: before }
}

export function selectionOf(query: DeliveryQuery, reach: Reach): DeliverySelection {
  return {
    tenant: reach.tenant,
    subscriptionId: query.subscriptionId ?? null,
    errorClass: query.errorClass ?? null,
    from: uuidLowerBound(query.since ?? 0),
  }
}

/** Where the newest of what is asked for begin. */
export function topOf({ until }: DeliveryQuery): DeliveryKey {
  return until === undefined ? top : { webhookId: uuidLowerBound(until), subscriptionId: 0 }
}

export function keyOf(row: DeliveryRow): DeliveryKey {
  return { webhookId: row.webhook_id, subscriptionId: row.subscription_id }
}

export function compare(one: DeliveryKey, other: DeliveryKey): number {
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
  const [id = '', subscription = '', ...rest] = text.split('/')
  const [webhookId, subscriptionId] = [parseUuid(id), parseIdCursor(subscription)]
  if (webhookId === undefined || subscriptionId === undefined || rest.length > 0) return undefined
  return { webhookId, subscriptionId }
}
