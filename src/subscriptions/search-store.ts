import type { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { SubscriptionState } from './schema.ts'
import { columns, type SubscriptionRow } from './store.ts'

/** Which subscriptions; what is left out is not asked about. */
export interface SubscriptionFilter {
  readonly state?: SubscriptionState | undefined
  /** A part of the uid, the address or the description, whatever its case; or the whole id. */
  readonly q?: string | undefined
  /** Those that want events of this type. */
  readonly eventType?: string | undefined
}

/** The id of the last of `limit` that a look below `before` reads; undefined: there are fewer. By the index of ids. */
export async function readEndOfLook(
  db: Queryable,
  reach: Reach,
  before: number,
  limit: number,
): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number | null }>({
    text: `select case when count(*) = $2 then min(id) end as id from (
             select id from subscriptions where id < $1 and ($3::text is null or tenant = $3)
             order by id desc limit $2) looked_at`,
    values: [before, limit, reach.tenant],
  })
  return rows[0]?.id ?? undefined
}

/**
 * Whether a text of `event_types` fits the type $7, as `fitsPattern` has it: a * stands for one segment, at the end for one
 * or more. Besides it and the dot such a text has no character that means something in a regular expression.
 */
const fitsType = `(wanted = '*' or wanted = $7 or (wanted like '%*%' and $7 ~ ('^' || regexp_replace(
  replace(replace(wanted, '.', '\\.'), '*', '[^.]+'), '\\[\\^\\.\\]\\+$', '.+') || '$')))`

/** Newest first. */
export async function findSubscriptions(
  db: Queryable,
  reach: Reach,
  { before, from, limit }: { readonly before: number; readonly from: number; readonly limit: number },
  { state, q, eventType }: SubscriptionFilter,
): Promise<readonly SubscriptionRow[]> {
  const { rows } = await db.query<SubscriptionRow>({
    text: `
      select ${columns} from subscriptions
      where id < $1 and id >= $2 and ($4::text is null or tenant = $4)
        and ($5::text is null or case when paused then 'paused' else state end = $5)
        and ($6::text is null or id::text = $6
          or position(lower($6) in lower(concat_ws(' ', uid, target_url, description))) > 0)
        and ($7::text is null or event_types is null
          or exists (select from unnest(event_types) as wanted where ${fitsType}))
      order by id desc limit $3`,
    values: [before, from, limit, reach.tenant, state ?? null, q ?? null, eventType ?? null],
  })
  return rows
}
