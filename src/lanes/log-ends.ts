import { uuidV7Now } from '../platform/sql.ts'

/**
 * The statement by which owed rows that end without an attempt get their row in the log: `with <rows> as (delete from owed …
 * returning …) ${logEnds(…)}`. All that end in such a way use it, so that each of these rows says the same things.
 *
 * @param rows the name of a CTE with the columns `webhook_id`, `subscription_id`, `attempt` and `trigger` of `owed`
 * @param reason SQL for the reason, in words for people
 * @param verdict SQL for the verdict
 */
export function logEnds(rows: string, reason: string, verdict = "'cancelled'"): string {
  return `
    insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, trigger, error)
    select ${uuidV7Now}, subscription_id, webhook_id, now(), attempt, 'failed', ${verdict}, coalesce(trigger, 'auto'), ${reason}
    from ${rows}`
}
