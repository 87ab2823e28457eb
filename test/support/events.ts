import { namesOf } from '../../src/ingest/names.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidV7Source } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'

const newId = uuidV7Source(systemClock())

export interface StoredEvent {
  readonly tenant?: string
  readonly type?: string | null
  readonly channels?: readonly string[] | null
  readonly to?: readonly number[]
  readonly payload?: string | Buffer
  readonly contentType?: string
  readonly metadata?: object | null
  readonly eventId?: string | null
  readonly idempotencyKey?: string | null
  /** Unix milliseconds; now, unless given. */
  readonly at?: number
  readonly table?: 'events' | 'events_carried'
}

/** Puts an event into its table, as it was accepted. @returns its id */
export async function store(db: Queryable, event: StoredEvent = {}): Promise<Uuid> {
  const id =
    event.at === undefined
      ? newId()
      : (`${uuidLowerBound(event.at).slice(0, 13)}${newId().slice(13)}` as Uuid) // of its form
  await db.query({
    text: `insert into ${event.table ?? 'events'}
             (webhook_id, tenant, event_type, channels, subscription_ids, payload, content_type, metadata, event_id, idempotency_key)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    values: [
      id,
      event.tenant ?? 'default',
      event.type === undefined ? 'order.created' : event.type,
      event.channels ?? null,
      event.to ?? [],
      Buffer.from(event.payload ?? '{"a":1}'),
      event.contentType ?? 'application/json',
      event.metadata ? JSON.stringify(event.metadata) : null,
      event.eventId ?? null,
      event.idempotencyKey ?? null,
    ],
  })
  if (event.table !== 'events_carried') await takeNames(db, id, event)
  return id
}

/** As the statement that writes an event takes them. */
async function takeNames(db: Queryable, id: Uuid, event: StoredEvent): Promise<void> {
  const { tenant = 'default', eventId = null, idempotencyKey = null } = event
  const names = namesOf(tenant, { eventId, idempotencyKey }, () => id)
  if (names === undefined) return
  await db.query({
    text: `insert into taken_names (period, idempotency_key, event_id, request, webhook_id, deliveries)
           values ($1, $2, $3, $4, $1, 0)`,
    values: [id, names.idempotencyKey, names.eventId, names.request],
  })
}

/** An attempt in the log, with what followed from it. @returns its id */
export async function logged(
  db: Queryable,
  webhookId: Uuid,
  subscriptionId: number,
  verdict: string,
  attempt = 1,
): Promise<Uuid> {
  const id = newId()
  const status = verdict === 'delivered' ? 'success' : 'failed'
  await db.query({
    text: `insert into delivery_logs (id, subscription_id, webhook_id, attempt, status, verdict, http_status)
           values ($1, $2, $3, $4, $5, $6, $7)`,
    values: [id, subscriptionId, webhookId, attempt, status, verdict, status === 'success' ? 200 : 500],
  })
  return id
}

/** @param owner the process that holds it in memory; null: it waits in its lane */
export async function owing(
  db: Queryable,
  webhookId: Uuid,
  subscriptionId: number,
  owner: number | null = 1,
): Promise<void> {
  await db.query({
    text: 'insert into owed (webhook_id, subscription_id, due_at, size_bytes, owner) values ($1, $2, now(), 7, $3)',
    values: [webhookId, subscriptionId, owner],
  })
}
