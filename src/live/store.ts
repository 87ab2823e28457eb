import type { LiveRange } from '../model/live-source.ts'
import type { AttemptRow } from '../monitor/monitor.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

// Ranges of ids, in their order: index scans that end at the limit, in the partitions of that time.

export interface AcceptedRow {
  readonly id: Uuid
  readonly tenant: string
  readonly event_type: string | null
  readonly content_type: string
  readonly size_bytes: number
  readonly subscription_ids: readonly number[]
  readonly channels: readonly string[] | null
  readonly event_id: string | null
  readonly deliver_at: Date | null
}

/** PostgreSQL knows the length of a payload without reading it. */
export async function readAccepted(db: Queryable, range: LiveRange): Promise<readonly AcceptedRow[]> {
  const { rows } = await db.query<AcceptedRow>({
    name: 'live_accepted',
    text: `
      select webhook_id as id, tenant, event_type, content_type, octet_length(payload) as size_bytes, subscription_ids,
             channels, event_id, deliver_at
      from events
      where webhook_id > $1 and webhook_id <= $2 and ($4::text is null or tenant = $4)
        and ($5::int is null or $5 = any(subscription_ids))
      order by webhook_id limit $3`,
    values: [range.after, range.until, range.limit, range.tenant, range.subscriptionId],
  })
  return rows
}

export interface AttemptedRow extends AttemptRow {
  readonly tenant: string | null
  readonly uid: string | null
  readonly event_type: string | null
}

// Whose a row is says its subscription, or what is left of one that was deleted.
const whose = (of: string) => `
  left join lateral (
    select tenant, uid from subscriptions where id = ${of}
    union all
    select tenant, uid from subscription_tombstones where id = ${of}
    limit 1) s on true`

const attempts = (condition: string) => `
  select l.*, s.tenant, s.uid, e.event_type
  from (
    select id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, http_status, duration_ms, next_at, error,
           error_class, error_code, trigger
    from delivery_logs
    where id > $1 and id <= $2 and trigger <> 'test' and ($4::attempt_status is null or status = $4) ${condition}
    order by id limit $3) l
  ${whose('l.subscription_id')}
  left join lateral (
    select event_type from events where webhook_id = l.webhook_id
    union all
    select event_type from events_carried where webhook_id = l.webhook_id
    limit 1) e on true
  order by l.id`

/** Attempts, tests left out. Those of one subscription by the index that begins with it. */
export async function readAttempted(db: Queryable, range: LiveRange): Promise<readonly AttemptedRow[]> {
  const { after, until, limit, status, subscriptionId } = range
  const values = [after, until, limit, status]
  const { rows } = await db.query<AttemptedRow>(
    subscriptionId === null
      ? { name: 'live_attempts', text: attempts(''), values }
      : { text: attempts('and subscription_id = $5'), values: [...values, subscriptionId] },
  )
  return rows
}

export interface ChangedRow {
  readonly id: Uuid
  readonly subscription_id: number
  readonly tenant: string | null
  readonly uid: string | null
  readonly paused_before: boolean
  readonly paused: boolean
  readonly state_before: string
  readonly state: string
  readonly reason: string | null
}

export async function readChanged(db: Queryable, range: LiveRange): Promise<readonly ChangedRow[]> {
  const { rows } = await db.query<ChangedRow>({
    name: 'live_changes',
    text: `
      select c.*, s.tenant, s.uid
      from (select * from subscription_changes where id > $1 and id <= $2 order by id limit $3) c
      ${whose('c.subscription_id')}
      order by c.id`,
    values: [range.after, range.until, range.limit],
  })
  return rows
}
