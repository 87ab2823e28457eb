import type { Queryable } from '../platform/postgres.ts'

/** The id of the subscription that its tenant calls by this name; undefined when there is none. */
export async function readIdOfUid(db: Queryable, tenant: string, uid: string): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    text: 'select id from subscriptions where tenant = $1 and uid = $2',
    values: [tenant, uid],
  })
  return rows[0]?.id
}
