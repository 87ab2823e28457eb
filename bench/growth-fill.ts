import { uuidLowerBound } from '../src/platform/id.ts'
import type { Database } from '../src/platform/postgres.ts'
import { pause, settle, type World } from './growth-world.ts'

const hourMs = 3_600_000

/** Hours of the log that are filled. Less than its retention, which would drop the oldest in the middle of a run. */
const logHours = 66

/** How long the service may take to read all subscriptions again. */
const readMsMax = 120_000

/**
 * Makes subscriptions without events, by SQL: by the API it would take minutes. They have no signing secrets, because each
 * would have to be sealed. Then the service is made to read all of them.
 */
export async function fillSubscriptions({ database }: World, count: number): Promise<void> {
  if (count <= 0) return
  await database.query({
    text: `
      with s as (
        insert into subscriptions (target_url, signing_secrets)
        select 'http://127.0.0.1:9/' || n, '[]' from generate_series(1, $1::int) n returning id)
      insert into lanes (subscription_id) select id from s`,
    values: [count],
  })
  await settle(database, ['subscriptions', 'lanes'])
  const readBefore = await readsOf(database)
  // A connection that was lost may have missed changes: when it is back the service reads all subscriptions.
  await database.query({
    text: `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'webhooks % control'`,
  })
  const deadline = performance.now() + readMsMax
  while ((await readsOf(database)) < readBefore + count) {
    if (performance.now() > deadline) throw new Error(`The service has not read ${count} subscriptions.`)
    await pause(500)
  }
  await pause(2000) // for garbage collection after reading
}

async function readsOf(database: Database): Promise<number> {
  const { rows } = await database.query<{ reads: number }>({
    text: `select (coalesce(idx_tup_fetch, 0) + seq_tup_read)::float8 as reads from pg_stat_user_tables
           where relname = 'subscriptions'`,
  })
  return rows[0]?.reads ?? 0
}

/** Deliveries of all subscriptions but the first that have failed once, and are to be tried again in 1 to 25 hours. */
export async function fillRetries({ database }: World, count: number): Promise<void> {
  const step = 100_000
  for (let done = 0; done < count; done += step) {
    await database.query({
      text: `
        with s as (select array_agg(id) as ids from subscriptions where target_url like 'http://127.0.0.1:9/%'),
        e as (
          insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
          select uuidv7(), 'default', 'application/json', convert_to('"' || repeat('x', 498) || '"', 'UTF8'),
                 array[ids[1 + n % cardinality(ids)]]
          from s, generate_series(1, $1::int) n
          returning webhook_id, subscription_ids)
        insert into owed (webhook_id, subscription_id, attempt, size_bytes, due_at)
        select webhook_id, subscription_ids[1], 2, 500, now() + interval '1 hour' + random() * interval '1 day' from e`,
      values: [Math.min(step, count - done)],
    })
  }
  await database.query({
    text: `
      update lanes l set due_at = o.due_at
      from (select subscription_id, min(due_at) as due_at from owed where owner is null group by 1) o
      where l.subscription_id = o.subscription_id`,
  })
  await settle(database, ['owed', 'events', 'lanes'])
}

/** Attempts of the last days: as many in each hour. Whole hours are filled first and indexed then, which is faster. */
export async function fillLog(world: World, count: number): Promise<void> {
  const { database } = world
  const { rows } = await database.query<{ ms: number }>({
    text: `select (extract(epoch from date_trunc('hour', now())) * 1000)::float8 as ms`,
  })
  const thisHour = rows[0]?.ms ?? 0
  for (let hour = 1; hour <= logHours; hour++) {
    const from = thisHour - (hour + 1) * hourMs // the service has made one for the last hour
    const part = Math.floor((count * hour) / logHours) - Math.floor((count * (hour - 1)) / logHours)
    await fillHour(database, from, part)
    if (hour % 11 === 0) console.error(`log: ${hour} of ${logHours} hours filled`)
  }
  await settle(database, ['delivery_logs'])
}

async function fillHour(database: Database, from: number, count: number): Promise<void> {
  const name = `delivery_logs_${new Date(from).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')}`
  // Made of digits only; unlogged, because nobody needs these rows after a crash.
  await database.query({
    text: `create unlogged table ${name} (like delivery_logs including defaults including constraints)`,
  })
  await database.query({
    text: `
      insert into ${name} (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, http_status, duration_ms)
      select uuidv7(shift), 1 + n % 1000, uuidv7(shift - interval '1 second'), now() + shift, 1, 'success', 'delivered', 200, 12
      from (
        select n, to_timestamp($1::float8 / 1000) - now() + interval '55 minutes' * (n::float8 / $2::int) + interval '2 s'
          as shift
        from generate_series(1, $2::int) n) t`,
    values: [from, count],
  })
  const bounds = `('${uuidLowerBound(from)}') to ('${uuidLowerBound(from + hourMs)}')`
  await database.query({
    text: `alter table delivery_logs attach partition ${name} for values from ${bounds}`,
  })
}
