import { randomBytes } from 'node:crypto'
import { wakeLanes } from '../lanes/wake.ts'
import type { EventMetadata } from '../model/delivery.ts'
import { byteaArray, int4Array, textArray, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** One row of `events`. */
export interface EventRow {
  readonly webhookId: Uuid
  readonly tenant: string
  readonly eventType: string | null
  readonly contentType: string
  readonly payload: Buffer
  readonly subscriptionIds: readonly number[]
  /** Nearly all have none. */
  readonly metadata?: EventMetadata | null
}

/** One row of `owed`, first attempt. */
export interface OwedRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly sizeBytes: number
  /** The process that dispatches it from memory; null: it waits in its lane. */
  readonly owner: number | null
  /** When a row that waits in its lane is due (Unix milliseconds): at once when it is left out, or over already. */
  readonly dueAt?: number
}

/**
 * Writes events and all they owe in one statement, so one round trip and one commit for a whole batch. Lanes of rows
 * without an owner become due when their rows are. A batch without such rows, which is nearly every one, takes a
 * statement that knows nothing of lanes.
 *
 * @param acceptedAt Unix milliseconds; no row is due before
 */
export async function insertEvents(
  db: Queryable,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
): Promise<void> {
  if (owed.some(row => row.owner !== null && row.dueAt !== undefined)) {
    throw new Error('a row that a process holds in memory is due at once: it has no due time of its own')
  }
  const inLanes = owed.some(row => row.owner === null)
  const values = [
    uuidArray(events.map(event => event.webhookId)),
    textArray(events.map(event => event.tenant)),
    textArray(events.map(event => event.eventType)),
    textArray(events.map(event => event.contentType)),
    byteaArray(events.map(event => event.payload)),
    textArray(events.map(event => `{${event.subscriptionIds.join(',')}}`)),
    uuidArray(owed.map(row => row.webhookId)),
    int4Array(owed.map(row => row.subscriptionId)),
    int4Array(owed.map(row => row.sizeBytes)),
    int4Array(owed.map(row => row.owner)),
    timestamptzArray([acceptedAt]),
    textArray(events.map(({ metadata }) => (metadata ? JSON.stringify(metadata) : null))),
  ]
  if (inLanes) values.push(timestamptzArray(owed.map(row => row.dueAt ?? null)))
  await db.query({
    name: inLanes ? 'insert_events_and_lanes' : 'insert_events',
    text: inLanes ? insertWithLanesText : insertText,
    values,
  })
}

// unnest takes no arrays of arrays, so each fan-out travels as the text of an array.
const insertEventsText = `
  e as (
    insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata)
    select id, tenant, type, content_type, payload, subs::int[], metadata::jsonb
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $12::text[])
      as t (id, tenant, type, content_type, payload, subs, metadata))`

const insertText = `
  with ${insertEventsText}
  insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
  select id, sub, size, owner, ($11::timestamptz[])[1]
  from unnest($7::uuid[], $8::int[], $9::int[], $10::int[]) as t (id, sub, size, owner)`

// A row without a time of its own, or with one that is over, is due at acceptance (greatest leaves nulls out): where a
// lane was found empty nobody looks for older rows (`ReadFrom`).
const insertWithLanesText = `
  with ${insertEventsText},
  o as (
    select id, sub, size, owner, greatest(due_at, ($11::timestamptz[])[1]) as due_at
    from unnest($7::uuid[], $8::int[], $9::int[], $10::int[], $13::timestamptz[]) as t (id, sub, size, owner, due_at)),
  in_lanes as (select sub as subscription_id, due_at from o where owner is null),
  ${wakeLanes('in_lanes')}
  insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
  select id, sub, size, owner, due_at from o`

/** Large enough to need a page that the table has not yet: an event that fits into its last page notices no full disk. */
const triedBytes = 32 * 1024

/**
 * Writes an event and takes it back, so that nobody ever sees it.
 *
 * @param connection one that nobody else uses meanwhile
 * @throws what a real event would be refused with
 */
export async function tryInsertEvent(connection: Queryable, webhookId: Uuid, now: number): Promise<void> {
  const event: EventRow = {
    webhookId,
    tenant: 'default',
    eventType: null,
    contentType: 'application/octet-stream',
    payload: randomBytes(triedBytes), // nothing that compresses
    subscriptionIds: [],
  }
  await connection.query({ text: 'begin' })
  try {
    await insertEvents(connection, [event], [], now)
  } finally {
    await connection.query({ text: 'rollback' })
  }
}
