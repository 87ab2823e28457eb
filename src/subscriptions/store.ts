import type { Reach } from '../model/caller.ts'
import type { CaptureOf } from '../model/exchange-details.ts'
import type { Format } from '../model/format.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { StoredAuth } from './auth-schema.ts'
import type { CloudEventsFields } from './cloudevents-fields.ts'
import type { WholeInbound } from './inbound-fields.ts'
import type { RateLimitFields, RetryFields } from './retry-fields.ts'
import type { SubscriptionState } from './schema.ts'
import { deleteTokens } from './shared-tokens-store.ts'
import type { SigningFields } from './signing.ts'
import type { Verification } from './verification.ts'

/** A signing secret as it is stored. */
export interface SealedSecret {
  readonly sealed: string
  /** When it stops signing (RFC 3339); null for the newest. */
  readonly expires_at: string | null
}

/** A key pair for v1a as it is stored. */
export interface SealedKeyPair extends SealedSecret {
  /** `whpk_` and base64. */
  readonly public: string
}

/** What an operator sets, in the form in which it is stored. */
export interface SubscriptionValues {
  readonly target_url: string
  readonly description: string | null
  /** Sealed. */
  readonly secret: string | null
  /** Newest first; never empty for what this service made. */
  readonly signing_secrets: readonly SealedSecret[]
  /** Newest first; empty until v1a is asked for. */
  readonly signing_key_pairs: readonly SealedKeyPair[]
  /** The caller's own name for it; unique within its tenant. */
  readonly uid: string | null
  readonly event_types: readonly string[] | null
  readonly channels: readonly string[] | null
  /** JSON that `compileFilter` takes. */
  readonly filter: object | null
  readonly paused: boolean
  readonly retry: RetryFields
  readonly timeout_ms: number | null
  readonly connect_timeout_ms: number | null
  readonly max_in_flight: number | null
  readonly rate_limit: RateLimitFields | null
  readonly ordered: boolean
  /** As `parseOrderingKey` takes it. */
  readonly ordering_key: string | null
  readonly format: Format
  readonly forward_traceparent: boolean
  /** Null: as the settings of the service say. */
  readonly capture: CaptureOf | null
  /** Its secrets sealed. */
  readonly inbound: WholeInbound | null
  /** Name → sealed value. */
  readonly headers: Readonly<Record<string, string>>
  readonly signing: SigningFields
  /** Null: none. */
  readonly header_templates: Readonly<Record<string, string>> | null
  /** Null: all as by default. */
  readonly cloudevents: CloudEventsFields | null
  /** Its secrets are sealed; null: nothing is shown to the receiver. */
  readonly auth: StoredAuth | null
  readonly metadata: Readonly<Record<string, string>>
}

export interface SubscriptionRow extends SubscriptionValues {
  readonly id: number
  readonly tenant: string
  readonly state: SubscriptionState
  readonly state_reason: string | null
  readonly state_since: Date
  /** Null: it was never asked for. */
  readonly verification: Verification | null
  readonly created_at: Date
  readonly updated_at: Date
  readonly version: number
}

/** What the path of an event needs of a row. */
export type PathRow = Omit<
  SubscriptionRow,
  'description' | 'metadata' | 'state_reason' | 'state_since' | 'created_at' | 'updated_at'
> & { readonly stateSince: number }

/** The same as one text, which takes a tenth of the memory. */
export interface PackedSubscription {
  readonly id: number
  /**
   * Its version, the time of its state (Unix milliseconds), and a JSON array of the `wantedColumns`, with spaces between;
   * then, on a line of its own, a JSON array of the `packedColumns`.
   */
  readonly packed: string
}

function readHead(packed: string): {
  readonly version: number
  readonly stateSince: number
  readonly end: number
} {
  const space = packed.indexOf(' ')
  const end = packed.indexOf(' ', space + 1)
  return { version: Number(packed.slice(0, space)), stateSince: Number(packed.slice(space, end)), end }
}

/** A change by a caller makes a new version; a change of the state leaves it, and is later than the one before. */
export function isNewer(packed: string, than: string): boolean {
  const [one, other] = [readHead(packed), readHead(than)]
  return one.version === other.version ? one.stateSince > other.stateSince : one.version > other.version
}

/** By which subscriptions are found; apart from the others, so that these alone can be parsed. */
const wantedColumns = ['tenant', 'uid', 'state', 'event_types', 'channels', 'filter'] as const

/** What finding subscriptions needs of a row. */
export type WantedRow = Pick<SubscriptionRow, (typeof wantedColumns)[number]>

/** The other columns of a `PathRow`, in the order in which their values stand in a packed text. */
const packedColumns = [
  'target_url',
  'secret',
  'signing_secrets',
  'signing_key_pairs',
  'paused',
  'retry',
  'timeout_ms',
  'connect_timeout_ms',
  'max_in_flight',
  'rate_limit',
  'ordered',
  'ordering_key',
  'verification',
  'format',
  'forward_traceparent',
  'headers',
  'signing',
  'capture',
  'header_templates',
  'cloudevents',
  'auth',
  'inbound', // the last one, see `packsInbound`
] as const satisfies readonly Exclude<keyof PathRow, 'id' | 'version' | 'stateSince'>[]

