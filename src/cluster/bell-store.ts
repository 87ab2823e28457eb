import type { Queryable } from '../platform/postgres.ts'

/** Rings for the processes that look after lanes. */
export async function notifyLanes(db: Queryable, channel: string): Promise<void> {
  await db.query({ name: 'notify_lanes', text: `select pg_notify($1, '')`, values: [channel] })
}
