import { isParked } from '../lanes/parked.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { AttemptRow } from '../monitor/monitor.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type EventRow, eventColumns } from './store.ts'

/** An event with its fan-out, without its payload. */
export interface WholeEventRow extends EventRow {
  readonly subscription_ids: readonly number[]
  readonly metadata: EventLabels | null
}

/** What `events.metadata` says besides what the sender said of it. */
interface EventLabels {
  readonly content_encoding?: string
  /** The service tells of itself with it. */
  readonly system?: boolean
  readonly given?: Readonly<Record<string, string>>
  readonly forwarded?: Readonly<Record<string, string>>
}

/** An event by its id, wherever it is kept; undefined when there is none, or it is another tenant's. */
export async function readWholeEvent(
  db: Queryable,
  tenant: string | null,
  webhookId: Uuid,
): Promise<WholeEventRow | undefined> {
  const columns = `${eventColumns}, subscription_ids, metadata`
  const { rows } = await db.query<WholeEventRow>({
    text: `select * from (
             select ${columns}, false as carried from events where webhook_id = $1
             union all
             select ${columns}, true from events_carried where webhook_id = $1) e
           where ($2::text is null or tenant = $2) order by carried limit 1`,
    values: [webhookId, tenant],
  })
  return rows[0]
}

/** The bytes of an event, wherever it is kept, and whether they were expunged; undefined when there is no such event. */
export async function readPayload(
  db: Queryable,
  tenant: string | null,
  webhookId: Uuid,
): Promise<
  | {
      readonly payload: Buffer
      readonly content_type: string
      readonly content_encoding: string | null
      readonly is_expunged: boolean
    }
  | undefined
> {
  const columns = `tenant, payload, content_type, metadata ->> 'content_encoding' as content_encoding,
    coalesce(metadata ? 'expunged', false) as is_expunged`
  const { rows } = await db.query<{
    payload: Buffer
    content_type: string
    content_encoding: string | null
    is_expunged: boolean
  }>({
    text: `select * from (
             select ${columns}, false as carried from events where webhook_id = $1
             union all
             select ${columns}, true from events_carried where webhook_id = $1) e
           where ($2::text is null or tenant = $2) order by carried limit 1`,
    values: [webhookId, tenant],
  })
  return rows[0]
}

/** What is owed of an event to one subscription. */
export interface OwedDelivery {
  readonly subscription_id: number
  /** Not before then; null: it is not tried as things are, or waits behind another one of its key. */
  readonly due_at: Date | null
  /** Its subscription was deleted, and no process has it in memory any more: it is about to end. */
  readonly is_ending: boolean
  /** Why its next attempt is made; null: by itself. */
  readonly trigger: AttemptTrigger | null
}

/** What is owed of an event to these subscriptions, and when: as in the status of an event. */
export async function readOwedTo(
  db: Queryable,
  webhookId: Uuid,
  subscriptionIds: readonly number[],
): Promise<readonly OwedDelivery[]> {
  const { rows } = await db.query<OwedDelivery>({
    text: `select o.subscription_id, o.trigger,
             case when s.paused or s.state = 'disabled' or s.id is null or ${isParked('o')} then null
                  else greatest(o.due_at, l.open_until) end as due_at,
             s.id is null and o.owner is null as is_ending
           from owed o left join lanes l on l.subscription_id = o.subscription_id
             left join subscriptions s on s.id = o.subscription_id
           where o.webhook_id = $1 and o.subscription_id = any($2::int[])`,
    values: [webhookId, subscriptionIds],
  })
  return rows
}

/** An attempt, and its place among those of its delivery, 1 for the newest. */
export interface RankedAttempt extends AttemptRow {
  readonly place: number
}

/**
 * Of each of these subscriptions the newest attempts for an event, newest first, and its last final one, wherever that
 * stands. Found among the newest `rowsMax` attempts for the event.
 */
export async function readAttemptsOf(
  db: Queryable,
  webhookId: Uuid,
  since: Uuid,
  subscriptionIds: readonly number[],
  attemptsMax: number,
  rowsMax: number,
): Promise<readonly RankedAttempt[]> {
  const { rows } = await db.query<RankedAttempt>({
    text: `
      with recent as materialized (
        select * from delivery_logs where webhook_id = $1 and id >= $2 order by id desc limit $5),
      ranked as (
        select *, (row_number() over (partition by subscription_id order by id desc))::int as place,
               row_number() over (partition by subscription_id, verdict <> 'retry' order by id desc) as place_of_kind
        from recent where subscription_id = any($3::int[]))
      select * from ranked where place <= $4 or (verdict <> 'retry' and place_of_kind = 1)
      order by subscription_id, place`,
    values: [webhookId, since, subscriptionIds, attemptsMax, rowsMax],
  })
  return rows
}

/** The names that the owners of subscriptions gave them, also of deleted ones. */
export async function readUids(
  db: Queryable,
  subscriptionIds: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const { rows } = await db.query<{ id: number; uid: string }>({
    text: `select id, uid from subscriptions where id = any($1::int[]) and uid is not null
           union all
           select id, uid from subscription_tombstones where id = any($1::int[]) and uid is not null`,
    values: [subscriptionIds],
  })
  return new Map(rows.map(({ id, uid }) => [id, uid]))
}

/** When a subscription was made and changed. */
export interface SubscriptionTimes {
  readonly id: number
  readonly uid: string | null
  readonly created_at: Date
  /** By a caller. */
  readonly updated_at: Date
  /** When its state changed last. */
  readonly state_since: Date
}

/** Subscriptions of a tenant above `after`, in the order of their ids. */
export async function readSubscriptionTimes(
  db: Queryable,
  tenant: string,
  after: number,
  limit: number,
): Promise<readonly SubscriptionTimes[]> {
  const { rows } = await db.query<SubscriptionTimes>({
    text: `select id, uid, created_at, updated_at, state_since from subscriptions
           where tenant = $1 and id > $2 order by id limit $3`,
    values: [tenant, after, limit],
  })
  return rows
}
