import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'

/** An event without its payload. */
export interface EventRow {
  readonly webhook_id: Uuid
  readonly event_id: string | null
  readonly tenant: string
  readonly event_type: string | null
  readonly channels: readonly string[] | null
  readonly content_type: string
  readonly size_bytes: number
  readonly deliver_at: Date | null
  readonly expunged_at: string | null
  /** How many subscriptions it went to. */
  readonly fan_out: number
  /** Its partition was dropped, and the log of that time with it. */
  readonly carried: boolean
}

/** Ids of events: a range of time. */
export interface IdRange {
  readonly from: Uuid
  /** Not included. */
  readonly before: Uuid
}

/** What a row must have besides; null: anything. */
export interface RowConditions {
  readonly tenant: string | null
  readonly eventType: string | null
  /** What the type begins with. */
  readonly eventTypePrefix: string | null
  readonly subscriptionId: number | null
  readonly channel: string | null
  readonly eventId: string | null
  readonly idempotencyKey: string | null
  /** Whether it went to any subscription. */
  readonly isMatched: boolean | null
}

// PostgreSQL knows the length of a payload without reading it.
export const eventColumns = `webhook_id, event_id, tenant, event_type, channels, content_type, deliver_at,
  metadata -> 'expunged' ->> 'at' as expunged_at,
  coalesce((metadata -> 'expunged' ->> 'size_bytes')::int, octet_length(payload)) as size_bytes,
  cardinality(subscription_ids) as fan_out`

/** What conditions look at besides. */
const conditionColumns = 'idempotency_key, subscription_ids'

/** @param first the number of the first of the parameters (`conditionValues`) */
function conditions(first: number): string {
  const [tenant, type, prefix, subscription, channel, eventId, key, matched] = Array.from(
    { length: 8 },
    (_, n) => `$${first + n}`,
  )
  return `(${tenant}::text is null or tenant = ${tenant})
    and (${type}::text is null or event_type = ${type})
    and (${prefix}::text is null or starts_with(event_type, ${prefix}))
    and (${subscription}::int is null or ${subscription} = any(subscription_ids))
    and (${channel}::text is null or ${channel} = any(channels))
    and (${eventId}::text is null or event_id = ${eventId})
    and (${key}::text is null or idempotency_key = ${key})
    and (${matched}::boolean is null or (subscription_ids <> '{}') = ${matched})`
}

function conditionValues(wanted: RowConditions): readonly unknown[] {
  return [
    wanted.tenant,
    wanted.eventType,
    wanted.eventTypePrefix,
    wanted.subscriptionId,
    wanted.channel,
    wanted.eventId,
    wanted.idempotencyKey,
    wanted.isMatched,
  ]
}

/** The newest events of a range, or those of one tenant: the rows that a look goes through. */
export interface Look {
  readonly range: IdRange
  /** Found by its own index (`readIsIndexed`), so never the default one; null: rows of all tenants are looked at. */
  readonly indexedTenant: string | null
  readonly rowsMax: number
}

// Each side stops at `$3` rows by its index. One that was carried over is in both until its partition goes.
function look(columns: string, { indexedTenant }: Look): string {
  const own = indexedTenant === null ? '' : `and tenant = $4::text`
  // The planner takes a partial index only where a condition says what that of the index says.
  const ownIndex = indexedTenant === null ? '' : `${own} and tenant <> 'default'`
  const side = (table: string, carried: boolean, condition: string) => `
    (select ${columns}, ${carried} as carried from ${table}
     where webhook_id >= $1 and webhook_id < $2 ${condition} order by webhook_id desc limit $3)`
  return `(${side('events', false, ownIndex)} union all ${side('events_carried', true, own)}
    order by webhook_id desc, carried limit $3)`
}

function lookValues({ range, rowsMax, indexedTenant }: Look): readonly unknown[] {
  return [range.from, range.before, rowsMax, ...(indexedTenant === null ? [] : [indexedTenant])]
}

/**
 * Looks at the newest rows and reads those that are wanted, newest first, at most `limit`. An event can be there twice,
 * the carried one last.
 */
export async function readNewest(
  db: Queryable,
  at: Look,
  wanted: RowConditions,
  limit: number,
): Promise<readonly EventRow[]> {
  const values = lookValues(at)
  const { rows } = await db.query<EventRow>({
    text: `select * from ${look(`${eventColumns}, ${conditionColumns}`, at)} looked
           where ${conditions(values.length + 2)} limit $${values.length + 1}`,
    values: [...values, limit, ...conditionValues(wanted)],
  })
  return rows
}

