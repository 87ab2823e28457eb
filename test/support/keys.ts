import { hash, randomBytes } from 'node:crypto'
import type { KeyScope } from '../../src/model/caller.ts'
import type { Queryable } from '../../src/platform/postgres.ts'

export async function aTenant(db: Queryable, id: string): Promise<void> {
  await db.query({ text: 'insert into tenants (id, name) values ($1, $1)', values: [id] })
}

/** Makes a key without asking anybody. @param tenant null: of all tenants. @returns the key itself */
export async function aKey(
  db: Queryable,
  scope: KeyScope,
  tenant: string | null = null,
  name = `${scope} of ${tenant ?? 'all'}`,
): Promise<string> {
  const key = `whk_${randomBytes(32).toString('base64url')}`
  await db.query({
    text: 'insert into api_keys (name, hash, prefix, scopes, tenant) values ($1, $2, $3, $4, $5)',
    values: [name, Buffer.from(hash('sha256', key), 'hex'), key.slice(0, 8), [scope], tenant],
  })
  return key
}

/** Makes a portal token without asking anybody. @returns the token itself and its id */
export async function aPortalToken(
  db: Queryable,
  tenant: string,
  readOnly = false,
): Promise<{ readonly token: string; readonly id: number }> {
  const token = `whp_${randomBytes(32).toString('base64url')}`
  const { rows } = await db.query<{ id: number }>({
    text: `insert into portal_tokens (hash, tenant, read_only, expires_at)
           values ($1, $2, $3, now() + interval '1 hour') returning id`,
    values: [Buffer.from(hash('sha256', token), 'hex'), tenant, readOnly],
  })
  return { token, id: rows[0]?.id ?? 0 }
}
