import type { Queryable } from '../platform/postgres.ts'
import { noteFailing, noteResumed, noteStates } from '../system-facts/facts.ts'
import type { SubscriptionState } from './schema.ts'
import { columns, notifyChange, only, type SubscriptionRow } from './store.ts'

/** A change of the state of a subscription, that the service makes by itself. */
export interface StateMove {
  readonly id: number
  /** It is made when the state is one of these. */
  readonly from: readonly SubscriptionState[]
  readonly to: SubscriptionState
  /** In words for people. */
  readonly reason: string | null
  /** There was a success since the last failure that was written: it fails since now. */
  readonly failsAnew: boolean
}

/** A subscription that was moved: from which state, and since when it was failing (Unix milliseconds), else in that state. */
export interface Moved {
  readonly id: number
  readonly from: SubscriptionState
  readonly since: number
}

/**
 * Moves subscriptions to states, and tells all processes; each of them at most once. `failing_since` is kept until the
 * state is active again. The version stays: it is for those who change the rules, and none was changed. So `state_since`
 * tells which of two states is younger, and grows with each.
 *
 * That a subscription is disabled, or well after it was told to fail, is noted in the same statement (`noteStates`).
 *
 * Rows are locked in the order of ids, so that two processes which move the same ones wait for each other, and not in a
 * circle.
 *
 * @returns those that are moved: that there are, and that were in a state to be moved; in the order of their ids
 */
export async function moveStates(tx: Queryable, moves: readonly StateMove[]): Promise<readonly Moved[]> {
  const { rows } = await tx.query<{ id: number; was: SubscriptionState; since: Date }>({
    text: `
      with wanted as (
        select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::bool[])
          as w (id, origins, target, reason, anew)),
      locked as (
        select id, state as was, state_since as since, failing_since, failing_warned
        from subscriptions where id = any($1::int[]) order by id for update),
      moved as (
        update subscriptions s set
          state = w.target, state_reason = w.reason, updated_at = now(),
          state_since = greatest(clock_timestamp(), s.state_since + interval '1 ms'),
          failing_since = case when w.target = 'active' then null when w.anew then now()
                               else coalesce(s.failing_since, now()) end,
          failing_warned = case when w.target = 'active' or w.anew then 0 else s.failing_warned end
        from wanted w join locked using (id)
        where s.id = w.id and s.state = any(w.origins::text[])
        returning s.id, s.tenant, s.state, s.state_reason as reason),
      changed as (select * from moved join locked using (id)),
      ${noteStates('changed')}
      select id, was, coalesce(failing_since, since) as since, pg_notify('subscriptions', id::text)
      from changed order by id`,
    values: [
      moves.map(({ id }) => id),
      moves.map(({ from }) => `{${from.join(',')}}`),
      moves.map(({ to }) => to),
      moves.map(({ reason }) => reason),
      moves.map(({ failsAnew }) => failsAnew),
    ],
  })
  return rows.map(({ id, was, since }) => ({ id, from: was, since: since.getTime() }))
}

/** A subscription whose receiver has had no success since `failing_since`. */
export interface Failing {
  readonly id: number
  /** Of the time after which it is disabled, in percent. */
  readonly percent: number
  /** The last percentage that was warned of; 0: none. */
  readonly warned: number
}

/** Those that have failed for at least half of the time after which they are disabled. */
export async function readFailing(db: Queryable, disableAfterHours: number): Promise<readonly Failing[]> {
  const { rows } = await db.query<{ id: number; percent: number; failing_warned: number }>({
    text: `
      select id, failing_warned,
             floor(extract(epoch from now() - failing_since) / ($1::float8 * 36))::int as percent
      from subscriptions
      where failing_since < now() - make_interval(secs => $1::float8 * 1800) and state in ('degraded', 'circuit_open')`,
    values: [disableAfterHours],
  })
  return rows.map(row => ({ id: row.id, percent: row.percent, warned: row.failing_warned }))
}

/**
 * Marks that it was warned of, and notes that there is an event to tell of it.
 *
 * @param disableAfterHours as `readFailing` was given it
 * @returns false when another process has warned already, or the receiver fails no more
 */
export async function markWarned(
  db: Queryable,
  id: number,
  percent: number,
  disableAfterHours: number,
): Promise<boolean> {
  const { rows } = await db.query({
    text: `
      with warned as (
        update subscriptions set failing_warned = $2 where id = $1 and failing_warned < $2 and failing_since is not null
        returning id, tenant, failing_since, failing_warned as percent,
          failing_since + make_interval(secs => $3::float8 * 3600) as disabled_at),
      ${noteFailing('warned')}
      select from warned`,
    values: [id, percent, disableAfterHours],
  })
  return rows.length > 0
}

/** A person resumes it: active, and not paused. Its row is locked and there. */
export async function resumeSubscription(tx: Queryable, id: number): Promise<SubscriptionRow> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `
      with before as (select * from subscriptions where id = $1),
      ${noteResumed('before')}
      update subscriptions set
        paused = false, state = 'active', state_reason = null, state_since = now(), updated_at = now(),
        version = version + 1, failing_since = null, failing_warned = 0
      where id = $1
      returning ${columns}`,
    values: [id],
  })
  await notifyChange(tx, id)
  return only(rows)
}
