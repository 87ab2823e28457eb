import type { Queryable } from '../platform/postgres.ts'

/** Whether there is such a tenant. */
export async function isTenant(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>({
    text: 'select exists (select from tenants where id = $1) as there',
    values: [tenant],
  })
  return rows[0]?.there === true
}

/** The id of the subscription that its tenant calls by this name; undefined when there is none. */
export async function readIdOfUid(db: Queryable, tenant: string, uid: string): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    text: 'select id from subscriptions where tenant = $1 and uid = $2',
    values: [tenant, uid],
  })
  return rows[0]?.id
}