export function pack(row: SubscriptionRow): PackedSubscription {
  const values = (names: readonly (keyof PathRow & keyof SubscriptionRow)[]) =>
    JSON.stringify(names.map(name => row[name]))
  const head = `${row.version} ${row.state_since.getTime()}`
  return { id: row.id, packed: `${head} ${values(wantedColumns)}\n${values(packedColumns)}` }
}

/** Undoes `pack`, and what PostgreSQL has packed. */
export function unpack(id: number, packed: string): PathRow {
  const { version, stateSince } = readHead(packed)
  const values = JSON.parse(packed.slice(packed.indexOf('\n'))) as unknown[]
  const others = Object.fromEntries(packedColumns.map((name, index) => [name, values[index]]))
  return { ...unpackWanted(wantedText(packed)), ...others, id, version, stateSince } as unknown as PathRow
}

/** Whether the subscription has `inbound`, the last of the columns; nothing is parsed for it. */
export function packsInbound(packed: string): boolean {
  return packed.endsWith('}]')
}

/** The part of a packed text with the `wantedColumns`: where it is the same, so are they. */
export function wantedText(packed: string): string {
  return packed.slice(readHead(packed).end + 1, packed.indexOf('\n'))
}

export function unpackWanted(text: string): WantedRow {
  const values = JSON.parse(text) as unknown[]
  return Object.fromEntries(wantedColumns.map((name, index) => [name, values[index]])) as unknown as WantedRow
}

/** The column is never null: an empty object stands for none. */
const inbound = `nullif(inbound, '{}'::jsonb)`

/** Of a `SubscriptionRow`. */
export const columns = `id, tenant, target_url, description, secret, signing_secrets, signing_key_pairs, event_types, paused, state,
  state_reason, state_since, retry, timeout_ms, max_in_flight, rate_limit, ordered, headers, signing, metadata, created_at,
  updated_at, version, connect_timeout_ms, uid, channels, filter, format, forward_traceparent, capture,
  header_templates, cloudevents, auth, ${inbound} as inbound, ordering_key, verification`

/** Takes the next id before the row is there, because its secrets are sealed to it. */
export async function takeId(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ id: number }>({
    text: `select nextval(pg_get_serial_sequence('subscriptions', 'id'))::int as id`,
  })
  return only(rows).id
}

export async function insertSubscription(
  tx: Queryable,
  id: number,
  tenant: string,
  values: SubscriptionValues,
): Promise<SubscriptionRow> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `insert into subscriptions (id, target_url, description, secret, event_types, paused, retry, timeout_ms,
             max_in_flight, metadata, signing_secrets, signing_key_pairs, headers, signing, rate_limit, ordered,
             connect_timeout_ms, uid, channels, filter, format, forward_traceparent, capture, header_templates, cloudevents,
             auth, inbound, ordering_key, tenant)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
             $24, $25, $26, coalesce($27::jsonb, '{}'), $28, $29)
           returning ${columns}`,
    values: [id, ...parameters(values), tenant],
  })
  return only(rows)
}

export async function updateSubscription(
  tx: Queryable,
  id: number,
  values: SubscriptionValues,
): Promise<SubscriptionRow> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `update subscriptions
           set target_url = $2, description = $3, secret = $4, event_types = $5, paused = $6, retry = $7,
               timeout_ms = $8, max_in_flight = $9, metadata = $10, signing_secrets = $11, signing_key_pairs = $12,
               headers = $13, signing = $14, rate_limit = $15, ordered = $16,
               connect_timeout_ms = $17, uid = $18, channels = $19, filter = $20, format = $21,
               forward_traceparent = $22, capture = $23, header_templates = $24, cloudevents = $25, auth = $26,
               inbound = coalesce($27::jsonb, '{}'),
               ordering_key = $28,
               state_since = case when paused = $6 then state_since else now() end,
               updated_at = now(), version = version + 1
           where id = $1
           returning ${columns}`,
    values: [id, ...parameters(values)],
  })
  return only(rows)
}

function parameters(values: SubscriptionValues): readonly unknown[] {
  return [
    values.target_url,
    values.description,
    values.secret,
    values.event_types,
    values.paused,
    JSON.stringify(values.retry),
    values.timeout_ms,
    values.max_in_flight,
    JSON.stringify(values.metadata),
    JSON.stringify(values.signing_secrets),
    JSON.stringify(values.signing_key_pairs),
    JSON.stringify(values.headers),
    JSON.stringify(values.signing),
    values.rate_limit === null ? null : JSON.stringify(values.rate_limit),
    values.ordered,
    values.connect_timeout_ms,
    values.uid,
    values.channels,
    values.filter === null ? null : JSON.stringify(values.filter),
    values.format,
    values.forward_traceparent,
    values.capture,
    values.header_templates === null ? null : JSON.stringify(values.header_templates),
    values.cloudevents === null ? null : JSON.stringify(values.cloudevents),
    values.auth === null ? null : JSON.stringify(values.auth),
    values.inbound === null ? null : JSON.stringify(values.inbound),
    values.ordering_key,
  ]
}

