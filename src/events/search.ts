import { eventWithName } from '../ingest/once.ts'
import type { Reach } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import { tenantOf } from '../monitor/monitor.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { planByIndexes } from '../platform/sql.ts'
import { summariesOf } from './counts.ts'
import type { EventState, EventSummary } from './schema.ts'
import {
  type EventRow,
  type IdRange,
  type Look,
  type RowConditions,
  readByIds,
  readCarriedWithName,
  readEndOfLook,
  readFailedIds,
  readIsIndexed,
  readNewest,
  readOwingIds,
} from './store.ts'

/** What events are searched for; what is left out is not asked about. */
export interface EventQuery {
  readonly eventType?: string | undefined
  readonly status?: EventState | undefined
  readonly subscriptionId?: number | undefined
  readonly channel?: string | undefined
  readonly eventId?: string | undefined
  readonly idempotencyKey?: string | undefined
  /** Accepted at that moment or later, and before that one (Unix milliseconds). */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** What the type begins with. */
  readonly eventTypePrefix?: string | undefined
  /** These events and no others. */
  readonly ids?: readonly Uuid[] | undefined
}

export interface EventPage {
  readonly events: readonly EventSummary[]
  /** The id below which the next page begins; undefined: this was the last one. */
  readonly next: Uuid | undefined
}

/**
 * What one request reads at the most, whatever the tables hold: rows of events that are looked at (the look that passes
 * the bound is the last one), events whose deliveries are counted, and these deliveries.
 */
export const searchBounds = {
  rows: 50_000,
  rowsOfLook: 10_000,
  idsOfLook: 2000,
  counted: 2000,
  deliveries: 20_000,
} as const
type Bounds = Readonly<Record<keyof typeof searchBounds, number>>

const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

/** Searches events. One for a process: it remembers that the indexes are complete. */
export class EventSearch {
  readonly #database: Database
  readonly #bounds: Bounds
  #isIndexed = false

  constructor(database: Database, bounds: Bounds = searchBounds) {
    this.#database = database
    this.#bounds = bounds
  }

