import { uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { cellKey, cellValues, failedCount, isAttempt, packedCells, successCount } from './counting-sql.ts'
import { minuteMs, type Period } from './steps.ts'
import type { Counted } from './tally.ts'

/** What was counted of one subscription, or of one tenant, in the period that begins at `minute`. */
export interface CountedPeriod extends Counted {
  readonly minute: number
}

export interface CountedSubscription extends CountedPeriod {
  readonly subscription_id: number
}

const countedColumns = `
  c.success::float8 as success, c.failed::float8 as failed, c.given_up::float8 as given_up,
  (extract(epoch from c.last_success_at) * 1000)::float8 as last_success_ms, to_json(c.cells) as cells`

const columnsOf = (periods: readonly Period[]) => [
  periods.map(({ step }) => step),
  periods.map(({ minute }) => minute),
]

/**
 * The rows of some subscriptions in some periods, one probe of the key for each. LATERAL with a limit keeps the planner to that: it takes
 * each probe for two reads from a disk, and beyond some thousands of them would rather read the whole table
 * (`npm run bench:stats` asks for such lists).
 *
 * @param columns of the rows
 */
const ofSubscriptions = (columns: string) => `
  unnest($1::int2[], $2::int4[]) as p (step, minute)
  cross join lateral (
    select ${columns} from subscription_stats
    where step = p.step and minute = p.minute and subscription_id = any($3::int4[]) limit cardinality($3::int4[])) c`

/** The roll-ups of subscriptions in these periods; no row for those without attempts. */
export async function readSubscriptionPeriods(
  db: Queryable,
  ids: readonly number[],
  periods: readonly Period[],
): Promise<readonly CountedSubscription[]> {
  const { rows } = await db.query<CountedSubscription>({
    text: `
      select c.subscription_id, c.minute, ${countedColumns} from ${ofSubscriptions('*')}`,
    values: [...columnsOf(periods), ids],
  })
  return rows
}

/** How many attempts to a subscription succeeded and failed, in the periods that begin at these minutes; in no order. */
export interface CountsOfPeriods {
  readonly subscription_id: number
  readonly minutes: readonly number[]
  readonly success: readonly number[]
  readonly failed: readonly number[]
}

/** Only the counts of these periods: one row for each subscription, as a hundred of them have ten thousand periods in a day. */
export async function readSubscriptionCounts(
  db: Queryable,
  ids: readonly number[],
  periods: readonly Period[],
): Promise<readonly CountsOfPeriods[]> {
  const { rows } = await db.query<CountsOfPeriods>({
    text: `
      select c.subscription_id, json_agg(c.minute) as minutes, json_agg(c.success) as success, json_agg(c.failed) as failed
      from ${ofSubscriptions('subscription_id, minute, success, failed')}
      group by c.subscription_id`,
    values: [...columnsOf(periods), ids],
  })
  return rows
}

/** The roll-ups of a tenant, or of all of them (null). */
export async function readTenantPeriods(
  db: Queryable,
  tenant: string | null,
  periods: readonly Period[],
): Promise<readonly CountedPeriod[]> {
  const { rows } = await db.query<CountedPeriod>({
    text: `
      select c.minute, ${countedColumns}
      from unnest($1::int2[], $2::int4[]) as p (step, minute)
      cross join lateral (
        select * from tenant_stats where step = p.step and minute = p.minute and tenant = $3 limit 1) c`,
    values: [...columnsOf(periods), tenant ?? '*'],
  })
  return rows
}

/** What the log has of the time after the roll-ups. */
export interface Tail {
  readonly counted: readonly CountedSubscription[]
  /** False: there was more than may be read for an answer, and nothing of it is in `counted`. */
  readonly isWhole: boolean
}

/** At most this many rows of the log are read for an answer; each takes about a microsecond. */
const tailRowsMax = 10_000

/** The tail is at most this long; where it is longer, roll-ups are behind, and what they lack is not read for an answer. */
const tailMinutesMax = 60

/** Of these subscriptions. */
export function readTailOf(
  db: Queryable,
  ids: readonly number[],
  from: number,
  until: number,
): Promise<Tail> {
  const log = `
    select l.* from unnest($5::int4[]) as s (id) cross join lateral (
      select * from delivery_logs where subscription_id = s.id and id >= $3 order by id limit $4) l limit $4`
  return readTail(db, log, [ids], from, until)
}

/**
 * Of a tenant, or of all of them (null). The rows of other tenants are read as well.
 *
 * @param kind `sums`: of all subscriptions together (then they are all under one id, 0); `failures`: failed attempts only, by
 *   subscription
 */
export function readTailOfTenant(
  db: Queryable,
  tenant: string | null,
  from: number,
  until: number,
  kind: 'sums' | 'failures',
): Promise<Tail> {
  const log = 'select * from delivery_logs where id >= $3 order by id limit $4'
  if (kind === 'sums') return readTail(db, log, [], from, until, tenant, '0')
  return readTail(db, log, [], from, until, tenant, 'subscription_id', `status = 'failed'`)
}

async function readTail(
  db: Queryable,
  log: string,
  values: readonly unknown[],
  from: number,
  until: number,
  tenant: string | null = null,
  groupBy = 'subscription_id',
  condition = 'true',
): Promise<Tail> {
  if (until - from > tailMinutesMax) return { counted: [], isWhole: false }
  // Clocks of processes may differ: what is ahead of ours belongs to the last minute.
  const bounds = Array.from({ length: until - from + 1 }, (_, index) =>
    uuidLowerBound((from + index) * minuteMs),
  )
  const next = values.length + 5
  // Clocks of processes may differ: what is ahead of ours belongs to the last minute.
  const mine = `, mine as materialized (
        select id from subscriptions where tenant = $${next + 2} and id = any(array(select distinct subscription_id from log))
        union all
        select id from subscription_tombstones where tenant = $${next + 2} and id = any(array(select distinct subscription_id from log)))`
  const { rows } = await db.query<CountedSubscription & { readonly rows_read: number }>({
    text: `
      with log as materialized (${log})${tenant === null ? '' : mine},
      attempts as (
        select ${groupBy} as subscription_id, $${next}::int4 - 1 + width_bucket(id, $${next + 1}::uuid[]) as minute, ${cellKey} as key,
          count(*) as n, count(*) filter (where verdict = 'given_up') as given_up,
          max("timestamp") filter (where status = 'success') as last_success_at
        from log
        where ${isAttempt} and ${condition} ${tenant === null ? '' : 'and subscription_id in (select id from mine)'}
        group by 1, 2, 3),
      c as (
        select subscription_id, minute, ${successCount} as success, ${failedCount} as failed, sum(given_up) as given_up,
          max(last_success_at) as last_success_at, ${packedCells} as cells
        from attempts group by subscription_id, minute)
      select r.rows_read, c.subscription_id, c.minute, ${countedColumns}
      from (select count(*)::int4 as rows_read from log) r left join c on true`,
    values: [
      ...cellValues,
      uuidLowerBound(from * minuteMs),
      tailRowsMax + 1,
      ...values,
      from,
      bounds,
      ...(tenant === null ? [] : [tenant]),
    ],
  })
  const isWhole = (rows[0]?.rows_read ?? 0) <= tailRowsMax
  return { counted: isWhole ? rows.filter(row => row.minute !== null) : [], isWhole }
}

/** How often attempts to a subscription have failed. */
export interface Failing {
  readonly subscription_id: number
  readonly failed: number
}

/**
 * The subscriptions with most failed attempts, most first. Reads those that fail, and no others.
 *
 * @param tenant null: of all tenants
 * @param more failed attempts that are not in the roll-ups yet
 */
export async function readFailing(
  db: Queryable,
  tenant: string | null,
  periods: readonly Period[],
  more: readonly Failing[],
  limit: number,
): Promise<readonly Failing[]> {
  const { rows } = await db.query<Failing>({
    text: `
      with counted as (
        select c.subscription_id, sum(c.failed) as failed
        from unnest($1::int2[], $2::int4[]) as p (step, minute)
        cross join lateral ( -- the planner may not turn it into a scan of the table, as above
          select subscription_id, failed from subscription_stats
          where step = p.step and minute = p.minute and failed > 0 offset 0) c
        group by c.subscription_id
        union all
        select * from unnest($3::int4[], $4::int8[]) as m (subscription_id, failed)),
      summed as (select subscription_id, sum(failed)::float8 as failed from counted group by subscription_id)
      select c.subscription_id, c.failed from summed c join subscriptions s on s.id = c.subscription_id
      where $5::text is null or s.tenant = $5
      order by c.failed desc, c.subscription_id limit $6`,
    values: [
      ...columnsOf(periods),
      more.map(row => row.subscription_id),
      more.map(row => row.failed),
      tenant,
      limit,
    ],
  })
  return rows
}

/** What a list says of a subscription besides its figures. */
export interface Head {
  readonly id: number
  readonly uid: string | null
  readonly tenant: string
  readonly target_url: string
  readonly state: string
}

/** Those of the ids that there are for this tenant (null: for all). */
export async function readHeads(
  db: Queryable,
  tenant: string | null,
  ids: readonly number[],
): Promise<readonly Head[]> {
  const { rows } = await db.query<Head>({
    text: `select id, uid, tenant, target_url, state from subscriptions
           where id = any($1::int4[]) and ($2::text is null or tenant = $2)`,
    values: [ids, tenant],
  })
  return rows
}

/** What is owed and waits in lanes. */
export interface Waiting {
  /** At most the limit. */
  readonly count: number
  /** The oldest of those that are due (Unix milliseconds); null: none is. */
  readonly oldest_due_ms: number | null
  /** False: there may be more. */
  readonly is_whole: boolean
}

const oldestDue = `(extract(epoch from min(due_at) filter (where due_at <= to_timestamp($2::float8 / 1000))) * 1000)::float8`

export async function readWaiting(
  db: Queryable,
  subscriptionId: number,
  now: number,
  limit: number,
): Promise<Waiting> {
  const { rows } = await db.query<Waiting>({
    text: `
      select least(count(*), $3)::int4 as count, ${oldestDue} as oldest_due_ms, count(*) <= $3 as is_whole
      from (
        select due_at from owed o where o.subscription_id + 0 = $1 and o.owner is null order by due_at limit $3 + 1) w`,
    values: [subscriptionId, now, limit],
  })
  return rows[0] ?? { count: 0, oldest_due_ms: null, is_whole: true }
}

/** Of up to `limit` subscriptions of a tenant, those whose lanes say that something may wait. */
export async function readWaitingOfTenant(
  db: Queryable,
  tenant: string,
  now: number,
  limit: number,
): Promise<Waiting> {
  const { rows } = await db.query<Waiting>({
    text: `
      with own as materialized (select id from subscriptions where tenant = $1 order by id limit $3 + 1),
      busy as materialized (
        select l.subscription_id as id from own join lanes l on l.subscription_id = own.id
        where l.due_at is not null or l.owner is not null or l.held),
      oldest as (
        select ${oldestDue} as oldest_due_ms from busy cross join lateral (
          select due_at from owed o where o.subscription_id + 0 = busy.id and o.owner is null order by due_at limit 1) f),
      counted as (
        select count(*) as count from (
          select from busy cross join lateral (
            select from owed o where o.subscription_id + 0 = busy.id and o.owner is null limit $3 + 1) w
          limit $3 + 1) w)
      select least(count, $3)::int4 as count, oldest_due_ms,
        count <= $3 and (select count(*) from own) <= $3 as is_whole
      from counted cross join oldest`,
    values: [tenant, now, limit],
  })
  return rows[0] ?? { count: 0, oldest_due_ms: null, is_whole: true }
}
