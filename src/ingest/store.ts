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
  readonly metadata?: { readonly hops: number } | null
}

/** One row of `owed`, first attempt. */
export interface OwedRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly sizeBytes: number
  /** The process that dispatches it from memory; null: it waits in its lane. */
  readonly owner: number | null
}

/**
 * Writes events and all they owe in one statement, so one round trip and one commit for a whole batch.
 * Lanes of rows without an owner become due now.
 *
 * @param acceptedAt Unix milliseconds
 */
export async function insertEvents(
  db: Queryable,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
): Promise<void> {
  const inLanes = owed.some(row => row.owner === null)
  await db.query({
    name: inLanes ? 'insert_events_and_lanes' : 'insert_events',
    text: inLanes
      ? `with ${insertEventsText}, ${lowerLanesText} ${insertOwedText}`
      : `with ${insertEventsText} ${insertOwedText}`,
    values: [
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
    ],
  })
}

// unnest takes no arrays of arrays, so each fan-out travels as the text of an array.
const insertEventsText = `
  e as (
    insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata)
    select id, tenant, type, content_type, payload, subs::int[], metadata::jsonb
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $12::text[])
      as t (id, tenant, type, content_type, payload, subs, metadata))`

const insertOwedText = `
  insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
  select id, sub, size, owner, ($11::timestamptz[])[1]
  from unnest($7::uuid[], $8::int[], $9::int[], $10::int[]) as t (id, sub, size, owner)`

// A plain UPDATE with the condition inside: ON CONFLICT DO UPDATE would lock and rewrite lanes that are due already.
// Locked in order of id, so that two writers never wait for each other in a circle.
const lowerLanesText = `
  locked as (
    select subscription_id from lanes
    where subscription_id in (select sub from unnest($8::int[], $10::int[]) as t (sub, owner) where owner is null)
      and (due_at is null or due_at > greatest(($11::timestamptz[])[1], open_until))
    order by subscription_id for no key update),
  lowered as (
    update lanes l set due_at = greatest(($11::timestamptz[])[1], l.open_until) from locked k
    where l.subscription_id = k.subscription_id
      and (l.due_at is null or l.due_at > greatest(($11::timestamptz[])[1], l.open_until)))`