/** The last row of a look; undefined when it came to the end of its range. */
export async function readEndOfLook(db: Queryable, at: Look): Promise<Uuid | undefined> {
  const { rows } = await db.query<{ webhook_id: Uuid }>({
    text: `select webhook_id from ${look('webhook_id', at)} looked offset $3 - 1`,
    values: lookValues(at),
  })
  return rows[0]?.webhook_id
}

/** Those of some events that are wanted, newest first. */
export async function readByIds(
  db: Queryable,
  ids: readonly Uuid[],
  wanted: RowConditions,
): Promise<readonly EventRow[]> {
  const columns = `${eventColumns}, ${conditionColumns}`
  // LATERAL with a limit keeps the planner at one probe per id, in one partition.
  const { rows } = await db.query<EventRow>({
    text: `
      select e.* from unnest($1::uuid[]) as k (id)
      cross join lateral (
        (select ${columns}, false as carried from events where webhook_id = k.id limit 1)
        union all
        (select ${columns}, true from events_carried where webhook_id = k.id limit 1)
        limit 1) e
      where ${conditions(2)}
      order by webhook_id desc`,
    values: [ids, ...conditionValues(wanted)],
  })
  return rows
}

/** Events of a tenant that outlived their partition and have one of these names, by the indexes on them. */
export async function readCarriedWithName(
  db: Queryable,
  tenant: string,
  eventId: string | null,
  idempotencyKey: string | null,
): Promise<readonly Uuid[]> {
  const { rows } = await db.query<{ webhook_id: Uuid }>({
    text: `(select webhook_id from events_carried where event_id = $2 and tenant = $1 order by webhook_id desc limit 100)
           union
           (select webhook_id from events_carried where idempotency_key = $3 and tenant = $1
            order by webhook_id desc limit 100)`,
    values: [tenant, eventId, idempotencyKey],
  })
  return rows.map(row => row.webhook_id)
}

/**
 * The newest events of a range of which something is owed, at most `limit`. Goes from event to event in the key of owed,
 * so that an event with thousands of deliveries costs as much as one with a single one.
 */
export async function readOwingIds(db: Queryable, range: IdRange, limit: number): Promise<readonly Uuid[]> {
  const { rows } = await db.query<{ webhook_id: Uuid }>({
    text: `
      with recursive owing (webhook_id, place) as (
        (select webhook_id, 1 from owed where webhook_id >= $1 and webhook_id < $2 order by webhook_id desc limit 1)
        union all
        select before.webhook_id, place + 1 from owing
        cross join lateral (
          select o.webhook_id from owed o where o.webhook_id >= $1 and o.webhook_id < owing.webhook_id
          order by o.webhook_id desc limit 1) before
        where place < $3)
      select webhook_id from owing order by webhook_id desc`,
    values: [range.from, range.before, limit],
  })
  return rows.map(row => row.webhook_id)
}

/** The newest events of a range of which a delivery has failed for good: read from at most `rowsMax` rows of the log. */
export async function readFailedIds(
  db: Queryable,
  range: IdRange,
  loggedSince: Uuid,
  rowsMax: number,
): Promise<{ readonly ids: readonly Uuid[]; readonly isAll: boolean }> {
  const { rows } = await db.query<{ webhook_id: Uuid; attempts: number }>({
    text: `
      select webhook_id, count(*)::int as attempts from (
        select webhook_id from delivery_logs
        where verdict in ('given_up', 'expired') and webhook_id >= $1 and webhook_id < $2 and id >= $3
        order by webhook_id desc limit $4) newest
      group by webhook_id order by webhook_id desc`,
    values: [range.from, range.before, loggedSince, rowsMax],
  })
  const read = rows.reduce((sum, { attempts }) => sum + attempts, 0)
  return { ids: rows.map(row => row.webhook_id), isAll: read < rowsMax }
}

/** Whether all partitions have the indexes of the search: those that were there before lack them for a while. */
export async function readIsIndexed(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ is_indexed: boolean }>({
    text: `
      select not exists (
        select from pg_inherits p
        join (values ('events', 'events_of_tenant'), ('delivery_logs', 'delivery_logs_dead')) as w (parent, name)
          on p.inhparent = w.parent::regclass
        where not exists (
          select from pg_index i join pg_inherits c on c.inhrelid = i.indexrelid
          where i.indrelid = p.inhrelid and c.inhparent = w.name::regclass)) as is_indexed`,
  })
  return rows[0]?.is_indexed === true
}
