import type { Queryable } from '../platform/postgres.ts'

interface TokenRow {
  /** Sealed. */
  readonly token: string
  readonly fetchedAt: Date
  readonly expiresAt: Date
}

/** A deletion of the subscription waits for the end of the statement, so that what it writes is deleted, too. */
const stillThere = 'select id from subscriptions where id = $1 for key share'

/** The token that was got with these credentials; undefined: none yet. */
export async function readToken(
  db: Queryable,
  subscriptionId: number,
  fingerprint: string,
): Promise<TokenRow | undefined> {
  const { rows } = await db.query<TokenRow>({
    text: `select token, fetched_at as "fetchedAt", expires_at as "expiresAt" from oauth_tokens
           where subscription_id = $1 and fingerprint = $2 and token is not null`,
    values: [subscriptionId, fingerprint],
  })
  return rows[0]
}

/** Takes it on to fetch a token, unless somebody else has. @returns whether it is the caller's now */
export async function claimToken(
  db: Queryable,
  subscriptionId: number,
  fingerprint: string,
  forMs: number,
): Promise<boolean> {
  const { rows } = await db.query({
    text: `
      insert into oauth_tokens as t (subscription_id, fingerprint, fetching_until)
      select id, $2, now() + $3 * interval '1 millisecond' from (${stillThere}) as s
      on conflict (subscription_id) do update
        set fingerprint = excluded.fingerprint, fetching_until = excluded.fetching_until,
            token = case when t.fingerprint = excluded.fingerprint then t.token end
        where t.fingerprint <> excluded.fingerprint or t.fetching_until is null or t.fetching_until < now()
      returning subscription_id`,
    values: [subscriptionId, fingerprint, forMs],
  })
  return rows.length > 0
}

export async function writeToken(
  db: Queryable,
  subscriptionId: number,
  fingerprint: string,
  { token, fetchedAt, expiresAt }: { token: string; fetchedAt: number; expiresAt: number },
): Promise<void> {
  await db.query({
    text: `
      insert into oauth_tokens (subscription_id, fingerprint, token, fetched_at, expires_at)
      select id, $2, $3, $4, $5 from (${stillThere}) as s
      on conflict (subscription_id) do update
        set fingerprint = $2, token = $3, fetched_at = $4, expires_at = $5, fetching_until = null`,
    values: [subscriptionId, fingerprint, token, new Date(fetchedAt), new Date(expiresAt)],
  })
}

export async function giveUpToken(db: Queryable, subscriptionId: number, fingerprint: string): Promise<void> {
  await db.query({
    text: 'update oauth_tokens set fetching_until = null where subscription_id = $1 and fingerprint = $2',
    values: [subscriptionId, fingerprint],
  })
}

/** To be called when the subscriptions are deleted. */
export async function deleteTokens(db: Queryable, subscriptionIds: readonly number[]): Promise<void> {
  await db.query({
    text: 'delete from oauth_tokens where subscription_id = any($1::int[])',
    values: [[...subscriptionIds]],
  })
}

/** @param prefix what begins those that stay */
export async function dropTokensSealedOtherwise(tx: Queryable, prefix: string): Promise<void> {
  await tx.query({
    text: 'delete from oauth_tokens where token is not null and token not like $1',
    values: [`${prefix}%`],
  })
}
