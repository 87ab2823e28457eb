import type { HeaderFields } from '../model/exchange-details.ts'
import type { LiveRange } from '../model/live-source.ts'
import type { RowsOfTenant } from '../model/rows-of-tenant.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { ReceiverAnswer, SignatureWord } from './schema.ts'

export interface ReceiverRow {
  readonly id: number
  readonly tenant: string
  readonly name: string | null
  readonly token: string
  readonly url: string
  readonly answer: ReceiverAnswer
  readonly failures_left: number
  /** Sealed. */
  readonly signing_secret: string | null
  readonly received: number
  readonly created_at: Date
  readonly expires_at: Date
}

const columns = `id, tenant, name, token, url, answer, failures_left, signing_secret, received::float8 as received,
  created_at, expires_at`

/** Takes the next id before the row is there, because its secret is sealed to it. */
export async function takeReceiverId(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ id: number }>({
    text: `select nextval(pg_get_serial_sequence('test_receivers', 'id'))::int as id`,
  })
  return only(rows).id
}

export async function insertReceiver(
  tx: Queryable,
  receiver: Omit<ReceiverRow, 'received' | 'created_at'>,
): Promise<ReceiverRow> {
  const { rows } = await tx.query<ReceiverRow>({
    text: `insert into test_receivers (id, tenant, name, token, url, answer, failures_left, signing_secret, expires_at)
           overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${columns}`,
    values: [
      receiver.id,
      receiver.tenant,
      receiver.name,
      receiver.token,
      receiver.url,
      JSON.stringify(receiver.answer),
      receiver.failures_left,
      receiver.signing_secret,
      receiver.expires_at,
    ],
  })
  return only(rows)
}

/** How many there are, expired ones that are still there included. */
export async function countReceivers(
  tx: Queryable,
  tenant: string,
): Promise<{ readonly own: number; readonly all: number }> {
  const { rows } = await tx.query<{ own: number; all: number }>({
    text: `select count(*) filter (where tenant = $1)::int as own, count(*)::int as "all" from test_receivers`,
    values: [tenant],
  })
  return only(rows)
}

/** All that have not expired: at most some hundreds. */
export async function readReceivers(db: Queryable, now: Date): Promise<readonly ReceiverRow[]> {
  const { rows } = await db.query<ReceiverRow>({
    text: `select ${columns} from test_receivers where expires_at > $1 order by id`,
    values: [now],
  })
  return rows
}

/** Newest first, from below `before`. */
export async function listReceivers(
  db: Queryable,
  tenant: string | null,
  page: { readonly before: number; readonly limit: number; readonly now: Date },
): Promise<readonly ReceiverRow[]> {
  const { rows } = await db.query<ReceiverRow>({
    text: `select ${columns} from test_receivers
           where id < $2 and ($1::text is null or tenant = $1) and expires_at > $4 order by id desc limit $3`,
    values: [tenant, page.before, page.limit, page.now],
  })
  return rows
}

export async function readReceiver(
  db: Queryable,
  tenant: string | null,
  id: number,
  now: Date,
): Promise<ReceiverRow | undefined> {
  const { rows } = await db.query<ReceiverRow>({
    text: `select ${columns} from test_receivers
           where id = $1 and ($2::text is null or tenant = $2) and expires_at > $3`,
    values: [id, tenant, now],
  })
  return rows[0]
}

/** Locks it until the end of the transaction. */
export async function lockReceiver(
  tx: Queryable,
  tenant: string | null,
  id: number,
  now: Date,
): Promise<ReceiverRow | undefined> {
  const { rows } = await tx.query<ReceiverRow>({
    text: `select ${columns} from test_receivers
           where id = $1 and ($2::text is null or tenant = $2) and expires_at > $3 for update`,
    values: [id, tenant, now],
  })
  return rows[0]
}

export async function readReceiverOfToken(
  db: Queryable,
  token: string,
  now: Date,
): Promise<ReceiverRow | undefined> {
  const { rows } = await db.query<ReceiverRow>({
    text: `select ${columns} from test_receivers where token = $1 and expires_at > $2`,
    values: [token, now],
  })
  return rows[0]
}

export async function updateReceiver(
  tx: Queryable,
  { id, name, answer, failures_left, signing_secret }: ReceiverRow,
): Promise<ReceiverRow> {
  const { rows } = await tx.query<ReceiverRow>({
    text: `update test_receivers set name = $2, answer = $3, failures_left = $4, signing_secret = $5
           where id = $1 returning ${columns}`,
    values: [id, name, JSON.stringify(answer), failures_left, signing_secret],
  })
  return only(rows)
}

/** With all that it got. */
export async function deleteReceiver(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: 'delete from test_receivers where id = $1', values: [id] })
}

/** Removes up to `limit` that have expired, and tells every process. @returns how many */
export async function deleteExpiredReceivers(db: Queryable, now: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with gone as (
        delete from test_receivers where id = any(array(
          select id from test_receivers where expires_at <= $1 order by expires_at limit $2 for update skip locked))
        returning id)
      select pg_notify('test_receivers', id::text) from gone`,
    values: [now, limit],
  })
  return rowCount
}

/** Those that have expired, each with the requests that it got, by tenant. */
export async function countExpiredReceivers(db: Queryable, now: Date): Promise<readonly RowsOfTenant[]> {
  const { rows } = await db.query<RowsOfTenant>({
    text: `
      select tenant, count(*)::float8 as rows, sum(bytes)::float8 as bytes
      from (
        select t.tenant, pg_column_size(t) as bytes from test_receivers t where t.expires_at <= $1
        union all
        select t.tenant, pg_column_size(r) from test_receivers t join test_receiver_requests r on r.receiver = t.id
        where t.expires_at <= $1) expired
      group by tenant`,
    values: [now],
  })
  return rows
}

/** Removes up to `limit` of a tenant, and tells every process. @returns how many */
export async function deleteReceiversOf(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with gone as (
        delete from test_receivers where id = any(array(
          select id from test_receivers where tenant = $1 order by id limit $2))
        returning id)
      select pg_notify('test_receivers', id::text) from gone`,
    values: [tenant, limit],
  })
  return rowCount
}

