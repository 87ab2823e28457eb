import type { Queryable } from '../platform/postgres.ts'

/** Asks all processes to say often how far they have written. */
export async function askForHorizon(db: Queryable, channel: string, id: number): Promise<void> {
  await db.query({ name: 'ask_for_horizon', text: 'select pg_notify($1, $2::text)', values: [channel, id] })
}

/** @param since from when on it has ids without rows (Unix milliseconds) */
export async function sayUnwritten(db: Queryable, id: number, since: number): Promise<void> {
  await db.query({
    name: 'say_unwritten',
    text: 'update processes set unwritten_from = to_timestamp($2::float8 / 1000) where id = $1',
    values: [id, since],
  })
}

/**
 * From when on rows may be missing that other processes write (Unix milliseconds); at the latest now.
 *
 * Ids that are made in SQL are made after their statement has written something, so it has a transaction id by then, and is
 * seen to run. What died processes had begun is over when nothing runs any more that is older than their death. A process
 * of a release that does not say how far it has written is taken to be as late as can be.
 */
export async function readHorizon(db: Queryable, ownId: number): Promise<number> {
  const { rows } = await db.query<{ ms: number }>({
    name: 'read_horizon',
    text: `
      with running as materialized (
        select xact_start, backend_xid is not null as writes from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
          and application_name like 'webhooks %')
      select (extract(epoch from least(
        statement_timestamp(),
        (select min(coalesce(unwritten_from, statement_timestamp() - interval '20 s')) from processes where id <> $1),
        (select min(coalesce(unwritten_from, died_at - interval '20 s')) from dead_processes d
         where exists (select from running where xact_start < d.died_at)),
        (select min(xact_start) from running where writes)
      )) * 1000)::float8 as ms`,
    values: [ownId],
  })
  return Math.floor(rows[0]?.ms ?? 0)
}