  /**
   * Events within a reach, newest first. A page ends at its limit, or where the request has read its share: then it has
   * fewer events than asked for, possibly none, and says where to go on.
   *
   * @param before the id to begin below
   */
  async page(reach: Reach, query: EventQuery, limit: number, before: Uuid = lastId): Promise<EventPage> {
    const tenant = reach.tenant ?? (await this.#tenantOf(query))
    if (tenant === undefined) return { events: [], next: undefined }
    const isIndexed = await this.#indexed()
    const until = query.until === undefined ? lastId : uuidLowerBound(query.until)
    const range = {
      from: uuidLowerBound(query.since ?? 0),
      before: until < before ? until : before,
    }
    return this.#database.transaction(async tx => {
      await planByIndexes(tx)
      const named = await idsOfNames(tx, tenant, query)
      const source = sourceOf(tx, { query: named ?? query, tenant, isIndexed, bounds: this.#bounds })
      return fillPage(tx, source, range, query.status, limit, this.#bounds)
    })
  }

  /** Events go to subscriptions of their own tenant only. Undefined: nobody knows that subscription. */
  async #tenantOf({ subscriptionId }: EventQuery): Promise<string | null | undefined> {
    return subscriptionId === undefined ? null : tenantOf(this.#database, subscriptionId)
  }

  async #indexed(): Promise<boolean> {
    this.#isIndexed ||= await readIsIndexed(this.#database)
    return this.#isIndexed
  }
}

/**
 * Where one tenant's event is named, the query for its id: found by the index of names, or, what has outlived it, among the
 * few that were carried over. Undefined: it has to be looked for.
 */
async function idsOfNames(
  tx: Queryable,
  tenant: string | null,
  query: EventQuery,
): Promise<EventQuery | undefined> {
  const { eventId, idempotencyKey, ids } = query
  if (tenant === null || ids !== undefined || (eventId === undefined && idempotencyKey === undefined))
    return undefined
  const found = await eventWithName(tx, tenant, { eventId, idempotencyKey })
  const carried = await readCarriedWithName(tx, tenant, eventId ?? null, idempotencyKey ?? null)
  return { ...query, ids: [...new Set(found === undefined ? carried : [found, ...carried])] }
}

/** Some rows that may be wanted, newest first, and the last id that was looked at; undefined: there are no more. */
interface Found {
  readonly rows: readonly EventRow[]
  readonly end: Uuid | undefined
}

/** Where the rows come from: the narrowest way to what is asked for. */
interface Source {
  /** How many rows a look goes through at the most. */
  readonly size: number
  /** @param rowsMax as many are read at the most */
  look(range: IdRange, rowsMax: number): Promise<Found>
}

interface Asked {
  readonly query: EventQuery
  readonly tenant: string | null
  readonly isIndexed: boolean
  readonly bounds: Bounds
}

function sourceOf(db: Queryable, asked: Asked): Source {
  const { query, isIndexed, bounds } = asked
  const wanted = conditionsOf(asked)
  if (query.ids !== undefined) return listed(db, query.ids, wanted)
  const { idsOfLook: size } = bounds
  const byIds = async (ids: readonly Uuid[], isAll: boolean): Promise<Found> => ({
    rows: await readByIds(db, ids, wanted),
    end: isAll ? undefined : ids.at(-1),
  })
  switch (query.status) {
    case 'pending':
      return {
        size,
        async look(range) {
          const ids = await readOwingIds(db, range, size)
          return byIds(ids, ids.length < size)
        },
      }
    case 'failed':
      if (!isIndexed) return newest(db, asked, wanted)
      return {
        size,
        async look(range) {
          const { ids, isAll } = await readFailedIds(db, range, loggedFrom(range.from), bounds.rowsOfLook)
          const some = ids.slice(0, size)
          return byIds(some, isAll && some.length === ids.length)
        },
      }
    case 'success':
    case 'cancelled':
    case 'unmatched':
    case undefined:
      return newest(db, asked, wanted)
  }
}

/** The rows themselves, newest first. */
function newest(db: Queryable, { tenant, isIndexed, bounds }: Asked, wanted: RowConditions): Source {
  const isNarrow = isIndexed && tenant !== null && tenant !== 'default'
  const rest = isNarrow ? { ...wanted, tenant: null } : wanted
  const isAnyRow = Object.values(rest).every(value => value === null)
  return {
    size: bounds.rowsOfLook,
    async look(range, rowsMax) {
      const indexedTenant = isNarrow ? tenant : null
      const at: Look = { range, indexedTenant, rowsMax: isAnyRow ? rowsMax : bounds.rowsOfLook }
      const rows = await readNewest(db, at, rest, rowsMax)
      const last = rows.at(-1)?.webhook_id
      if (rows.length >= rowsMax) return { rows, end: last }
      if (isAnyRow) return { rows, end: undefined }
      const end = await readEndOfLook(db, at)
      // An event that was accepted between the two statements has moved the end: what was read already is not read again.
      return { rows, end: end !== undefined && last !== undefined && last < end ? last : end }
    },
  }
}

function listed(db: Queryable, ids: readonly Uuid[], wanted: RowConditions): Source {
  return {
    size: ids.length,
    async look({ from, before }) {
      const within = ids.filter(id => from <= id && id < before)
      return { rows: await readByIds(db, within, wanted), end: undefined }
    },
  }
}

function conditionsOf({ query, tenant }: Asked): RowConditions {
  const { status } = query
  const isMatched = status === undefined ? null : status !== 'unmatched'
  return {
    tenant,
    eventType: query.eventType ?? null,
    eventTypePrefix: query.eventTypePrefix ?? null,
    subscriptionId: query.subscriptionId ?? null,
    channel: query.channel ?? null,
    eventId: query.eventId ?? null,
    idempotencyKey: query.idempotencyKey ?? null,
    isMatched,
  }
}

/** Rows whose deliveries are counted with one statement. */
const countedAtOnce = 250

async function fillPage(
  db: Queryable,
  source: Source,
  range: IdRange,
  status: EventState | undefined,
  limit: number,
  bounds: Bounds,
): Promise<EventPage> {
  const events: EventSummary[] = []
  const left = { rows: bounds.rows, counted: bounds.counted, deliveries: bounds.deliveries }
  for (let { before } = range; ; ) {
    const rowsMax = status === undefined ? limit + 1 - events.length : countedAtOnce
    const found = await source.look({ ...range, before }, rowsMax)
    for (let rest = withoutCarriedTwice(found.rows); rest.length > 0; ) {
      if (left.counted <= 0 || left.deliveries <= 0) return { events, next: before }
      const some = rest.slice(0, fitting(rest, left.deliveries))
      rest = rest.slice(some.length)
      for (const event of await summariesOf(db, some)) {
        if (status !== undefined && event.status !== status) continue
        if (events.length === limit) return { events, next: events.at(-1)?.webhook_id }
        events.push(event)
      }
      left.counted -= some.length
      left.deliveries -= fanOutOf(some)
      before = some.at(-1)?.webhook_id ?? before
    }
    if (found.end === undefined) return { events, next: undefined }
    before = found.end
    left.rows -= source.size
    if (left.rows <= 0) return { events, next: before }
  }
}

/** How many of the first rows are counted together: as many as have `deliveries`, and one at least. */
function fitting(rows: readonly EventRow[], deliveries: number): number {
  let sum = 0
  const tooMany = rows.findIndex(row => {
    sum += row.fan_out
    return sum > deliveries
  })
  return Math.min(countedAtOnce, tooMany === -1 ? rows.length : Math.max(1, tooMany))
}

function fanOutOf(rows: readonly EventRow[]): number {
  return rows.reduce((sum, row) => sum + row.fan_out, 0)
}

/** One that was carried over is in two tables until its partition is dropped, the carried row last. */
function withoutCarriedTwice(rows: readonly EventRow[]): readonly EventRow[] {
  return rows.filter((row, index) => rows[index - 1]?.webhook_id !== row.webhook_id)
}
