import type { Queryable } from '../platform/postgres.ts'

export interface SessionRow {
  readonly hash: Buffer
  readonly keyId: number
  readonly expiresAt: Date
}

export async function insertSession(db: Queryable, { hash, keyId, expiresAt }: SessionRow): Promise<void> {
  await db.query({
    text: 'insert into ui_sessions (hash, key_id, expires_at) values ($1, $2, $3)',
    values: [hash, keyId, expiresAt],
  })
}

/** @param hash SHA-256, in lower-case hex. @returns undefined when there is none that has not expired */
export async function readSessionKey(db: Queryable, hash: string, now: Date): Promise<number | undefined> {
  const { rows } = await db.query<{ key_id: number }>({
    text: `select key_id from ui_sessions where hash = decode($1, 'hex') and expires_at > $2`,
    values: [hash, now],
  })
  return rows[0]?.key_id
}

/** @param hash SHA-256, in lower-case hex. @returns whether there was one */
export async function deleteSession(db: Queryable, hash: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `delete from ui_sessions where hash = decode($1, 'hex')`,
    values: [hash],
  })
  return rowCount > 0
}

/** Removes up to `limit` that have expired. @returns how many there were */
export async function deleteExpiredSessions(db: Queryable, now: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from ui_sessions where hash in (
             select hash from ui_sessions where expires_at <= $1 order by expires_at limit $2 for update skip locked)`,
    values: [now, limit],
  })
  return rowCount
}
