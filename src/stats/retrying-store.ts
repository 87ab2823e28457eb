import { parkedAtSql } from '../lanes/parked.ts'
import type { Queryable } from '../platform/postgres.ts'

/** How many deliveries of a subscription have failed and wait for their next attempt. */
export interface Retrying {
  readonly subscription_id: number
  readonly retrying: number
}

/**
 * Of what waits for a subscription this many are looked at, those that are due last: a delivery that failed waits for a time
 * to come, and what waits for its turn is due already. So the cost does not depend on how much waits.
 */
export const retryingMax = 100

/** Lanes that something may wait in; more are not looked into for an answer. */
const lanesMax = 2000

/** SQL for those of the rows `i (id)` that have some. Behind others of its key nothing was tried yet. */
const countOf = (ids: string) => `
  select i.id as subscription_id, r.retrying from ${ids}
  cross join lateral (
    select count(*)::int4 as retrying from (
      select attempt, replay_from from owed o
      where o.subscription_id + 0 = i.id and o.owner is null and o.due_at < ${parkedAtSql}
      order by o.due_at desc limit ${retryingMax}) w
    where w.attempt > coalesce(w.replay_from, 1)) r
  where r.retrying > 0`

/** Of these subscriptions; none for those of which nothing is to be retried. */
export async function readRetrying(db: Queryable, ids: readonly number[]): Promise<readonly Retrying[]> {
  const { rows } = await db.query<Retrying>({
    text: countOf('unnest($1::int4[]) as i (id)'),
    values: [ids],
  })
  return rows
}

/** Those with most, most first. What waits for a paused one waits for a person. @param tenant null: of all tenants */
export async function readMostRetrying(
  db: Queryable,
  tenant: string | null,
  limit: number,
): Promise<readonly Retrying[]> {
  const { rows } = await db.query<Retrying>({
    text: `
      with busy as materialized (
        select s.id from lanes l join subscriptions s on s.id = l.subscription_id
        where (l.due_at is not null or l.owner is not null or l.held) and not s.paused
          and ($1::text is null or s.tenant = $1)
        limit ${lanesMax})
      ${countOf('busy i')} order by r.retrying desc, i.id limit $2`,
    values: [tenant, limit],
  })
  return rows
}
