import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/**
 * Empties the payloads of events, with what was kept of the headers they came with, and marks them, wherever they are kept; those that are marked already stay as they are.
 * Retention may be copying an event at this moment: it then holds a lock on the row of `events`, so that table comes first,
 * and the copy is seen by the second statement.
 *
 * @param tx an open transaction
 * @returns how many rows were emptied
 */
export async function expungePayloads(tx: Queryable, webhookIds: readonly Uuid[]): Promise<number> {
  let emptied = 0
  for (const table of ['events', 'events_carried']) {
    const { rowCount } = await tx.query({
      text: `
        update ${table} set payload = '', metadata = coalesce(metadata, '{}') - 'forwarded' ||
          jsonb_build_object('expunged', jsonb_build_object('at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'size_bytes', octet_length(payload)))
        where webhook_id = any($1::text[]::uuid[]) and not coalesce(metadata ? 'expunged', false)`,
      values: [[...webhookIds]],
    })
    emptied += rowCount
  }
  return emptied
}

/** Tells every process at commit that payloads were expunged. */
export async function notifyExpunged(tx: Queryable): Promise<void> {
  await tx.query({ text: `select pg_notify('expunged', '')` })
}

/**
 * Removes what attempts of these events have kept besides their rows of the log.
 *
 * @param loggedFrom no row of the log with a smaller id is about these events
 */
export async function deleteDetailsOf(
  tx: Queryable,
  webhookIds: readonly Uuid[],
  loggedFrom: Uuid,
): Promise<void> {
  await tx.query({
    text: `delete from attempt_details where id = any(array(
             select id from delivery_logs where webhook_id = any($1::text[]::uuid[]) and id >= $2))`,
    values: [[...webhookIds], loggedFrom],
  })
}

/** An expunging of many events. */
export interface ExpungeRow {
  readonly id: Uuid
  readonly tenant: string | null
  readonly before: Date
  readonly state: 'running' | 'done'
  readonly events: number
  readonly deliveries: number
  readonly after_webhook_id: Uuid | null
  readonly created_at: Date
  readonly finished_at: Date | null
}

const columns = `id, tenant, before, state, events::float8 as events, deliveries::float8 as deliveries, after_webhook_id,
  created_at, finished_at`

/** Makes it, and tells every process at commit. */
export async function insertExpunge(
  tx: Queryable,
  { id, tenant, before }: Pick<ExpungeRow, 'id' | 'tenant' | 'before'>,
): Promise<ExpungeRow> {
  const { rows } = await tx.query<ExpungeRow>({
    text: `insert into expunges (id, tenant, before) values ($1, $2, $3) returning ${columns}`,
    values: [id, tenant, before],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an insert answered no row')
  await tx.query({ text: `select pg_notify('expunges', $1)`, values: [id] })
  return row
}

/** Newest first, from below `before`. */
export async function listExpunges(
  db: Queryable,
  tenant: string | null,
  before: Uuid,
  limit: number,
): Promise<readonly ExpungeRow[]> {
  const { rows } = await db.query<ExpungeRow>({
    text: `select ${columns} from expunges where id < $1 and ($2::text is null or tenant = $2)
           order by id desc limit $3`,
    values: [before, tenant, limit],
  })
  return rows
}

export async function readExpunge(
  db: Queryable,
  tenant: string | null,
  id: Uuid,
): Promise<ExpungeRow | undefined> {
  const { rows } = await db.query<ExpungeRow>({
    text: `select ${columns} from expunges where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, tenant],
  })
  return rows[0]
}

/** Those that have something to do, the oldest first. */
export async function readOpenExpunges(db: Queryable): Promise<readonly ExpungeRow[]> {
  const { rows } = await db.query<ExpungeRow>({
    text: `select ${columns} from expunges where state = 'running' order by id`,
  })
  return rows
}

export async function addExpunged(
  tx: Queryable,
  id: Uuid,
  added: { readonly events?: number; readonly deliveries?: number; readonly after?: Uuid },
): Promise<void> {
  await tx.query({
    text: `update expunges set events = events + $2, deliveries = deliveries + $3,
             after_webhook_id = coalesce($4, after_webhook_id)
           where id = $1`,
    values: [id, added.events ?? 0, added.deliveries ?? 0, added.after ?? null],
  })
}

export async function endExpunge(tx: Queryable, id: Uuid): Promise<void> {
  await tx.query({
    text: `update expunges set state = 'done', finished_at = now() where id = $1`,
    values: [id],
  })
}

/** Some events in order of their ids. */
export interface EventPage {
  /** How many were looked at. */
  readonly rows: number
  /** The last of them; undefined: there are no more. */
  readonly last: Uuid | undefined
  /** Those that are the tenant's. */
  readonly own: readonly { readonly webhookId: Uuid; readonly isExpunged: boolean }[]
}

/**
 * Looks at up to `limit` events, and as many of those that outlive their partition, after `after` and below `below`. Of
 * another tenant than the default one only its own are read, by an index of theirs.
 */
export async function readEventsBefore(
  db: Queryable,
  tenant: string | null,
  { after, below, limit }: { readonly after: Uuid; readonly below: Uuid; readonly limit: number },
): Promise<EventPage> {
  const isIndexed = tenant !== null && tenant !== 'default'
  const own = isIndexed ? "and tenant = $3 and tenant <> 'default'" : ''
  const page = (table: string) => `
    (select webhook_id, tenant, metadata from ${table}
     where webhook_id > $1 and webhook_id < $2 ${own} order by webhook_id limit $4)`
  const { rows } = await db.query<{ webhookId: Uuid; isExpunged: boolean; isOwn: boolean }>({
    text: `
      select webhook_id as "webhookId", coalesce(metadata ? 'expunged', false) as "isExpunged",
             ($3::text is null or tenant = $3) as "isOwn"
      from (${page('events')} union all ${page('events_carried')}) e
      order by webhook_id limit $4`,
    values: [after, below, tenant, limit],
  })
  return {
    rows: rows.length,
    last: rows.at(-1)?.webhookId,
    own: rows.flatMap(({ webhookId, isExpunged, isOwn }) => (isOwn ? [{ webhookId, isExpunged }] : [])),
  }
}

/** Removes up to `limit` expungings of a tenant that have come to their end. @returns how many there were */
export async function deleteEndedExpungesOf(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from expunges where id in (
             select id from expunges where tenant = $1 and finished_at is not null limit $2)`,
    values: [tenant, limit],
  })
  return rowCount
}

export async function hasExpunges(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({
    text: 'select from expunges where tenant = $1 limit 1',
    values: [tenant],
  })
  return rows.length > 0
}