/** Its tombstone is left by a trigger (migrations/0001_schema.sql), for as long as the log names it. */
export async function deleteSubscription(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: 'delete from subscriptions where id = $1', values: [id] })
  await deleteTokens(tx, [id])
}

/** The oldest of a tenant. */
export async function readIdsOf(db: Queryable, tenant: string, limit: number): Promise<readonly number[]> {
  const { rows } = await db.query<{ id: number }>({
    text: 'select id from subscriptions where tenant = $1 order by id limit $2',
    values: [tenant, limit],
  })
  return rows.map(({ id }) => id)
}

/** Deletes several, in order of id, and tells every process of each. */
export async function deleteSubscriptions(db: Queryable, ids: readonly number[]): Promise<void> {
  await db.query({
    text: `
      with locked as (select id from subscriptions where id = any($1::int[]) order by id for update),
      gone as (delete from subscriptions s using locked k where s.id = k.id returning s.id)
      select pg_notify('subscriptions', id::text) from gone`,
    values: [[...ids]],
  })
  await deleteTokens(db, ids)
}

export async function hasTombstones(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query({
    text: 'select from subscription_tombstones where tenant = $1 limit 1',
    values: [tenant],
  })
  return rows.length > 0
}

/** Locks the row until the end of the transaction, so that of two changes at a time the second sees the first. */
export async function lockSubscription(
  tx: Queryable,
  reach: Reach,
  id: number,
): Promise<SubscriptionRow | undefined> {
  const { rows } = await tx.query<SubscriptionRow>({
    text: `select ${columns} from subscriptions where id = $1 and ($2::text is null or tenant = $2) for update`,
    values: [id, reach.tenant],
  })
  return rows[0]
}

export async function readSubscription(
  database: Queryable,
  reach: Reach,
  id: number,
): Promise<SubscriptionRow | undefined> {
  const { rows } = await database.query<SubscriptionRow>({
    text: `select ${columns} from subscriptions where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, reach.tenant],
  })
  return rows[0]
}

/** The id of the subscription of a tenant that it calls so. */
export async function readIdOfUid(
  database: Queryable,
  tenant: string,
  uid: string,
): Promise<number | undefined> {
  const { rows } = await database.query<{ id: number }>({
    text: 'select id from subscriptions where tenant = $1 and uid = $2',
    values: [tenant, uid],
  })
  return rows[0]?.id
}

/** Those of the ids that there are, in no particular order. */
export async function readSubscriptions(
  database: Queryable,
  ids: readonly number[],
): Promise<readonly SubscriptionRow[]> {
  const { rows } = await database.query<SubscriptionRow>({
    text: `select ${columns} from subscriptions where id = any($1::int[])`,
    values: [[...ids]],
  })
  return rows
}

/**
 * Those that lead to the address of a test receiver, newest first. They have an index of their own, which is used only where
 * its condition stands here as it stands there.
 */
export async function readSubscriptionsTo(
  database: Queryable,
  url: string,
  limit: number,
): Promise<readonly SubscriptionRow[]> {
  const { rows } = await database.query<SubscriptionRow>({
    text: `select ${columns} from subscriptions where target_url = $1 and target_url like '%/t/%' order by id desc limit $2`,
    values: [url, limit],
  })
  return rows
}

/** Those of the ids that there are, whatever is in their rows. */
export async function readExisting(database: Queryable, ids: readonly number[]): Promise<readonly number[]> {
  const { rows } = await database.query<{ id: number }>({
    text: 'select id from subscriptions where id = any($1::int[])',
    values: [[...ids]],
  })
  return rows.map(row => row.id)
}

const scans = {
  upwards: 'where id > $1::bigint order by id',
  downwards: 'where id < $1::bigint order by id desc',
} as const

/** Oldest first from above an id, or newest first from below it; used to read all of them, a page at a time. PostgreSQL packs them. */
export async function scanSubscriptions(
  database: Queryable,
  direction: keyof typeof scans,
  id: number,
  limit: number,
): Promise<readonly PackedSubscription[]> {
  const { rows } = await database.query<PackedSubscription>({
    name: `scan_subscriptions_${direction}`,
    text: `select id, version || ' ' || floor(extract(epoch from state_since) * 1000)::bigint || ' ' ||
             json_build_array(${wantedColumns.join(', ')})::text || chr(10) ||
             json_build_array(${packedColumns.map(name => (name === 'inbound' ? inbound : name)).join(', ')})::text as packed
           from subscriptions ${scans[direction]} limit $2`,
    values: [id, limit],
  })
  return rows
}

/** Tells every process, this one included, at commit. */
export async function notifyChange(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: `select pg_notify('subscriptions', $1)`, values: [String(id)] })
}

/** The row of a statement that answers one. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('a statement that answers one row answered none')
  return row
}
