import { timestamptzArray } from '../platform/binary-array.ts'
import { type Uuid, uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Selection } from './filter.ts'

// What may be sent again: the walk through many deliveries, and one event.

/** A delivery by its key. */
export interface DeliveryKey {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

/** Some deliveries in order of their keys: what was looked at, and those of them that match. */
export interface CandidatePage {
  /** The last that was looked at; undefined: there are no more. */
  readonly last: DeliveryKey | undefined
  /** How many were looked at; an event that is owed to nobody counts as one. */
  readonly looked: number
  readonly matching: readonly Candidate[]
}

export interface Candidate extends DeliveryKey {
  readonly sizeBytes: number
  /** The number of its last attempt. */
  readonly attempt: number
}

/**
 * Looks at up to `limit` deliveries after `after`, in order of their events: dead letters by an index of their own, all
 * others by their events. No filter makes it look at more: where few match, a page is short. Which of them match is
 * decided by the last row of the log of each. What is found is grouped and not joined, as in `takeEnded`.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 */
export async function readCandidates(
  db: Queryable,
  selection: Selection,
  after: DeliveryKey,
  loggedFrom: Uuid,
  limit: number,
): Promise<CandidatePage> {
  const { rows } = await db.query<{
    looked: number
    last_webhook_id: Uuid | null
    last_subscription_id: number | null
    webhook_id: Uuid | null
    subscription_id: number | null
    size_bytes: number | null
    attempt: number | null
  }>({
    name: 'read_candidates',
    text: `
      with looked_at as materialized (${selection.state === 'failed' ? deadLetters : deliveriesOfEvents}),
      page as materialized (select distinct webhook_id, subscription_id from looked_at where may_match),
      ids as materialized (select array(select distinct webhook_id from page) as ids),
      found as (
        select webhook_id, subscription_id, true as is_asked, null::uuid as id,
          null::attempt_verdict as verdict, null::int2 as attempt from page
        union all
        -- The array keeps the planner to the index on webhook_id.
        select webhook_id, subscription_id, false, id, verdict, attempt
        from delivery_logs where webhook_id = any((select ids from ids)::uuid[]) and id >= $8),
      d as (
        select webhook_id, subscription_id,
          (array_agg(verdict order by id desc nulls last))[1] as verdict,
          (array_agg(attempt order by id desc nulls last))[1] as attempt
        from found group by webhook_id, subscription_id having bool_or(is_asked))
      select l.*, d.webhook_id, d.subscription_id, e.size_bytes, d.attempt
      from (
        select (select count(*)::int from looked_at) as looked, (array_agg(webhook_id))[1] as last_webhook_id,
          (array_agg(subscription_id))[1] as last_subscription_id
        from (select webhook_id, subscription_id from looked_at
              order by webhook_id desc, subscription_id desc limit 1) last) l
      left join d on true
      left join lateral (
        select ${ofEvent}, octet_length(payload) as size_bytes from events where webhook_id = d.webhook_id
        union all
        select ${ofEvent}, octet_length(payload) from events_carried where webhook_id = d.webhook_id
        limit 1) e on ${matches}
      order by d.webhook_id, d.subscription_id`,
    values: [
      after.webhookId,
      after.subscriptionId,
      selection.from,
      selection.below,
      selection.subscriptionId,
      selection.tenant,
      selection.eventType,
      loggedFrom,
      limit,
      verdictsOf[selection.state],
      selection.kept,
      timestamptzArray([uuidTime(selection.kept)]),
    ],
  })
  const [end] = rows
  return {
    last:
      end?.last_webhook_id && end.last_subscription_id !== null
        ? { webhookId: end.last_webhook_id, subscriptionId: end.last_subscription_id }
        : undefined,
    looked: end?.looked ?? 0,
    matching: rows.flatMap(row => {
      const { webhook_id: webhookId, subscription_id: subscriptionId, size_bytes: sizeBytes, attempt } = row
      if (webhookId === null || subscriptionId === null || sizeBytes === null || attempt === null) return []
      return [{ webhookId, subscriptionId, sizeBytes, attempt }]
    }),
  }
}

/**
 * The first of the events that were accepted before what is kept, and are kept as they were scheduled for later; undefined:
 * there is none. Hardly any are, so they are found by their times among those that are in their partitions still.
 */
export async function readFirstScheduled(
  db: Queryable,
  { from, kept }: Pick<Selection, 'from' | 'kept'>,
): Promise<Uuid | undefined> {
  const scheduled = 'webhook_id >= $1 and webhook_id < $2 and deliver_at >= ($3::timestamptz[])[1]'
  const { rows } = await db.query<{ webhook_id: Uuid | null }>({
    text: `
      select (array_agg(webhook_id order by webhook_id))[1] as webhook_id from (
        select webhook_id from events where ${scheduled}
        union all
        select webhook_id from events_carried where ${scheduled}) e`,
    values: [from, kept, timestamptzArray([uuidTime(kept)])],
  })
  return rows[0]?.webhook_id ?? undefined
}

const verdictsOf = {
  failed: ['given_up', 'expired'],
  success: ['delivered'],
  any: ['delivered', 'given_up', 'expired', 'cancelled'],
} as const

const ofEvent = 'tenant, event_type, metadata, deliver_at'
const matches = `
  d.verdict = any($10::text[]::attempt_verdict[]) and ($6::text is null or e.tenant = $6)
  and ($7::text is null or e.event_type = $7) and not coalesce(e.metadata ? 'expunged', false)
  and (d.webhook_id >= $11 or e.deliver_at >= ($12::timestamptz[])[1])`

// A delivery that was given up, replayed and given up again has two rows, and is one delivery.
const deadLetters = `
  select webhook_id, subscription_id, $5::int is null or subscription_id = $5 as may_match
  from delivery_logs
  where verdict in ('given_up', 'expired') and (webhook_id, subscription_id) > ($1, $2)
    and webhook_id >= $3 and webhook_id < $4 and id >= $8
  order by webhook_id, subscription_id limit $9`

// Each table in its order and no further than needed: joined to their fan-outs first, both would be read to their ends.
const walked = 'webhook_id, tenant, event_type, subscription_ids'
const inRange = 'webhook_id >= $1 and webhook_id >= $3 and webhook_id < $4'
// No subscription has the number 0: it stands for an event that is owed to nobody, so that these are counted, too.
const deliveriesOfEvents = `
  select e.webhook_id, coalesce(s.id, 0) as subscription_id,
    s.id is not null and ($5::int is null or s.id = $5) and ($6::text is null or e.tenant = $6)
      and ($7::text is null or e.event_type = $7) as may_match
  from (
    select * from (
      (select ${walked} from events where ${inRange} order by webhook_id limit $9 + 1)
      union all
      (select ${walked} from events_carried where ${inRange} order by webhook_id limit $9 + 1)) both_tables
    order by webhook_id limit 2 * ($9 + 1)) e
  left join lateral unnest(e.subscription_ids) as s (id) on true
  where (e.webhook_id, coalesce(s.id, 0)) > ($1, $2)
  order by e.webhook_id, coalesce(s.id, 0) limit $9`

/** An event that is to be sent again. */
export interface ReplayableEvent {
  readonly tenant: string
  readonly sizeBytes: number
  readonly subscriptionIds: readonly number[]
  readonly isExpunged: boolean
  /** Null: it was due when it was accepted. */
  readonly deliverAt: Date | null
}

export async function readReplayableEvent(
  db: Queryable,
  webhookId: Uuid,
): Promise<ReplayableEvent | undefined> {
  const fields = `tenant, octet_length(payload) as "sizeBytes", subscription_ids as "subscriptionIds",
    coalesce(metadata ? 'expunged', false) as "isExpunged", deliver_at as "deliverAt"`
  const { rows } = await db.query<ReplayableEvent>({
    text: `select ${fields} from events where webhook_id = $1
           union all
           select ${fields} from events_carried where webhook_id = $1
           limit 1`,
    values: [webhookId],
  })
  return rows[0]
}

/** The number of the last attempt of each delivery of an event; none for those without one. */
export async function readLastAttempts(
  db: Queryable,
  webhookId: Uuid,
  loggedFrom: Uuid,
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ subscription_id: number; attempt: number }>({
    text: `select subscription_id, max(attempt)::int as attempt from delivery_logs
           where webhook_id = $1 and id >= $2 group by subscription_id`,
    values: [webhookId, loggedFrom],
  })
  return new Map(rows.map(row => [row.subscription_id, row.attempt]))
}
