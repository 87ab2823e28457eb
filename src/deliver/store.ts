import type { DeliveryContent, EventMetadata } from '../model/delivery.ts'
import { uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** The contents of events by id, wherever they are kept. An id that is missing in the answer no longer exists. */
export async function readContents(
  db: Queryable,
  webhookIds: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, DeliveryContent>> {
  // LATERAL with a limit keeps the planner at one index probe per id; each probe touches one partition only.
  const { rows } = await db.query<{
    webhook_id: Uuid
    event_type: string | null
    event_id: string | null
    content_type: string
    payload: Buffer
    metadata: EventMetadata | null
  }>({
    name: 'read_contents',
    text: `
      select e.* from unnest($1::uuid[]) as k (id)
      cross join lateral (
        (select webhook_id, event_type, event_id, content_type, payload, metadata from events where webhook_id = k.id limit 1)
        union all
        (select webhook_id, event_type, event_id, content_type, payload, metadata from events_carried
          where webhook_id = k.id limit 1)
        limit 1) e`,
    values: [uuidArray(webhookIds)],
  })
  return new Map(
    rows.map(row => [
      row.webhook_id,
      {
        eventType: row.event_type,
        ...(row.event_id !== null && { eventId: row.event_id }),
        contentType: row.content_type,
        contentEncoding: row.metadata?.content_encoding ?? null,
        payload: row.payload,
        ...(row.metadata?.expunged && { isExpunged: true }),
        hops: row.metadata?.hops ?? 0,
        ...(row.metadata?.given && { metadata: row.metadata.given }),
        traceparent: row.metadata?.traceparent ?? null,
        ...(row.metadata?.forwarded && { forwarded: row.metadata.forwarded }),
      },
    ]),
  )
}
