import { isParked } from '../lanes/parked.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** A key of which something waits, and the first delivery of it. */
export interface OrderingKeyRow {
  readonly ordering_key: string
  readonly webhook_id: Uuid
  /** How many attempts it has had. */
  readonly attempts: number
  /** When it is tried next; null: it waits behind others that are being sent. */
  readonly due_at: Date | null
  /** When its first attempt failed in the run that goes on; null: it has not. */
  readonly held_since: Date | null
  /** How many wait behind it, as far as they were counted. */
  readonly waiting: number
}

/**
 * Keys of a subscription behind `after` of which a delivery waits for its retry, or behind others, in the order of the keys.
 * Three probes for each, whatever waits; what waits behind it is counted up to `countMax`.
 *
 * @param key only this one; null: all
 */
export async function readOrderingKeys(
  db: Queryable,
  query: {
    readonly subscriptionId: number
    readonly after: string
    readonly key: string | null
    readonly limit: number
    readonly countMax: number
  },
): Promise<readonly OrderingKeyRow[]> {
  const first = (condition: string) => `
    select o.ordering_key, o.webhook_id, o.subscription_id, o.attempt, o.replay_from, o.due_at
    from owed o where o.place_at is not null and ${condition}
    order by o.ordering_key, o.place_at, o.webhook_id limit 1`
  const { rows } = await db.query<OrderingKeyRow>({
    text: `
      with recursive firsts as (
        (select f.*, 1 as n from (${first('o.subscription_id + 0 = $1 and o.ordering_key > $2 and ($3::text is null or o.ordering_key = $3)')}) f)
        union all
        select n.*, f.n + 1 from firsts f
        cross join lateral (${first('o.subscription_id + 0 = $1 and o.ordering_key > f.ordering_key and $3::text is null')}) n
        where f.n < $4)
      select f.ordering_key, f.webhook_id, f.attempt - 1 as attempts,
             case when not ${isParked('f')} then greatest(f.due_at, l.open_until) end as due_at,
             (select min(d."timestamp") from delivery_logs d
              where d.webhook_id = f.webhook_id and d.subscription_id = f.subscription_id
                and d.attempt >= coalesce(f.replay_from, 1)) as held_since,
             (select count(*)::int from (
                select from owed o where o.subscription_id + 0 = $1 and o.ordering_key = f.ordering_key
                  and o.place_at is not null and o.webhook_id <> f.webhook_id limit $5) w) as waiting
      from firsts f left join lanes l on l.subscription_id = f.subscription_id
      order by f.n`,
    values: [query.subscriptionId, query.after, query.key, query.limit, query.countMax],
  })
  return rows
}
