import { parkedAtSql } from '../lanes/parked.ts'
import type { Queryable } from '../platform/postgres.ts'

/** How many deliveries of a subscription have failed and wait for their next attempt. */
export interface Retrying {
  readonly subscription_id: number
  readonly retrying: number
}

/** More are not counted of a subscription. */
export const retryingMax = 100

/**
 * Of what waits for a subscription the row due first is looked at and these many that are due last, so that the cost does not
 * depend on how much waits. A delivery that failed mostly waits for a time to come, and what waits for its turn is due
 * already. Where an order is kept a retry keeps its place instead, and is the first. What is due later yet can hide one: much
 * that is scheduled, or that came while the circuit was open.
 */
export const lookedAt = { least: 100, most: 1000, inAll: 10_000 } as const

/** Lanes that something may wait in; more are not looked into for an answer. */
const lanesMax = 2000

const waits = `o.subscription_id + 0 = i.id and o.owner is null and o.due_at < ${parkedAtSql}`

/** SQL for those of the rows `i (id)` that have some. Behind others of its key nothing was tried yet. */
const countOf = (ids: string, looked: number) => `
  select i.id as subscription_id, r.retrying from ${ids}
  cross join lateral (
    select o.webhook_id, o.attempt, o.replay_from from owed o
    where ${waits} order by o.due_at, o.webhook_id limit 1) first
  cross join lateral (
    select count(*)::int4 as retrying from (
      select from (
        select first.attempt, first.replay_from
        union all
        (select o.attempt, o.replay_from from owed o
         where ${waits} and o.webhook_id <> first.webhook_id
         order by o.due_at desc limit ${looked})) w
      where w.attempt > coalesce(w.replay_from, 1)
      limit ${retryingMax}) f) r
  where r.retrying > 0`

/** Of these subscriptions; none for those of which nothing is to be retried. */
export async function readRetrying(db: Queryable, ids: readonly number[]): Promise<readonly Retrying[]> {
  const share = Math.floor(lookedAt.inAll / Math.max(ids.length, 1))
  const looked = Math.min(Math.max(share, lookedAt.least), lookedAt.most)
  const { rows } = await db.query<Retrying>({
    text: countOf('unnest($1::int4[]) as i (id)', looked),
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
      ${countOf('busy i', lookedAt.least)} order by r.retrying desc, i.id limit $2`,
    values: [tenant, limit],
  })
  return rows
}
