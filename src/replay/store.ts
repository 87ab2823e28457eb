import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import { timestamptzArray } from '../platform/binary-array.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { DeliveryKey } from './candidates-store.ts'
import type { ReplayFilter } from './filter.ts'

// The rows of replays: what was asked for, and how far it has come.

export type ReplayProgress = 'counting' | 'running' | 'done' | 'cancelled'

export interface ReplayRow {
  readonly id: Uuid
  readonly tenant: string | null
  readonly filter: ReplayFilter
  readonly state: ReplayProgress
  readonly rate_per_second: number | null
  readonly total: number | null
  readonly queued: number
  readonly delivered: number
  readonly failed: number
  readonly skipped: number
  readonly gone: number
  readonly after_webhook_id: Uuid | null
  readonly after_subscription_id: number | null
  readonly created_at: Date
  readonly finished_at: Date | null
}

const columns = `id, tenant, filter, state, rate_per_second, total::float8 as total, queued::float8 as queued,
  delivered::float8 as delivered, failed::float8 as failed, skipped::float8 as skipped, gone::float8 as gone, after_webhook_id,
  after_subscription_id, created_at, finished_at`

/** Makes it, and tells every process at commit. */
export async function insertReplay(
  tx: Queryable,
  replay: Pick<ReplayRow, 'id' | 'tenant' | 'filter' | 'rate_per_second'>,
): Promise<ReplayRow> {
  const { rows } = await tx.query<ReplayRow>({
    text: `insert into replays (id, tenant, filter, rate_per_second) values ($1, $2, $3, $4) returning ${columns}`,
    values: [replay.id, replay.tenant, JSON.stringify(replay.filter), replay.rate_per_second],
  })
  const [row] = rows
  if (row === undefined) throw new Error('an insert answered no row')
  await tx.query({ text: `select pg_notify('replays', $1)`, values: [row.id] })
  return row
}

/** Newest first, from below `before`. */
export async function listReplays(
  db: Queryable,
  tenant: string | null,
  before: Uuid,
  limit: number,
): Promise<readonly ReplayRow[]> {
  const { rows } = await db.query<ReplayRow>({
    text: `select ${columns} from replays where id < $1 and ($2::text is null or tenant = $2)
           order by id desc limit $3`,
    values: [before, tenant, limit],
  })
  return rows
}

export async function readReplay(
  db: Queryable,
  tenant: string | null,
  id: Uuid,
): Promise<ReplayRow | undefined> {
  const { rows } = await db.query<ReplayRow>({
    text: `select ${columns} from replays where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, tenant],
  })
  return rows[0]
}

/** Those that have something to do, the oldest first. */
export async function readOpenReplays(db: Queryable): Promise<readonly ReplayRow[]> {
  const { rows } = await db.query<ReplayRow>({
    name: 'read_open_replays',
    text: `select ${columns} from replays where state in ('counting', 'running') order by id`,
  })
  return rows
}

/** Locks the row until the end of the transaction. @returns undefined when it has nothing to do any more */
export async function lockOpenReplay(tx: Queryable, id: Uuid): Promise<ReplayRow | undefined> {
  const { rows } = await tx.query<ReplayRow>({
    name: 'lock_open_replay',
    text: `select ${columns} from replays where id = $1 and state in ('counting', 'running') for update`,
    values: [id],
  })
  return rows[0]
}

export async function setTotal(tx: Queryable, id: Uuid, total: number): Promise<void> {
  await tx.query({
    text: `update replays set total = $2, state = 'running' where id = $1 and state = 'counting'`,
    values: [id, total],
  })
}

/**
 * Nothing more is owed again for it. What is owed already stays. When it is done, what was counted and was not met again is
 * gone: retention took it, or it has ended in another way since.
 */
export async function endReplay(tx: Queryable, id: Uuid, state: 'done' | 'cancelled'): Promise<void> {
  await tx.query({
    text: `update replays set state = $2, finished_at = now(),
             gone = case when $2 = 'done' then greatest(total - queued - skipped, 0) else 0 end
           where id = $1`,
    values: [id, state],
  })
  await tx.query({ text: 'delete from replay_deliveries where replay = $1', values: [id] })
}

/** What was done in a step. */
export interface Progress {
  readonly queued?: number
  readonly skipped?: number
  readonly delivered?: number
  readonly failed?: number
  /** How far it has come. */
  readonly after?: DeliveryKey
}

/** Adds what was done, and remembers how far it has come. */
export async function addProgress(tx: Queryable, id: Uuid, added: Progress): Promise<void> {
  await tx.query({
    name: 'add_progress',
    text: `update replays set queued = queued + $2, delivered = delivered + $3, failed = failed + $4,
             skipped = skipped + $7, total = greatest(total, queued + $2 + skipped + $7), after_webhook_id = coalesce($5, after_webhook_id),
             after_subscription_id = coalesce($6, after_subscription_id)
           where id = $1`,
    values: [
      id,
      added.queued ?? 0,
      added.delivered ?? 0,
      added.failed ?? 0,
      added.after?.webhookId ?? null,
      added.after?.subscriptionId ?? null,
      added.skipped ?? 0,
    ],
  })
}

/** Looks at up to `limit` replays behind `after`, and removes those that had ended before a moment (Unix milliseconds). */
export async function deleteFinished(
  db: Queryable,
  before: number,
  after: Uuid,
  limit: number,
): Promise<{ readonly rows: number; readonly last: Uuid | undefined; readonly removed: number }> {
  // What was made later cannot have ended before.
  const { rows } = await db.query<{ rows: number; last: Uuid | null; removed: number }>({
    text: `
      with page as materialized (
        select id, finished_at from replays where id > $1 and id < $2 order by id limit $3),
      removed as (
        delete from replays r using page p where r.id = p.id and p.finished_at < ($4::timestamptz[])[1] returning 1)
      select (select count(*)::int from page) as rows, (select id from page order by id desc limit 1) as last,
        (select count(*)::int from removed) as removed`,
    values: [after, uuidLowerBound(before), limit, timestamptzArray([before])],
  })
  const [page] = rows
  return { rows: page?.rows ?? 0, last: page?.last ?? undefined, removed: page?.removed ?? 0 }
}

/** Those that `deleteFinished` would remove, by tenant. */
export async function countFinished(db: Queryable, before: number): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text: `
      select tenant, count(*)::float8 as rows, sum(pg_column_size(r))::float8 as bytes from replays r
      where id < $1 and finished_at < ($2::timestamptz[])[1] group by tenant`,
    values: [uuidLowerBound(before), timestamptzArray([before])],
  })
  return rows
}

/** Removes up to `limit` replays of a tenant that have come to their end. @returns how many there were */
export async function deleteEndedOf(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `delete from replays where id in (
             select id from replays where tenant = $1 and finished_at is not null limit $2)`,
    values: [tenant, limit],
  })
  return rowCount
}

export async function hasReplays(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({ text: 'select from replays where tenant = $1 limit 1', values: [tenant] })
  return rows.length > 0
}
