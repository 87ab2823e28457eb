import type { Queryable } from '../platform/postgres.ts'
import type { SealedField } from './rules.ts'
import type { SubscriptionValues } from './store.ts'

/** All that is sealed in a row. */
export interface SealedRow extends Pick<SubscriptionValues, SealedField> {
  readonly id: number
}

/**
 * Locks the next rows with a sealed value that does not begin with `prefix`, in order of id, from above `after`. All
 * calls together read the whole table. It is small, and this runs only when an operator asks for it.
 */
export async function lockSealedOtherwise(
  tx: Queryable,
  prefix: string,
  after: number,
  limit: number,
): Promise<readonly SealedRow[]> {
  const { rows } = await tx.query<SealedRow>({
    text: `select id, secret, signing_secrets, signing_key_pairs, headers, auth, nullif(inbound, '{}'::jsonb) as inbound
           from subscriptions
           where id > $1
             and (secret not like $2
               or exists (select from jsonb_array_elements(signing_secrets || signing_key_pairs) as item
                          where item->>'sealed' not like $2)
               or exists (select from jsonb_array_elements_text(inbound -> 'secrets') as secret where secret not like $2)
               or exists (select from jsonb_each_text(headers) as header where header.value not like $2)
               or exists (select from jsonb_each_text(auth->'sealed') as one where one.value not like $2))
           order by id
           limit $3
           for update`,
    values: [after, `${prefix}%`, limit],
  })
  return rows
}

/** Keeps the version: nothing that a caller can see has changed. */
export async function updateSealed(tx: Queryable, row: SealedRow): Promise<void> {
  await tx.query({
    text: `update subscriptions set secret = $2, signing_secrets = $3, signing_key_pairs = $4, headers = $5, auth = $6,
             inbound = coalesce($7::jsonb, '{}')
           where id = $1`,
    values: [
      row.id,
      row.secret,
      JSON.stringify(row.signing_secrets),
      JSON.stringify(row.signing_key_pairs),
      JSON.stringify(row.headers),
      row.auth === null ? null : JSON.stringify(row.auth),
      row.inbound === null ? null : JSON.stringify(row.inbound),
    ],
  })
}
