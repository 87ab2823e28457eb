import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** The tenant of an event; undefined when there is no such event. */
export async function readTenantOfEvent(tx: Queryable, webhookId: Uuid): Promise<string | undefined> {
  const { rows } = await tx.query<{ tenant: string }>({
    text: `select tenant from events where webhook_id = $1
           union all
           select tenant from events_carried where webhook_id = $1
           limit 1`,
    values: [webhookId],
  })
  return rows[0]?.tenant
}

/** What of an event is owed, and how much of that a process may have in memory. */
export interface OwedOfEvent {
  readonly owed: number
  /** Leased to a process; or due, in a lane that one works on; or tried before. */
  readonly begun: number
}

/**
 * How long before it is due a row may be in the memory of the process that has leased its lane: its clock and that of the
 * database may differ.
 */
const readAheadSeconds = 5

/**
 * Reads what is owed of an event, and keeps it as it is until the end of the transaction: its lanes are leased by nobody, and
 * no row of it comes to be due. What is in none of the states counted in `begun` is in no memory then, and comes to none. In
 * order of id, as all who lock several lanes do.
 *
 * A row that somebody else has locked is being settled, or made due behind another one of its key, at this moment: it counts
 * as begun. It is not waited for, as the log locks rows in any order, and lanes after them.
 */
export async function lockOwedOfEvent(tx: Queryable, webhookId: Uuid): Promise<OwedOfEvent> {
  await tx.query({
    text: `select from lanes where subscription_id = any(array(select subscription_id from owed where webhook_id = $1))
           order by subscription_id for update`,
    values: [webhookId],
  })
  const { rows } = await tx.query<OwedOfEvent>({
    text: `
      with locked as materialized (
        select subscription_id, owner, attempt, due_at from owed where webhook_id = $1 for update skip locked)
      select count(*)::int as owed,
             count(*) filter (
               where k.subscription_id is null or k.owner is not null or k.attempt > 1
                 or (l.owner is not null and k.due_at <= now() + make_interval(secs => $2)))::int as begun
      from owed o
      left join locked k on k.subscription_id = o.subscription_id
      left join lanes l on l.subscription_id = o.subscription_id
      where o.webhook_id = $1`,
    values: [webhookId, readAheadSeconds],
  })
  return rows[0] ?? { owed: 0, begun: 0 }
}

/** Whether an attempt of an event is in the log, which begins at the id `since`. What ended without one is none. */
export async function isAttempted(tx: Queryable, webhookId: Uuid, since: Uuid): Promise<boolean> {
  const { rows } = await tx.query<{ attempted: boolean }>({
    text: `select exists (select from delivery_logs
             where webhook_id = $1 and id >= $2 and verdict not in ('cancelled', 'expired')) as attempted`,
    values: [webhookId, since],
  })
  return rows[0]?.attempted === true
}
