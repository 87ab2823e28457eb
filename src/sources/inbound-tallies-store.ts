import type { Queryable } from '../platform/postgres.ts'
import { noteInboundRejecting } from '../system-facts/facts.ts'

/** What came to a subscription with `inbound` since it was last written. */
export interface InboundTally {
  readonly id: number
  /** Something was verified, */
  readonly isVerified: boolean
  /** how many were refused after the last one that was, */
  readonly inARow: number
  /** since when (Unix milliseconds), */
  readonly since: number | null
  /** and why the last one was. */
  readonly reason: string | null
  readonly preset: string | null
}

const came = `
  came as (
    select * from jsonb_to_recordset($1) as t (id int, "isVerified" boolean, "inARow" bigint, since float8, reason text, preset text))`

/**
 * Adds up what was refused in a row, and notes what there is to tell in the same statement: once, however many processes
 * refuse. What goes on without refusals writes no row. In the order of ids, so that two processes do not wait for each other
 * in a circle.
 *
 * @param tell from how many refusals in a row on the owner is told, and how long after the last time at the earliest
 */
export async function addInboundTallies(
  tx: Queryable,
  tallies: readonly InboundTally[],
  tell: { readonly refused: number; readonly againMs: number },
): Promise<void> {
  const all = JSON.stringify(tallies)
  await tx.query({
    text: `
      with ${came}
      insert into inbound_refusing (subscription)
      select id from came where "inARow" > 0 and exists (select from subscriptions s where s.id = came.id) order by id
      on conflict do nothing`,
    values: [all],
  })
  await tx.query({
    text: `
      with ${came},
      before as materialized (
        select r.* from inbound_refusing r where r.subscription in (select id from came) order by r.subscription for update),
      added as (
        select b.subscription as id, b.told_at, c.reason, c.preset,
          case when c."isVerified" then 0 else b.refused_in_a_row end + c."inARow" as total,
          case when c."isVerified" or b.refusing_since is null then to_timestamp(c.since / 1000)
               else b.refusing_since end as since
        from before b join came c on c.id = b.subscription
        where c."inARow" > 0 or b.refused_in_a_row > 0),
      judged as (
        select *, total >= $2 and (told_at is null
            or (told_at < since and told_at < now() - $3 * interval '1 millisecond')) as is_to_tell
        from added),
      told as (
        select j.id, s.tenant, j.preset, j.reason, j.total as rejected, j.since
        from judged j join subscriptions s using (id) where j.is_to_tell),
      ${noteInboundRejecting('told')}
      update inbound_refusing r set refused_in_a_row = j.total, refusing_since = j.since,
        told_at = case when j.is_to_tell then now() else r.told_at end
      from judged j where r.subscription = j.id`,
    values: [all, tell.refused, tell.againMs],
  })
}
