import type { Queryable } from '../platform/postgres.ts'
import type { FactDelivery, FactRow, FactSubscription, SystemEventType } from './fact.ts'

interface StoredFact extends Omit<FactSubscription, 'id'>, FactDelivery {
  readonly id: string
  readonly type: SystemEventType
  readonly at: Date
  readonly data: Readonly<Record<string, unknown>> | null
  readonly subscription_id: number | null
}

/**
 * The oldest facts that nobody else has locked, with what they are about; they are locked until the end of the transaction.
 * A fact whose subscription left not even a tombstone is without one.
 */
export async function lockFacts(tx: Queryable, limit: number): Promise<readonly FactRow[]> {
  // LATERAL with a limit keeps the planner at one probe of a key for each fact.
  const { rows } = await tx.query<StoredFact>({
    text: `
      with page as materialized (select * from system_facts order by id limit $1 for update skip locked)
      select f.id::text, f.type, f.at, f.data, f.webhook_id, s.id as subscription_id, s.tenant, s.uid, s.target_url,
        s.description, s.event_types, coalesce(e.is_stored, false) as is_stored, coalesce(e.is_system, false) as is_system,
        e.event_type, l.attempt, l.verdict::text, l.trigger::text, l.http_status, l.error_class, l.error
      from page f
      left join lateral (
        (select id, tenant, uid, target_url, description, event_types from subscriptions where id = f.subscription_id)
        union all
        (select id, tenant, uid, target_url, null, null from subscription_tombstones where id = f.subscription_id)
        limit 1) s on true
      left join lateral (
        (select true as is_stored, event_type, coalesce(metadata ? 'system', false) as is_system from events
         where webhook_id = f.webhook_id limit 1)
        union all
        (select true, event_type, coalesce(metadata ? 'system', false) from events_carried
         where webhook_id = f.webhook_id limit 1)
        limit 1) e on true
      left join lateral (
        select attempt, verdict, trigger, http_status, error_class, error from delivery_logs
        where id = f.attempt_id limit 1) l on true
      order by f.id`,
    values: [limit],
  })
  return rows.map(row => ({
    ...{ id: row.id, type: row.type, at: row.at, data: row.data },
    subscription: row.subscription_id === null ? undefined : { ...row, id: row.subscription_id },
    delivery: row.webhook_id === null ? undefined : row,
  }))
}

export async function removeFacts(tx: Queryable, ids: readonly string[]): Promise<void> {
  await tx.query({ text: 'delete from system_facts where id = any($1::bigint[])', values: [[...ids]] })
}

/** Of something that is no subscription. */
export async function insertFact(tx: Queryable, type: SystemEventType, data: object): Promise<void> {
  await tx.query({
    text: 'insert into system_facts (type, at, data) values ($1, now(), $2)',
    values: [type, JSON.stringify(data)],
  })
}

/** Whether there is anything to tell. */
export async function hasFacts(db: Queryable): Promise<boolean> {
  const { rows } = await db.query({ text: 'select from system_facts limit 1' })
  return rows.length > 0
}
