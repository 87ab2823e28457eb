import type { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'

/** A portal token as it is checked. */
export interface TokenRow {
  readonly id: number
  /** SHA-256 of the token, in lower-case hex. */
  readonly hash: string
  readonly tenant: string
  readonly read_only: boolean
  readonly expires_at: Date
}

const checked = `id, encode(hash, 'hex') as hash, tenant, read_only, expires_at`

/** All tokens that have not expired. */
export async function readTokens(db: Queryable): Promise<readonly TokenRow[]> {
  const { rows } = await db.query<TokenRow>({
    text: `select ${checked} from portal_tokens where expires_at > now()`,
  })
  return rows
}

export async function readTokenToCheck(db: Queryable, id: number): Promise<TokenRow | undefined> {
  const { rows } = await db.query<TokenRow>({
    text: `select ${checked} from portal_tokens where id = $1`,
    values: [id],
  })
  return rows[0]
}

/** @param hash SHA-256, in lower-case hex */
export async function readTokenByHash(db: Queryable, hash: string): Promise<TokenRow | undefined> {
  const { rows } = await db.query<TokenRow>({
    text: `select ${checked} from portal_tokens where hash = decode($1, 'hex')`,
    values: [hash],
  })
  return rows[0]
}

export interface NewToken {
  readonly hash: Buffer
  readonly tenant: string
  readonly readOnly: boolean
  readonly views: readonly string[] | null
  readonly expiresAt: Date
}

/** @returns its id */
export async function insertToken(tx: Queryable, token: NewToken): Promise<number> {
  const { rows } = await tx.query<{ id: number }>({
    text: `insert into portal_tokens (hash, tenant, read_only, views, expires_at)
           values ($1, $2, $3, $4, $5) returning id`,
    values: [token.hash, token.tenant, token.readOnly, token.views, token.expiresAt],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an insert answered no row')
  return row.id
}

/** Null: all; undefined: there is no such token. */
export async function readViews(db: Queryable, id: number): Promise<readonly string[] | null | undefined> {
  const { rows } = await db.query<{ views: string[] | null }>({
    text: 'select views from portal_tokens where id = $1',
    values: [id],
  })
  return rows[0]?.views
}

/** @returns whose it was; undefined: there was none */
export async function deleteToken(tx: Queryable, reach: Reach, id: number): Promise<string | undefined> {
  const { rows } = await tx.query<{ tenant: string }>({
    text: 'delete from portal_tokens where id = $1 and ($2::text is null or tenant = $2) returning tenant',
    values: [id, reach.tenant],
  })
  return rows[0]?.tenant
}

/** Removes up to `limit` tokens that have expired. @returns how many there were */
export async function deleteExpired(db: Queryable, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from portal_tokens where id in (
             select id from portal_tokens where expires_at < now() order by expires_at limit $1 for update skip locked)`,
    values: [limit],
  })
  return rowCount
}