/** Tells every process, this one included, at commit. */
export async function notifyReceivers(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: `select pg_notify('test_receivers', $1)`, values: [String(id)] })
}

/** A request as it is kept. Its time is in its id. */
export interface RequestRow {
  readonly id: Uuid
  readonly method: string
  readonly query: string | null
  readonly headers: HeaderFields
  readonly body: Buffer
  readonly body_bytes: number
  readonly webhook_id: string | null
  readonly subscription_id: number | null
  readonly signature: SignatureWord
  readonly signature_detail: string | null
  readonly status: number | null
}

/**
 * Counts a request, one at a time for each receiver. @returns how the receiver answers, and whether this request is one of
 * those that are to fail; undefined: there is no such receiver any more
 */
export async function countRequest(
  tx: Queryable,
  id: number,
  now: Date,
): Promise<{ readonly answer: ReceiverAnswer; readonly is_failing: boolean } | undefined> {
  const { rows } = await tx.query<{ answer: ReceiverAnswer; is_failing: boolean }>({
    text: `
      with before as materialized (
        select id, failures_left from test_receivers where id = $1 and expires_at > $2 for update)
      update test_receivers r set received = r.received + 1, failures_left = greatest(r.failures_left - 1, 0)
      from before where r.id = before.id
      returning r.answer, before.failures_left > 0 as is_failing`,
    values: [id, now],
  })
  return rows[0]
}

/** Keeps a request, and of those before it as many as fit into `requestsMax` and `bytesMax` with it. */
export async function keepRequest(
  tx: Queryable,
  receiver: number,
  request: RequestRow,
  { requestsMax, bytesMax }: { readonly requestsMax: number; readonly bytesMax: number },
): Promise<void> {
  await tx.query({
    text: `insert into test_receiver_requests (id, receiver, method, query, headers, body, body_bytes, webhook_id,
             subscription_id, signature, signature_detail, status)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    values: [
      request.id,
      receiver,
      request.method,
      request.query,
      JSON.stringify(request.headers),
      request.body,
      request.body_bytes,
      request.webhook_id,
      request.subscription_id,
      request.signature,
      request.signature_detail,
      request.status,
    ],
  })
  await tx.query({
    text: `
      delete from test_receiver_requests where id = any(array(
        select id from (
          select id, row_number() over newest as place,
                 sum(octet_length(body) + octet_length(headers::text)) over newest as bytes
          from test_receiver_requests where receiver = $1
          window newest as (order by id desc)) kept
        where place > $2 or (bytes > $3 and place > 1)))`,
    values: [receiver, requestsMax, bytesMax],
  })
}

/** Newest first, from below `before`. */
export async function listRequests(
  db: Queryable,
  receiver: number,
  before: Uuid,
  limit: number,
): Promise<readonly RequestRow[]> {
  const { rows } = await db.query<RequestRow>({
    text: `select id, method, query, headers, body, body_bytes, webhook_id, subscription_id, signature, signature_detail,
             status
           from test_receiver_requests where receiver = $1 and id < $2 order by id desc limit $3`,
    values: [receiver, before, limit],
  })
  return rows
}

/** A request as the event stream tells of it. */
export type ReceivedRow = Omit<RequestRow, 'headers' | 'body' | 'query'> & {
  readonly receiver: number
  readonly tenant: string
}

/** Requests to all receivers, in the order of their ids. */
export async function readReceived(
  db: Queryable,
  { after, until, limit, tenant }: Pick<LiveRange, 'after' | 'until' | 'limit' | 'tenant'>,
): Promise<readonly ReceivedRow[]> {
  const { rows } = await db.query<ReceivedRow>({
    text: `select r.id, receiver, tenant, method, body_bytes, webhook_id, subscription_id, signature, signature_detail, status
           from test_receiver_requests r join test_receivers t on t.id = r.receiver
           where r.id > $1 and r.id <= $2 and ($4::text is null or tenant = $4)
           order by r.id limit $3`,
    values: [after, until, limit, tenant],
  })
  return rows
}

/** Removes what receivers have kept of these events. */
export async function deleteRequestsOfEvents(db: Queryable, webhookIds: readonly Uuid[]): Promise<void> {
  await db.query({
    text: 'delete from test_receiver_requests where webhook_id = any($1::text[])',
    values: [[...webhookIds]],
  })
}

/** What of receivers is sealed with another key than the newest. */
export async function lockSealedOtherwise(
  tx: Queryable,
  prefix: string,
): Promise<readonly Pick<ReceiverRow, 'id' | 'signing_secret'>[]> {
  const { rows } = await tx.query<Pick<ReceiverRow, 'id' | 'signing_secret'>>({
    text: `select id, signing_secret from test_receivers where signing_secret not like $1 order by id for update`,
    values: [`${prefix}%`],
  })
  return rows
}

export async function updateSealedSecret(tx: Queryable, id: number, sealed: string | null): Promise<void> {
  await tx.query({
    text: 'update test_receivers set signing_secret = $2 where id = $1',
    values: [id, sealed],
  })
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('a statement that answers one row answered none')
  return row
}
