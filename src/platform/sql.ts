import type { Queryable } from './postgres.ts'

/**
 * Session settings for a connection that runs only the few statements of the path. Their plans are fixed: index probes
 * by key, whatever the size of the tables and the statistics. Without them the planner reads all of `owed` for a batch
 * while it takes the table for small, which is slow once there is a backlog. It would also plan each execution again.
 */
export const fixedPlans =
  'set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off; ' +
  'set enable_mergejoin = off; set jit = off'

/**
 * Session settings for a connection that walks through a table beside the path. Each statement is planned for its values,
 * and reads a range of an index in the index's order: never the whole table, and never the whole rest of the range to sort
 * it, which is what the planner does while the statistics still take a table of millions of rows for empty. What joins such
 * a batch to its table again does so by `ctid`, or names the range again, for the same reason.
 */
export const rangePlans = 'set enable_seqscan = off; set enable_bitmapscan = off; set jit = off'

/**
 * The same for the rest of a transaction: for lists that people ask for, on connections that do other things, too.
 *
 * @param tx an open transaction
 */
export async function planByIndexes(tx: Queryable): Promise<void> {
  await tx.query({
    text: 'set local enable_seqscan = off; set local enable_bitmapscan = off; set local jit = off',
  })
}

/** SQL for a UUIDv7 of the database's present time (PostgreSQL has a function for it only since 18). */
export const uuidV7Now = `(
  lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
  || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14, 19))::uuid`
