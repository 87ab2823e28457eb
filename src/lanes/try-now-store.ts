import { int4Array } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { isParked } from './parked.ts'
import { wakeOrMakeLanes } from './wake.ts'

/** What of an event is owed to a subscription, and what keeps it from being sent at once. Times are Unix milliseconds. */
export interface OwedNow {
  readonly subscriptionId: number
  /** Null: its subscription was deleted. */
  readonly state: string | null
  readonly paused: boolean
  readonly ordered: boolean
  /** Nothing of its lane is sent before then; null: it is open. */
  readonly closedUntil: number | null
  /** It waits behind another one of its key. */
  readonly isParked: boolean
  /** Its time has not come; false: it is due, or a process has it. */
  readonly waits: boolean
  /** Nothing was tried yet: it is planned for then. */
  readonly isFirst: boolean
  readonly dueAt: number
}

/**
 * Reads what an event owes to these subscriptions, and keeps their lanes from being leased, held or closed until the end of
 * the transaction. In order of id, as all who lock several lanes do.
 */
export async function lockOwedTo(
  tx: Queryable,
  webhookId: Uuid,
  subscriptionIds: readonly number[],
): Promise<readonly OwedNow[]> {
  const ids = int4Array(subscriptionIds)
  await tx.query({
    text: `select from lanes where subscription_id = any($1::int[]) order by subscription_id for no key update`,
    values: [ids],
  })
  const { rows } = await tx.query<OwedNow>({
    text: `
      select o.subscription_id as "subscriptionId", s.state::text, coalesce(s.paused, false) as paused,
             coalesce(s.ordered, false) as ordered,
             case when l.open_until > now() then (extract(epoch from l.open_until) * 1000)::float8 end as "closedUntil",
             ${isParked('o')} as "isParked", o.owner is null and o.due_at > now() as waits,
             o.attempt = coalesce(o.replay_from, 1) as "isFirst",
             (extract(epoch from o.due_at) * 1000)::float8 as "dueAt"
      from owed o
      left join subscriptions s on s.id = o.subscription_id
      left join lanes l on l.subscription_id = o.subscription_id
      where o.webhook_id = $1 and o.subscription_id = any($2::int[])
      order by o.subscription_id`,
    values: [webhookId, ids],
  })
  return rows
}

/**
 * Makes deliveries that wait for their retry due now, by the wish of a person. A row that is being settled at this moment is
 * left alone (SKIP LOCKED), so that no two statements wait for each other in a circle.
 *
 * @returns how many
 */
export async function makeDueNow(
  tx: Queryable,
  webhookId: Uuid,
  subscriptionIds: readonly number[],
): Promise<number> {
  const { rows } = await tx.query<{ due: number }>({
    text: `
      with waiting as materialized (
        select o.subscription_id, o.attempt from owed o
        where o.webhook_id = $1 and o.subscription_id = any($2::int[]) and o.owner is null and o.due_at > now()
          and not ${isParked('o')}
        order by o.subscription_id for update skip locked),
      sooner as (
        update owed o set due_at = now(), trigger = 'manual',
          run_trigger = case when o.replay_from is not null then coalesce(o.run_trigger, o.trigger) end
        from waiting w
        where o.webhook_id = $1 and o.subscription_id = w.subscription_id and o.attempt = w.attempt
        returning o.subscription_id, o.due_at),
      ${wakeOrMakeLanes('sooner')}
      select count(*)::int as due from sooner`,
    values: [webhookId, int4Array(subscriptionIds)],
  })
  return rows[0]?.due ?? 0
}
