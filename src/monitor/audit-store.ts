import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

export interface MissingDelivery {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

// Joins of whole tables, not a probe per delivery: linear in what is stored, whatever the statistics say. An event that
// was carried over is in both tables until its partition is dropped, and is counted once.
const deliveries = `
  d as (
    select e.webhook_id, s.subscription_id
    from (select webhook_id, subscription_ids from events
          union all
          select c.webhook_id, c.subscription_ids from events_carried c
          left join events x on x.webhook_id = c.webhook_id where x.webhook_id is null) e
    cross join unnest(e.subscription_ids) as s (subscription_id)),
  final as (select distinct webhook_id, subscription_id from delivery_logs where verdict <> 'retry'),
  state as (
    select d.webhook_id, d.subscription_id, o.webhook_id is not null as owed, f.webhook_id is not null as final
    from d
    left join owed o on o.webhook_id = d.webhook_id and o.subscription_id = d.subscription_id
    left join final f on f.webhook_id = d.webhook_id and f.subscription_id = d.subscription_id)`

export interface AuditCounts {
  readonly events: number
  readonly deliveries: number
  readonly final: number
  readonly owed: number
}

/** Counts in one statement, so in one snapshot. */
export async function readAudit(db: Queryable): Promise<AuditCounts> {
  const { rows } = await db.query<AuditCounts>({
    text: `
      with ${deliveries}
      select count(distinct webhook_id)::float8 as events, count(*)::float8 as deliveries,
             count(*) filter (where owed)::float8 as owed,
             count(*) filter (where final and not owed)::float8 as final
      from state`,
  })
  return rows[0] ?? { events: 0, deliveries: 0, final: 0, owed: 0 }
}

export async function readMissing(db: Queryable, limit: number): Promise<readonly MissingDelivery[]> {
  const { rows } = await db.query<{ webhook_id: Uuid; subscription_id: number }>({
    text: `with ${deliveries} select * from state where not owed and not final limit $1`,
    values: [limit],
  })
  return rows.map(row => ({ webhookId: row.webhook_id, subscriptionId: row.subscription_id }))
}
