/**
 * Session settings for a connection that runs only the statements of the path, again and again. Their plans are known:
 * index probes by key, however large or small the tables are and whatever the statistics say. Left to itself the
 * planner reads all of `owed` for a batch when it believes the table small, which a backlog then makes it pay for;
 * and it plans anew what it has planned a thousand times.
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

/** SQL for a UUIDv7 of the database's present time (PostgreSQL has a function for it only since 18). */
export const uuidV7Now = `(
  lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
  || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14, 19))::uuid`
