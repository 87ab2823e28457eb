import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

export interface MissingDelivery {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

// An event that is carried over while its partition is still there is in both tables: counted once.
const deliveries = `
  select e.webhook_id, s.subscription_id
  from (select webhook_id, subscription_ids from events
        union all
        select webhook_id, subscription_ids from events_carried c
        where not exists (select from events x where x.webhook_id = c.webhook_id)) e
  cross join unnest(e.subscription_ids) as s (subscription_id)`

const isOwed =
  'exists (select from owed o where o.webhook_id = d.webhook_id and o.subscription_id = d.subscription_id)'
const isFinal = `exists (
  select from delivery_logs l
  where l.webhook_id = d.webhook_id and l.subscription_id = d.subscription_id and l.verdict <> 'retry')`

/** Counts in one statement, so in one snapshot. */
export async function readAudit(
  db: Queryable,
): Promise<{
  readonly events: number
  readonly deliveries: number
  readonly final: number
  readonly owed: number
}> {
  const { rows } = await db.query<{ events: number; deliveries: number; final: number; owed: number }>({
    text: `
      with d as (${deliveries}),
      state as (select d.webhook_id, ${isOwed} as owed, ${isFinal} as final from d)
      select count(distinct webhook_id)::float8 as events, count(*)::float8 as deliveries,
             count(*) filter (where owed)::float8 as owed,
             count(*) filter (where final and not owed)::float8 as final
      from state`,
  })
  return rows[0] ?? { events: 0, deliveries: 0, final: 0, owed: 0 }
}

export async function readMissing(db: Queryable, limit: number): Promise<readonly MissingDelivery[]> {
  const { rows } = await db.query<{ webhook_id: Uuid; subscription_id: number }>({
    text: `with d as (${deliveries}) select * from d where not ${isOwed} and not ${isFinal} limit $1`,
    values: [limit],
  })
  return rows.map(row => ({ webhookId: row.webhook_id, subscriptionId: row.subscription_id }))
}
