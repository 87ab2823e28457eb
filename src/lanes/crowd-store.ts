import { timestamptzArray } from '../platform/binary-array.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { LeasedLane } from './store.ts'

/**
 * Leases up to `limit` lanes that have become due after `since`, the newest first: the other end of the index that
 * `leaseLanes` reads, so neither pays for what waits in between.
 */
export async function leaseNewLanes(
  db: Queryable,
  owner: number,
  since: number,
  now: number,
  limit: number,
): Promise<readonly LeasedLane[]> {
  const { rows } = await db.query<LeasedLane>({
    name: 'lease_new_lanes',
    text: `
      with free as (
        select subscription_id, due_at from lanes
        where owner is null and not held and due_at > ($2::timestamptz[])[1] and due_at <= ($3::timestamptz[])[1]
          and (open_until is null or open_until <= ($3::timestamptz[])[1])
        order by due_at desc limit $4 for no key update skip locked)
      update lanes l set owner = $1, due_at = 'infinity' from free
      where l.subscription_id = free.subscription_id
      returning l.subscription_id as "subscriptionId", (extract(epoch from free.due_at) * 1000)::float8 as "dueAt"`,
    values: [owner, timestamptzArray([since]), timestamptzArray([now]), limit],
  })
  return rows
}

/** All lanes that are leased to a process, as they are stored. */
export async function readLeased(db: Queryable, owner: number): Promise<readonly number[]> {
  const { rows } = await db.query<{ subscription_id: number }>({
    name: 'read_leased',
    text: 'select subscription_id from lanes where owner = $1',
    values: [owner],
  })
  return rows.map(row => row.subscription_id)
}
