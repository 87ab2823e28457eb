import { ensurePartitions } from '../src/log/partitions.ts'
import type { Database } from '../src/platform/postgres.ts'
import { settle } from './growth-world.ts'

const hourMs = 3_600_000

/** Rows of one statement. */
const stepRows = 250_000

/** As events are kept unless set otherwise; what is old came in the two hours before the last ten of that. */
export const retentionHours = 72
const oldHours = { from: retentionHours + 12, to: retentionHours + 10 }

/** Subscriptions that are owed the backlog; the second half of them still want what is older than the retention. */
const subscriptions = 1000

export interface Backlog {
  /** Rows whose events came in before the retention, and as many events. */
  readonly old: number
  /** Rows whose events came in within it; they wait for their next attempt. */
  readonly recent: number
}

/** Fills `owed` with what waits for a later attempt, as rows; and the events of what is old, which are carried over. */
export async function fillBacklog(database: Database, { old, recent }: Backlog, now: number): Promise<void> {
  await ensurePartitions(database, now - oldHours.from * hourMs + hourMs, retentionHours)
  const first = await makeSubscriptions(database)
  // Made again when all is there, which is faster: each of its entries would come to another place.
  const { rows } = await database.query<{ text: string }>({
    text: "select pg_get_indexdef('owed_due'::regclass) as text",
  })
  await database.query({ text: 'drop index owed_due' })
  for (let done = 0; done < old; done += stepRows) {
    const span = (oldHours.from - oldHours.to) * hourMs
    await fillStep(
      database,
      first,
      now - oldHours.from * hourMs,
      span,
      done,
      Math.min(stepRows, old - done),
      old,
    )
    console.error(`filled ${Math.min(done + stepRows, old)} old rows`)
  }
  for (let done = 0; done < recent; done += stepRows) {
    const span = (retentionHours - 2) * hourMs
    const count = Math.min(stepRows, recent - done)
    await fillStep(database, first, now - (retentionHours - 1) * hourMs, span, done, count, recent, false)
  }
  await database.query({ text: rows[0]?.text ?? '' })
  await database.query({
    text: `update lanes l set due_at = o.due_at
           from (select subscription_id, min(due_at) as due_at from owed where owner is null group by 1) o
           where l.subscription_id = o.subscription_id`,
  })
  await settle(database, ['owed', 'events', 'lanes', 'subscriptions'])
}

/** @returns the id of the first; the others follow it */
async function makeSubscriptions(database: Database): Promise<number> {
  const { rows } = await database.query<{ first: number }>({
    text: `
      with s as (
        insert into subscriptions (target_url, signing_secrets, retry)
        select 'http://127.0.0.1:9/' || n, '[]',
          case when n > $1::int / 2 then '{"max_age_seconds": 600000}'::jsonb else '{}'::jsonb end
        from generate_series(1, $1::int) n returning id),
      l as (insert into lanes (subscription_id) select id from s)
      select min(id) as first from s`,
    values: [subscriptions],
  })
  return rows[0]?.first ?? 1
}

/** Rows `done` to `done + count` of `all`, whose ids are spread over a stretch of time in their order. */
async function fillStep(
  database: Database,
  firstId: number,
  from: number,
  spanMs: number,
  done: number,
  count: number,
  all: number,
  withEvents = true,
): Promise<void> {
  await database.query({
    text: `
      with r as materialized (
        select (lpad(to_hex(($1::float8 + $2::float8 * n / $5::float8)::bigint), 12, '0') || '7'
                || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid as id,
               $6::int + n % ${subscriptions} as sub
        from generate_series($3::int, $3::int + $4::int - 1) n),
      e as (
        insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
        select id, 'default', 'application/json', convert_to('"' || repeat('x', 98) || '"', 'UTF8'), array[sub]
        from r where $7::boolean)
      insert into owed (webhook_id, subscription_id, attempt, size_bytes, due_at)
      select id, sub, 2, 100, now() + interval '20 hours' + random() * interval '1 day' from r`,
    values: [from, spanMs, done, count, all, firstId, withEvents],
  })
}
