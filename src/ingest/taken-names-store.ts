import { int4Array, uuidArray } from '../platform/binary-array.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** One row of `taken_names`. */
export interface NamesRow {
  readonly webhookId: Uuid
  /** Hashes of the names (`names.ts`); null: it has no such name. */
  readonly idempotencyKey: Uuid | null
  readonly eventId: Uuid | null
  /** A hash of the whole request, with an Idempotency-Key only. */
  readonly request: Uuid | null
  readonly deliveries: number
}

/** Where names are taken now: in the period that begins at `current`, and in the one before it for a while (`NamePeriods`). */
export interface Periods {
  /** Unix milliseconds; the next, too. */
  readonly current: number
  readonly shared: number | null
}

/** Parameters of `takeNames`. */
export const namesParameters = 7

/**
 * Rows in the order of their names, so that two statements that take the same names do not wait for each other in a
 * circle.
 */
export function namesColumns(given: readonly NamesRow[], periods: Periods | undefined): readonly unknown[] {
  if (periods === undefined) throw new Error('names are taken in a period, and none was given')
  const { current, shared } = periods
  const rows = given.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  return [
    uuidArray(rows.map(row => row.webhookId)),
    uuidArray(rows.map(row => row.idempotencyKey)),
    uuidArray(rows.map(row => row.eventId)),
    uuidArray(rows.map(row => row.request)),
    int4Array(rows.map(row => row.deliveries)),
    uuidLowerBound(current),
    shared === null ? null : uuidLowerBound(shared),
  ]
}

function orderOf({ idempotencyKey, eventId }: NamesRow): string {
  return `${idempotencyKey ?? ''} ${eventId ?? ''}`
}

/**
 * CTEs that take the names of events, for a statement that writes these events. `refused (id)` has the events whose names
 * are taken already. The statement leaves out all rows of these (`isRefused`) and ends with `selectRefused`.
 *
 * What was taken before this statement began is found in any partition. What another statement takes at this moment is met
 * in a unique index: this one waits until the other ends. The rest of the statement reads `refused` by a sub-select, so all
 * names are taken before a lane is locked, and no two statements wait for each other in a circle.
 *
 * @param first the number of the first of its parameters (`namesColumns`)
 */
export function takeNames(first: number): string {
  const [ids, keys, eventIds, requests, deliveries, current, shared] = parametersFrom(first)
  const insertFree = (period: string, condition: string) => `
    insert into taken_names (period, idempotency_key, event_id, request, webhook_id, deliveries)
    select ${period}::uuid, key, event_id, request, id, deliveries from free where ${condition}
    on conflict do nothing
    returning webhook_id as id`
  return `
  named as materialized (
    select id, key, event_id, request, deliveries
    from unnest(${ids}::uuid[], ${keys}::uuid[], ${eventIds}::uuid[], ${requests}::uuid[], ${deliveries}::int[])
      as t (id, key, event_id, request, deliveries)),
  found as materialized (
    select n.id from named n join taken_names t on t.idempotency_key = n.key
    union all
    select n.id from named n join taken_names t on t.event_id = n.event_id),
  free as materialized (select * from named where id <> all(array(select id from found))),
  taken_before as (${insertFree(`${shared}`, `${shared}::uuid is not null`)}),
  taken_now as (${insertFree(`${current}`, `(${shared}::uuid is null or id = any(array(select id from taken_before)))`)}),
  refused as materialized (select id from named except select id from taken_now)`
}

/** A condition for the rows of an event. @param id the column with the id of the event */
export const isNotRefused = (id: string) => `${id} <> all(array(select id from refused))`

/** The end of a statement with `takeNames`. It fails with 40001 where an event got its names in one of two periods only. */
export function selectRefused(first: number): string {
  const shared = parametersFrom(first).at(-1)
  return `
  select id from refused where refuse_half_taken(
    ${shared}::uuid is not null and (select count(*) from taken_before) <> (select count(*) from taken_now))`
}

function parametersFrom(first: number): readonly string[] {
  return Array.from({ length: namesParameters }, (_, n) => `$${first + n}`)
}

/** The event that has a name. */
export interface TakenRow {
  readonly by: 'idempotency_key' | 'event_id'
  readonly request: Uuid | null
  readonly webhookId: Uuid
  readonly deliveries: number
}

/** For each of these events the one that has its Idempotency-Key, else the one that has its id; undefined: neither is taken. */
export async function findTaken(
  db: Queryable,
  names: readonly Pick<NamesRow, 'idempotencyKey' | 'eventId'>[],
): Promise<readonly (TakenRow | undefined)[]> {
  const { rows } = await db.query<TakenRow & { readonly place: number }>({
    name: 'find_taken_names',
    text: `
      select place::int, t.by, t.request, t.webhook_id as "webhookId", t.deliveries
      from unnest($1::uuid[], $2::uuid[]) with ordinality as n (key, event_id, place)
      cross join lateral (
        (select 'idempotency_key' as by, request, webhook_id, deliveries from taken_names
         where idempotency_key = n.key order by period desc limit 1)
        union all
        (select 'event_id', request, webhook_id, deliveries from taken_names
         where event_id = n.event_id order by period desc limit 1)) t`,
    values: [uuidArray(names.map(row => row.idempotencyKey)), uuidArray(names.map(row => row.eventId))],
  })
  return names.map((_, index) => {
    const found = rows.filter(({ place }) => place === index + 1)
    return found.find(({ by }) => by === 'idempotency_key') ?? found[0]
  })
}
