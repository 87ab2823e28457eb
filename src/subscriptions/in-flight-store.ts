import type { FoundInFlight, InFlightReason } from '../model/in-flight.ts'
import type { Queryable } from '../platform/postgres.ts'

/** What was found is no use any more after this: the receiver may be another one by then. */
const keptFor = `interval '5 minutes'`

/** Rows of one statement. */
const batchMax = 1000

/** Writes what a process has found out, subscription by subscription. */
export async function writeFound(
  db: Queryable,
  process: number,
  found: ReadonlyMap<number, FoundInFlight>,
): Promise<void> {
  const all = [...found].sort(([one], [other]) => one - other)
  for (let from = 0; from < all.length; from += batchMax) {
    const rows = all.slice(from, from + batchMax)
    await db.query({
      text: `
        insert into in_flight_limits (subscription_id, process, found, reason)
        select id, $1, found, reason from unnest($2::int[], $3::int[], $4::text[]) as t (id, found, reason)
        on conflict (subscription_id, process)
          do update set found = excluded.found, reason = excluded.reason, updated_at = now()`,
      values: [
        process,
        rows.map(([id]) => id),
        rows.map(([, { limit }]) => limit),
        rows.map(([, { reason }]) => reason),
      ],
    })
  }
}

/** Removes what is no use any more. */
export async function deleteOld(db: Queryable): Promise<void> {
  await db.query({ text: `delete from in_flight_limits where updated_at < now() - ${keptFor}` })
}

/** What processes have found lately: for each subscription how many in flight, of one process on average. */
export async function readFound(db: Queryable): Promise<ReadonlyMap<number, number>> {
  const { rows } = await db.query<{ id: number; found: number }>({
    text: `select subscription_id as id, greatest(1, round(avg(found)))::int as found from in_flight_limits
           where updated_at > now() - ${keptFor} group by subscription_id`,
  })
  return new Map(rows.map(({ id, found }) => [id, found]))
}

/** How many in flight one subscription has now, over all processes that live, and why it has them where most are. */
export interface InFlightNow extends FoundInFlight {
  readonly updatedAt: Date
}

export async function readInFlight(db: Queryable, subscriptionId: number): Promise<InFlightNow | undefined> {
  const { rows } = await db.query<{ found: number; reason: InFlightReason; updated_at: Date }>({
    text: `select found, reason, updated_at from in_flight_limits l
           where subscription_id = $1 and updated_at > now() - ${keptFor}
             and exists (select from processes where id = l.process)
           order by found desc`,
    values: [subscriptionId],
  })
  const [first] = rows
  if (!first) return undefined
  return {
    limit: rows.reduce((sum, { found }) => sum + found, 0),
    reason: first.reason,
    updatedAt: new Date(Math.max(...rows.map(row => row.updated_at.getTime()))),
  }
}
