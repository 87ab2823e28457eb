import type { Queryable } from '../platform/postgres.ts'
import { noteCertificates } from '../system-facts/facts.ts'
import { only } from './store.ts'

/** A client certificate that ends soon, or has ended. */
export interface EndingCertificate {
  readonly id: number
  readonly tenant: string
  /** RFC 3339, as stored: such texts are ordered as their times are. */
  readonly expires_at: string
}

/** Those that end until `until`, the first ones first. */
export async function readEndingCertificates(
  db: Queryable,
  until: Date,
  limit: number,
): Promise<readonly EndingCertificate[]> {
  const { rows } = await db.query<EndingCertificate>({
    text: `select id, tenant, auth->>'certificate_expires_at' as expires_at from subscriptions
           where auth ? 'certificate_expires_at' and auth->>'certificate_expires_at' <= $1
           order by auth->>'certificate_expires_at', id limit $2`,
    values: [until.toISOString(), limit],
  })
  return rows
}

/**
 * Notes for system events that certificates end until `until`, and once more that they have ended. The version of the
 * subscription stays, as its owner has changed nothing. @returns how many it noted, at most `limit`
 */
export async function noteEndingCertificates(
  db: Queryable,
  now: Date,
  until: Date,
  limit: number,
): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    text: `
      with ending as (
        select id, auth->>'certificate_expires_at' as expires_at,
          case when auth->>'certificate_expires_at' <= $1 then 2 else 1 end as stage
        from subscriptions
        where auth ? 'certificate_expires_at' and auth->>'certificate_expires_at' <= $2
          and coalesce((auth->>'certificate_warned')::int, 0)
            < case when auth->>'certificate_expires_at' <= $1 then 2 else 1 end
        order by id limit $3
        for update skip locked),
      warned as (
        update subscriptions s set auth = jsonb_set(s.auth, '{certificate_warned}', to_jsonb(e.stage))
        from ending e where s.id = e.id
        returning s.id, s.tenant, e.expires_at, e.stage),
      ${noteCertificates('warned')}
      select count(*)::int as count from warned`,
    values: [now.toISOString(), until.toISOString(), limit],
  })
  return only(rows).count
}
