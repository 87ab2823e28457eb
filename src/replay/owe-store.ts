import { wakeOrMakeLanes } from '../lanes/wake.ts'
import type { AttemptTrigger } from '../model/delivery.ts'
import { int4Array, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Candidate } from './candidates-store.ts'

// What is sent again: owed once more, under way, and ended.

/** SQL for the key that an event was accepted with for a subscription. */
const orderingKeyOf = (webhookId: string, subscriptionId: string) => `(
  select metadata->'ordering_keys'->>(${subscriptionId}::text) from (
    select metadata from events where webhook_id = ${webhookId}
    union all
    select metadata from events_carried where webhook_id = ${webhookId}) e
  limit 1)`

/**
 * What was written into the log since candidates were read has no smaller id than one of ten minutes ago. By the database's
 * clock, which those of all processes follow: the one of this machine may be ahead.
 */
const writtenSince = `(
  lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 600000), 12, '0') || repeat('0', 20))::uuid`

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
        where webhook_id = any($1::uuid[]) and id >= ${writtenSince}
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

/** How many events were accepted with this id or a later one, up to `most`. */
export async function countEventsSince(db: Queryable, from: Uuid, most: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'count_events_since',
    text: 'select count(*)::int as count from (select from events where webhook_id >= $1 limit $2) e',
    values: [from, most],
  })
  return rows[0]?.count ?? 0
}
