import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'
import type { Troubles } from '../platform/troubles.ts'
import {
  type EndingCertificate,
  noteEndingCertificates,
  readEndingCertificates,
} from './certificate-review-store.ts'

export interface CertificateReviewDeps {
  readonly database: Database
  readonly clock: Clock
  readonly troubles: Troubles
}

/** How long before its end a client certificate is warned of. */
const warnMs = 14 * 86_400_000

/** Troubles that are told of at a time; system events are made of all. */
const toldMax = 20
const notedAtOnce = 100

/**
 * Makes what looks, from time to time, for client certificates of subscriptions that end soon or have ended: their owners
 * hear of it by a system event, operators see it among the troubles.
 */
export function reviewCertificates({
  database,
  clock,
  troubles,
}: CertificateReviewDeps): () => Promise<void> {
  let told = new Set<string>()
  return async () => {
    const now = clock.now()
    const until = new Date(now + warnMs)
    while ((await noteEndingCertificates(database, new Date(now), until, notedAtOnce)) === notedAtOnce);
    const ending = await readEndingCertificates(database, until, toldMax)
    const present = new Set(ending.map(({ id }) => String(id)))
    for (const subject of told) if (!present.has(subject)) troubles.ended('certificate', subject)
    for (const one of ending) tell(troubles, one)
    told = present
  }
}

function tell(troubles: Troubles, { id, tenant, expires_at: expiresAt }: EndingCertificate): void {
  troubles.began({
    ...{ kind: 'certificate', subject: String(id), level: 'warn' },
    message: `the client certificate of subscription ${id} of tenant ${tenant} ends at ${expiresAt}; then its receiver refuses deliveries`,
    over: `the client certificate of subscription ${id} was replaced`,
    counts: 'looks',
    fields: { subscription_id: id, expires_at: expiresAt },
  })
}
