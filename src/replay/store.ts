import { wakeOrMakeLanes } from '../lanes/wake.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { int4Array, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { ReplayFilter, Selection } from './filter.ts'

/** A delivery by its key. */
export interface DeliveryKey {
  readonly webhookId: Uuid
  readonly subscriptionId: number
}

export type ReplayProgress = 'counting' | 'running' | 'done' | 'cancelled'

export interface ReplayRow {
  readonly id: Uuid
  readonly tenant: string | null
  readonly filter: ReplayFilter
  readonly state: ReplayProgress
  readonly rate_per_second: number | null
  readonly total: number | null
  readonly queued: number
  readonly delivered: number
  readonly failed: number
  readonly skipped: number
  readonly gone: number
  readonly after_webhook_id: Uuid | null
  readonly after_subscription_id: number | null
  readonly created_at: Date
  readonly finished_at: Date | null
}

const columns = `id, tenant, filter, state, rate_per_second, total::float8 as total, queued::float8 as queued,
  delivered::float8 as delivered, failed::float8 as failed, skipped::float8 as skipped, gone::float8 as gone, after_webhook_id,
  after_subscription_id, created_at, finished_at`

/** Makes it, and tells every process at commit. */
export async function insertReplay(
  tx: Queryable,
  replay: Pick<ReplayRow, 'id' | 'tenant' | 'filter' | 'rate_per_second'>,
): Promise<ReplayRow> {
  const { rows } = await tx.query<ReplayRow>({
    text: `insert into replays (id, tenant, filter, rate_per_second) values ($1, $2, $3, $4) returning ${columns}`,
    values: [replay.id, replay.tenant, JSON.stringify(replay.filter), replay.rate_per_second],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an insert answered no row')
  await tx.query({ text: `select pg_notify('replays', $1)`, values: [row.id] })
  return row
}

/** Newest first, from below `before`. */
export async function listReplays(
  db: Queryable,
  tenant: string | null,
  before: Uuid,
  limit: number,
): Promise<readonly ReplayRow[]> {
  const { rows } = await db.query<ReplayRow>({
    text: `select ${columns} from replays where id < $1 and ($2::text is null or tenant = $2)
           order by id desc limit $3`,
    values: [before, tenant, limit],
  })
  return rows
}

export async function readReplay(
  db: Queryable,
  tenant: string | null,
  id: Uuid,
): Promise<ReplayRow | undefined> {
  const { rows } = await db.query<ReplayRow>({
    text: `select ${columns} from replays where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, tenant],
  })
  return rows[0]
}

/** Those that have something to do, the oldest first. */
export async function readOpenReplays(db: Queryable): Promise<readonly ReplayRow[]> {
  const { rows } = await db.query<ReplayRow>({
    name: 'read_open_replays',
    text: `select ${columns} from replays where state in ('counting', 'running') order by id`,
  })
  return rows
}

/**
 * From now on commits of this session do not wait for the disk. A crash of PostgreSQL loses all of a step or nothing: it is made
 * again. What was sent of it and is in the log was written to disk with the log, as commits come there in order.
 *
 * And statements are planned once. To plan those that look into the log took about as long as they did, with 8 partitions of it, and grows with their number; the
 * partitions that do not matter are left out as they are run.
 */
export async function prepareForSteps(session: Queryable): Promise<void> {
  await session.query({ text: 'set synchronous_commit = off; set plan_cache_mode = force_generic_plan' })
}

/** Whether any event was accepted with this id or a later one. */
export async function hasEventsSince(db: Queryable, from: Uuid): Promise<boolean> {
  const { rows } = await db.query({
    name: 'has_events_since',
    text: 'select from events where webhook_id >= $1 limit 1',
    values: [from],
  })
  return rows.length > 0
}

/** Locks the row until the end of the transaction. @returns undefined when it has nothing to do any more */
export async function lockOpenReplay(tx: Queryable, id: Uuid): Promise<ReplayRow | undefined> {
  const { rows } = await tx.query<ReplayRow>({
    name: 'lock_open_replay',
    text: `select ${columns} from replays where id = $1 and state in ('counting', 'running') for update`,
    values: [id],
  })
  return rows[0]
}

export async function setTotal(tx: Queryable, id: Uuid, total: number): Promise<void> {
  await tx.query({
    text: `update replays set total = $2, state = 'running' where id = $1 and state = 'counting'`,
    values: [id, total],
  })
}

/**
 * Nothing more is owed again for it. What is owed already stays. When it is done, what was counted and was not met again is
 * gone: retention took it, or it has ended in another way since.
 */
export async function endReplay(tx: Queryable, id: Uuid, state: 'done' | 'cancelled'): Promise<void> {
  await tx.query({
    text: `update replays set state = $2, finished_at = now(),
             gone = case when $2 = 'done' then greatest(total - queued - skipped, 0) else 0 end
           where id = $1`,
    values: [id, state],
  })
  await tx.query({ text: 'delete from replay_deliveries where replay = $1', values: [id] })
}

/** What was done in a step. */
export interface Progress {
  readonly queued?: number
  readonly skipped?: number
  readonly delivered?: number
  readonly failed?: number
  /** How far it has come. */
  readonly after?: DeliveryKey
}

/** Adds what was done, and remembers how far it has come. */
export async function addProgress(tx: Queryable, id: Uuid, added: Progress): Promise<void> {
  await tx.query({
    name: 'add_progress',
    text: `update replays set queued = queued + $2, delivered = delivered + $3, failed = failed + $4,
             skipped = skipped + $7, total = greatest(total, queued + $2 + skipped + $7), after_webhook_id = coalesce($5, after_webhook_id),
             after_subscription_id = coalesce($6, after_subscription_id)
           where id = $1`,
    values: [
      id,
      added.queued ?? 0,
      added.delivered ?? 0,
      added.failed ?? 0,
      added.after?.webhookId ?? null,
      added.after?.subscriptionId ?? null,
      added.skipped ?? 0,
    ],
  })
}

/** Some deliveries in order of their keys: what was looked at, and those of them that match. */
export interface CandidatePage {
  /** The last that was looked at; undefined: there are no more. */
  readonly last: DeliveryKey | undefined
  /** How many were looked at; an event that is owed to nobody counts as one. */
  readonly looked: number
  readonly matching: readonly Candidate[]
}

export interface Candidate extends DeliveryKey {
  readonly sizeBytes: number
  /** The number of its last attempt. */
  readonly attempt: number
}

/**
 * Looks at up to `limit` deliveries after `after`, in order of their events: dead letters by an index of their own, all
 * others by their events. No filter makes it look at more: where few match, a page is short. Which of them match is
 * decided by the last row of the log of each. What is found is grouped and not joined, as in `takeEnded`.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 */
export async function readCandidates(
  db: Queryable,
  selection: Selection,
  after: DeliveryKey,
  loggedFrom: Uuid,
  limit: number,
): Promise<CandidatePage> {
  const { rows } = await db.query<{
    looked: number
    last_webhook_id: Uuid | null
    last_subscription_id: number | null
    webhook_id: Uuid | null
    subscription_id: number | null
    size_bytes: number | null
    attempt: number | null
  }>({
    name: 'read_candidates',
    text: `
      with looked_at as materialized (${selection.state === 'failed' ? deadLetters : deliveriesOfEvents}),
      page as materialized (select distinct webhook_id, subscription_id from looked_at where may_match),
      ids as materialized (select array(select distinct webhook_id from page) as ids),
      found as (
        select webhook_id, subscription_id, true as is_asked, null::uuid as id,
          null::attempt_verdict as verdict, null::int2 as attempt from page
        union all
        -- The array keeps the planner to the index on webhook_id.
        select webhook_id, subscription_id, false, id, verdict, attempt
        from delivery_logs where webhook_id = any((select ids from ids)::uuid[]) and id >= $8),
      d as (
        select webhook_id, subscription_id,
          (array_agg(verdict order by id desc nulls last))[1] as verdict,
          (array_agg(attempt order by id desc nulls last))[1] as attempt
        from found group by webhook_id, subscription_id having bool_or(is_asked))
      select l.*, d.webhook_id, d.subscription_id, e.size_bytes, d.attempt
      from (
        select (select count(*)::int from looked_at) as looked, (array_agg(webhook_id))[1] as last_webhook_id,
          (array_agg(subscription_id))[1] as last_subscription_id
        from (select webhook_id, subscription_id from looked_at
              order by webhook_id desc, subscription_id desc limit 1) last) l
      left join d on true
      left join lateral (
        select ${ofEvent}, octet_length(payload) as size_bytes from events where webhook_id = d.webhook_id
        union all
        select ${ofEvent}, octet_length(payload) from events_carried where webhook_id = d.webhook_id
        limit 1) e on ${matches}
      order by d.webhook_id, d.subscription_id`,
    values: [
      after.webhookId,
      after.subscriptionId,
      selection.from,
      selection.below,
      selection.subscriptionId,
      selection.tenant,
      selection.eventType,
      loggedFrom,
      limit,
      verdictsOf[selection.state],
      selection.kept,
      timestamptzArray([uuidTime(selection.kept)]),
    ],
  })
  const [end] = rows
  return {
    last:
      end?.last_webhook_id && end.last_subscription_id !== null
        ? { webhookId: end.last_webhook_id, subscriptionId: end.last_subscription_id }
        : undefined,
    looked: end?.looked ?? 0,
    matching: rows.flatMap(row => {
      const { webhook_id: webhookId, subscription_id: subscriptionId, size_bytes: sizeBytes, attempt } = row
      if (webhookId === null || subscriptionId === null || sizeBytes === null || attempt === null) return []
      return [{ webhookId, subscriptionId, sizeBytes, attempt }]
    }),
  }
}

/**
 * The first of the events that were accepted before what is kept, and are kept as they were scheduled for later; undefined:
 * there is none. Hardly any are, so they are found by their times among those that are in their partitions still.
 */
export async function readFirstScheduled(
  db: Queryable,
  { from, kept }: Pick<Selection, 'from' | 'kept'>,
): Promise<Uuid | undefined> {
  const scheduled = 'webhook_id >= $1 and webhook_id < $2 and deliver_at >= ($3::timestamptz[])[1]'
  const { rows } = await db.query<{ webhook_id: Uuid | null }>({
    text: `
      select (array_agg(webhook_id order by webhook_id))[1] as webhook_id from (
        select webhook_id from events where ${scheduled}
        union all
        select webhook_id from events_carried where ${scheduled}) e`,
    values: [from, kept, timestamptzArray([uuidTime(kept)])],
  })
  return rows[0]?.webhook_id ?? undefined
}

const verdictsOf = {
  failed: ['given_up', 'expired'],
  success: ['delivered'],
  any: ['delivered', 'given_up', 'expired', 'cancelled'],
} as const

const ofEvent = 'tenant, event_type, metadata, deliver_at'
const matches = `
  d.verdict = any($10::text[]::attempt_verdict[]) and ($6::text is null or e.tenant = $6)
  and ($7::text is null or e.event_type = $7) and not coalesce(e.metadata ? 'expunged', false)
  and (d.webhook_id >= $11 or e.deliver_at >= ($12::timestamptz[])[1])`

// A delivery that was given up, replayed and given up again has two rows, and is one delivery.
const deadLetters = `
  select webhook_id, subscription_id, $5::int is null or subscription_id = $5 as may_match
  from delivery_logs
  where verdict in ('given_up', 'expired') and (webhook_id, subscription_id) > ($1, $2)
    and webhook_id >= $3 and webhook_id < $4 and id >= $8
  order by webhook_id, subscription_id limit $9`

// Each table in its order and no further than needed: joined to their fan-outs first, both would be read to their ends.
const walked = 'webhook_id, tenant, event_type, subscription_ids'
const inRange = 'webhook_id >= $1 and webhook_id >= $3 and webhook_id < $4'
// No subscription has the number 0: it stands for an event that is owed to nobody, so that these are counted, too.
const deliveriesOfEvents = `
  select e.webhook_id, coalesce(s.id, 0) as subscription_id,
    s.id is not null and ($5::int is null or s.id = $5) and ($6::text is null or e.tenant = $6)
      and ($7::text is null or e.event_type = $7) as may_match
  from (
    select * from (
      (select ${walked} from events where ${inRange} order by webhook_id limit $9 + 1)
      union all
      (select ${walked} from events_carried where ${inRange} order by webhook_id limit $9 + 1)) both_tables
    order by webhook_id limit 2 * ($9 + 1)) e
  left join lateral unnest(e.subscription_ids) as s (id) on true
  where (e.webhook_id, coalesce(s.id, 0)) > ($1, $2)
  order by e.webhook_id, coalesce(s.id, 0) limit $9`

/** SQL for the key that an event was accepted with for a subscription. */
const orderingKeyOf = (webhookId: string, subscriptionId: string) => `(
  select metadata->'ordering_keys'->>(${subscriptionId}::text) from (
    select metadata from events where webhook_id = ${webhookId}
    union all
    select metadata from events_carried where webhook_id = ${webhookId}) e
  limit 1)`

/** What was written into the log since candidates were read has no smaller id than one of this long ago. */
const readWithinMs = 600_000

/**
 * Owes deliveries again, in their lanes, due now: a new run with new attempt numbers. Those that are owed already, those of
 * subscriptions that are gone, and those that have had another attempt since they were read are left as they are. Returns how
 * many are owed now.
 *
 * Whether one is owed is looked at by this statement, as its settlement is: it sees both as they were before, or after. The
 * key of `owed` alone would wait for a settlement that is being committed, and then send once more what was just delivered.
 *
 * @param replay remembers them as its own; null: of no replay
 */
export async function oweAgain(
  tx: Queryable,
  candidates: readonly Candidate[],
  trigger: AttemptTrigger,
  replay: Uuid | null,
): Promise<number> {
  if (candidates.length === 0) return 0
  const { rows } = await tx.query<{ owed: number }>({
    name: 'owe_again',
    text: `
      with rows as (
        select webhook, sub, size, attempt, null::int as newer, false as is_owed
        from unnest($1::uuid[], $2::int[], $3::int[], $4::int[]) as t (webhook, sub, size, attempt)
        union all
        select webhook_id, subscription_id, null, null, attempt, false from delivery_logs
        where webhook_id = any($1::uuid[]) and id >= $7
        union all
        select webhook_id, subscription_id, null, null, null, true from owed where webhook_id = any($1::uuid[])),
      wanted as (
        select webhook, sub, max(size) as size, max(attempt) as attempt from rows group by webhook, sub
        having max(attempt) < 32000 and coalesce(max(newer) <= max(attempt), true) and not bool_or(is_owed)
        order by webhook, sub),
      again as (
        insert into owed (webhook_id, subscription_id, size_bytes, due_at, attempt, replay_from, replayed_at, trigger,
                          ordering_key)
        select webhook, sub, size, now(), attempt + 1, attempt + 1, now(), $5::text::attempt_trigger,
               -- At the end of its key as things are now.
               case when s.ordering_key is not null then ${orderingKeyOf('w.webhook', 'w.sub')} end
        from wanted w cross join lateral (select ordering_key from subscriptions where id = w.sub limit 1) s
        on conflict do nothing
        returning webhook_id, subscription_id, due_at),
      ${wakeOrMakeLanes('again')},
      remembered as (
        insert into replay_deliveries (replay, webhook_id, subscription_id)
        select $6::uuid, webhook_id, subscription_id from again where $6::uuid is not null)
      select count(*)::int as owed from again`,
    values: [
      uuidArray(candidates.map(({ webhookId }) => webhookId)),
      int4Array(candidates.map(({ subscriptionId }) => subscriptionId)),
      int4Array(candidates.map(({ sizeBytes }) => sizeBytes)),
      int4Array(candidates.map(({ attempt }) => attempt)),
      trigger,
      replay,
      uuidLowerBound(Date.now() - readWithinMs),
    ],
  })
  return rows[0]?.owed ?? 0
}

/** How much of a replay is under way. */
export interface UnderWay {
  /** Not ended. */
  readonly open: number
  /** Of these, not attempted yet, in lanes that may be worked on now. */
  readonly waiting: number
}

export async function countUnderWay(db: Queryable, replay: Uuid): Promise<UnderWay> {
  // LATERAL with a limit keeps the planner to probes of keys, as in all that follows.
  const { rows } = await db.query<UnderWay>({
    name: 'count_under_way',
    text: `
      select count(*)::int as open,
             (count(*) filter (where o.attempt = o.replay_from and not l.held
                                 and (l.open_until is null or l.open_until <= now())))::int as waiting
      from replay_deliveries r
      left join lateral (
        select attempt, replay_from from owed
        where webhook_id = r.webhook_id and subscription_id = r.subscription_id limit 1) o on true
      left join lateral (
        select held, open_until from lanes where subscription_id = r.subscription_id limit 1) l on true
      where r.replay = $1`,
    values: [replay],
  })
  return rows[0] ?? { open: 0, waiting: 0 }
}

/**
 * Forgets up to `limit` deliveries of a replay that have ended. What has ended and its last row of the log are grouped together:
 * joined, PostgreSQL expects few rows, and compares each with each.
 *
 * @param loggedFrom no attempt of the replay has a smaller id
 * @returns how they ended
 */
export async function takeEnded(
  tx: Queryable,
  replay: Uuid,
  loggedFrom: Uuid,
  limit: number,
): Promise<{ readonly delivered: number; readonly failed: number }> {
  const { rows } = await tx.query<{ delivered: number; failed: number }>({
    name: 'take_ended',
    text: `
      with ended as materialized (
        select r.ctid, r.webhook_id, r.subscription_id
        from replay_deliveries r
        left join lateral (
          select true as is_owed from owed
          where webhook_id = r.webhook_id and subscription_id = r.subscription_id limit 1) o on true
        where r.replay = $1 and o.is_owed is null limit $3),
      taken as (delete from replay_deliveries where ctid = any(array(select ctid from ended))),
      found as (
        select webhook_id, subscription_id, null::uuid as id, null::attempt_verdict as verdict from ended
        union all
        select webhook_id, subscription_id, id, verdict from delivery_logs
        where webhook_id = any(array(select webhook_id from ended)) and id >= $2),
      last as (
        select bool_or(id is null) as is_ours, (array_agg(verdict order by id desc nulls last))[1] as verdict
        from found group by webhook_id, subscription_id)
      select (count(*) filter (where verdict = 'delivered'))::int as delivered,
             (count(*) filter (where verdict is distinct from 'delivered'))::int as failed
      from last where is_ours`,
    values: [replay, loggedFrom, limit],
  })
  return rows[0] ?? { delivered: 0, failed: 0 }
}

/** An event that is to be sent again. */
export interface ReplayableEvent {
  readonly tenant: string
  readonly sizeBytes: number
  readonly subscriptionIds: readonly number[]
  readonly isExpunged: boolean
  /** Null: it was due when it was accepted. */
  readonly deliverAt: Date | null
}

export async function readReplayableEvent(
  db: Queryable,
  webhookId: Uuid,
): Promise<ReplayableEvent | undefined> {
  const fields = `tenant, octet_length(payload) as "sizeBytes", subscription_ids as "subscriptionIds",
    coalesce(metadata ? 'expunged', false) as "isExpunged", deliver_at as "deliverAt"`
  const { rows } = await db.query<ReplayableEvent>({
    text: `select ${fields} from events where webhook_id = $1
           union all
           select ${fields} from events_carried where webhook_id = $1
           limit 1`,
    values: [webhookId],
  })
  return rows[0]
}

/** The number of the last attempt of each delivery of an event; none for those without one. */
export async function readLastAttempts(
  db: Queryable,
  webhookId: Uuid,
  loggedFrom: Uuid,
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ subscription_id: number; attempt: number }>({
    text: `select subscription_id, max(attempt)::int as attempt from delivery_logs
           where webhook_id = $1 and id >= $2 group by subscription_id`,
    values: [webhookId, loggedFrom],
  })
  return new Map(rows.map(row => [row.subscription_id, row.attempt]))
}

/** Looks at up to `limit` replays behind `after`, and removes those that had ended before a moment (Unix milliseconds). */
export async function deleteFinished(
  db: Queryable,
  before: number,
  after: Uuid,
  limit: number,
): Promise<{ readonly rows: number; readonly last: Uuid | undefined; readonly removed: number }> {
  // What was made later cannot have ended before.
  const { rows } = await db.query<{ rows: number; last: Uuid | null; removed: number }>({
    text: `
      with page as materialized (
        select id, finished_at from replays where id > $1 and id < $2 order by id limit $3),
      removed as (
        delete from replays r using page p where r.id = p.id and p.finished_at < ($4::timestamptz[])[1] returning 1)
      select (select count(*)::int from page) as rows, (select id from page order by id desc limit 1) as last,
        (select count(*)::int from removed) as removed`,
    values: [after, uuidLowerBound(before), limit, timestamptzArray([before])],
  })
  const [page] = rows
  return { rows: page?.rows ?? 0, last: page?.last ?? undefined, removed: page?.removed ?? 0 }
}

/** Those that `deleteFinished` would remove, by tenant. */
export async function countFinished(db: Queryable, before: number): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text: `
      select tenant, count(*)::float8 as rows, sum(pg_column_size(r))::float8 as bytes from replays r
      where id < $1 and finished_at < ($2::timestamptz[])[1] group by tenant`,
    values: [uuidLowerBound(before), timestamptzArray([before])],
  })
  return rows
}

/** Removes up to `limit` replays of a tenant that have come to their end. @returns how many there were */
export async function deleteEndedOf(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from replays where id in (
             select id from replays where tenant = $1 and finished_at is not null limit $2)`,
    values: [tenant, limit],
  })
  return rowCount
}

export async function hasReplays(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({ text: 'select from replays where tenant = $1 limit 1', values: [tenant] })
  return rows.length > 0
}
