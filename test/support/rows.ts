import { type EventRow, insertEvents, type OwedRow } from '../../src/ingest/store.ts'
import { type Uuid, uuidTime, uuidV7Source } from '../../src/platform/id.ts'
import type { Database, Queryable } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from './clock.ts'

let idsOfNoon = uuidV7Source(fakeClock(noon))

/** Ids of events made at `noon`: the first 4,096 of a world, see `uuidV7Source`. */
export function newId(): Uuid {
  return idsOfNoon()
}

/** Ids of events made at another time. */
export function idAt(ms: number): Uuid {
  return uuidV7Source(fakeClock(ms))()
}

export function anEvent(changes: Partial<EventRow> = {}): EventRow {
  return {
    webhookId: newId(),
    tenant: 'default',
    eventType: 'order.created',
    contentType: 'application/json',
    payload: Buffer.from('{"a":1}'),
    subscriptionIds: [1],
    ...changes,
  }
}

/** What an event owes, by one owner (null: in its lane); `beginsAt` is when it is due, of a scheduled one. */
export function owedFor(event: EventRow, owner: number | null, beginsAt?: number): readonly OwedRow[] {
  const { webhookId, payload, subscriptionIds } = event
  return subscriptionIds.map(subscriptionId => ({
    webhookId,
    subscriptionId,
    sizeBytes: payload.length,
    owner,
    ...(beginsAt !== undefined && { dueAt: beginsAt, beginsAt }),
  }))
}

/** Stores an event that is owed, at its own time unless another is given. @returns its id */
export async function owe(
  db: Queryable,
  {
    owner = null,
    dueAt,
    beginsAt,
    ...event
  }: Partial<EventRow> & { owner?: number | null; dueAt?: number; beginsAt?: number } = {},
): Promise<Uuid> {
  const row = anEvent(event)
  await insertEvents(db, [row], owedFor(row, owner, beginsAt), dueAt ?? uuidTime(row.webhookId))
  return row.webhookId
}

/** A lane that owes nothing. */
export async function aLane(
  db: Queryable,
  subscriptionId: number,
  owner: number | null = null,
): Promise<void> {
  await db.query({
    text: "insert into lanes (subscription_id, owner, due_at) values ($1, $2, case when $2::int is null then null else 'infinity'::timestamptz end)",
    values: [subscriptionId, owner],
  })
}

export interface StoredLane {
  readonly owner: number | null
  /** Unix milliseconds; infinity while it is leased and nothing lowered it. */
  readonly dueAt: number | null
}

export async function laneOf(db: Queryable, subscriptionId: number): Promise<StoredLane | undefined> {
  const { rows } = await db.query<StoredLane>({
    text: `select owner, (extract(epoch from due_at) * 1000)::float8 as "dueAt" from lanes where subscription_id = $1`,
    values: [subscriptionId],
  })
  return rows[0]
}

export interface StoredOwed {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly attempt: number
  readonly owner: number | null
  readonly dueAt: number
}

export async function allOwed(db: Queryable): Promise<readonly StoredOwed[]> {
  const { rows } = await db.query<StoredOwed>({
    text: `select webhook_id as "webhookId", subscription_id as "subscriptionId", attempt, owner,
                  (extract(epoch from due_at) * 1000)::float8 as "dueAt"
           from owed order by webhook_id, subscription_id`,
  })
  return rows
}

export interface StoredAttempt {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly attempt: number
  readonly status: string
  readonly verdict: string
  readonly error: string | null
}

export async function allAttempts(db: Queryable): Promise<readonly StoredAttempt[]> {
  const { rows } = await db.query<StoredAttempt>({
    text: `select webhook_id as "webhookId", subscription_id as "subscriptionId", attempt, status, verdict, error
           from delivery_logs order by webhook_id, subscription_id, attempt, id`,
  })
  return rows
}

export async function countEvents(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ n: number }>({ text: 'select count(*)::int as n from events' })
  return rows[0]?.n ?? 0
}

/** Makes a new empty world of a database that tests of one file share: much cheaper than a database each. */
export async function emptyAll(database: Database): Promise<void> {
  // Thirty files share a process, and with what all of them make the ids would be far behind noon.
  idsOfNoon = uuidV7Source(fakeClock(noon))
  await database.query({
    text: `truncate events, events_carried, owed, lanes, delivery_logs, attempt_details, taken_names, processes, dead_processes,
             subscriptions, subscription_tombstones, subscription_changes, replays, replay_deliveries, lane_discards, system_facts,
             subscription_stats, tenant_stats, stats_periods, inbound_refusals, inbound_refusing, backlog_samples`,
  })
}
