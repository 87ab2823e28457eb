import { randomBytes } from 'node:crypto'
import { wakeLane, wakeLanes } from '../lanes/wake.ts'
import type { EventMetadata } from '../model/delivery.ts'
import { byteaArray, int4Array, textArray, timestamptzArray, uuidArray } from '../platform/binary-array.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable, Transactional } from '../platform/postgres.ts'
import {
  isNotRefused,
  type NamesRow,
  namesColumns,
  namesParameters,
  type Periods,
  selectRefused,
  takeNames,
} from './taken-names-store.ts'

/** One row of `events`. */
export interface EventRow {
  readonly webhookId: Uuid
  readonly tenant: string
  readonly eventType: string | null
  readonly contentType: string
  readonly payload: Buffer
  readonly subscriptionIds: readonly number[]
  /** Nearly all have none. */
  readonly metadata?: EventMetadata | null
  /** What only published events have, and those with names. */
  readonly published?: PublishedColumns
  /** Names that it takes, so that no other event of its tenant has them. */
  readonly names?: Omit<NamesRow, 'webhookId'>
}

/** Columns of `events` that are null for an event that was sent to one subscription. */
export interface PublishedColumns {
  /** Names without a comma. */
  readonly channels: readonly string[]
  readonly eventId: string | null
  readonly idempotencyKey?: string | null
  /** Unix milliseconds, of a scheduled event. */
  readonly deliverAt: number | null
}

/** One row of `owed`, first attempt. */
export interface OwedRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  readonly sizeBytes: number
  /** The process that dispatches it from memory; null: it waits in its lane. */
  readonly owner: number | null
  /** When a row that waits in its lane is due (Unix milliseconds): at once when it is left out, or over already. */
  readonly dueAt?: number
  /** Of a row that waits in its lane, where its subscription orders by key. */
  readonly orderingKey?: string
  /** When its run begins, where that is not its acceptance: when a scheduled event is due (Unix milliseconds). */
  readonly beginsAt?: number
}

/**
 * Writes events and all they owe in one statement, so one round trip and one commit for a whole batch. Lanes of rows
 * without an owner become due when their rows are. A batch without such rows, which is nearly every one, takes a
 * statement that knows nothing of lanes; one of events that nobody published takes one without their columns; only one
 * with a name in it takes one that knows of names; a lone event that a process holds takes one without arrays.
 *
 * @param acceptedAt Unix milliseconds; no row is due before
 * @param periods where names are taken; needed when an event has some
 * @returns the events that were not written, because another one has their names
 * @throws 40001, 40P01 when other statements took the same names at this moment: nothing was written, it is to be run again
 */
export async function insertEvents(
  db: Queryable,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
  periods?: Periods,
): Promise<readonly Uuid[]> {
  const kind = kindOf(events)
  const way = wayOf(owed)
  const [event] = events
  const [row] = owed
  if (event && row && events.length === 1 && owed.length === 1 && kind === 'plain' && isPlain(row)) {
    await insertSingle(db, event, row, acceptedAt)
    return none
  }
  const refused = await db.query<{ id: Uuid }>({
    name: `insert_events_${kind}${nameEnds[way]}`,
    text: insertEventsText[kind][way],
    values: [
      ...eventColumns(events),
      ...(kind === 'plain' ? [] : publishedColumns(events)),
      ...(kind === 'named' ? namesColumns(namesOf(events), periods) : []),
      ...owedColumns(owed, acceptedAt, way),
    ],
  })
  return kind === 'named' ? refused.rows.map(({ id }) => id) : none
}

const none: readonly Uuid[] = []

type Kind = 'plain' | 'published' | 'named'

function kindOf(events: readonly EventRow[]): Kind {
  if (events.some(event => event.names !== undefined)) return 'named'
  return events.some(event => event.published !== undefined) ? 'published' : 'plain'
}

function namesOf(events: readonly EventRow[]): readonly NamesRow[] {
  return events.flatMap(({ webhookId, names }) => (names ? [{ webhookId, ...names }] : []))
}

/** It is due at once, and in no order. */
function isPlain({ dueAt, beginsAt, orderingKey }: OwedRow): boolean {
  return dueAt === undefined && beginsAt === undefined && orderingKey === undefined
}

/**
 * Writes one event that is owed once, and at once, to the process that holds it or to its lane: the same as `insertEvents`,
 * for what nearly every transaction holds at ordinary rates. Its values are no arrays, so nothing has to be packed and unpacked. In a loop over
 * either it took PostgreSQL 307 µs instead of 340, commit and all, and Node 200 instead of 246.
 *
 * @param acceptedAt Unix milliseconds, when the row is due
 */
async function insertSingle(
  db: Queryable,
  event: EventRow,
  { subscriptionId, sizeBytes, owner }: OwedRow,
  acceptedAt: number,
): Promise<void> {
  const { webhookId, tenant, eventType, contentType, payload, subscriptionIds, metadata } = event
  const isInLane = owner === null
  await db.query({
    name: isInLane ? 'insert_single_and_lane' : 'insert_single',
    text: `
      with e as (
        insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata)
        values ($1::uuid, $2::text, $3::text, $4::text, $5::bytea, $6::int[], $7::jsonb))${isInLane ? `, ${wakeLane('$8', '($11::timestamptz[])[1]')}` : ''}
      insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
      values ($1::uuid, $8::int, $9::int, $10::int, ($11::timestamptz[])[1])`,
    values: [
      webhookId,
      tenant,
      eventType,
      contentType,
      payload,
      `{${subscriptionIds.join(',')}}`,
      metadata ? JSON.stringify(metadata) : null,
      subscriptionId,
      sizeBytes,
      owner,
      timestamptzArray([acceptedAt]),
    ],
  })
}

/**
 * Writes some more of what an event owes, in the transaction that writes the event.
 *
 * @param owed those without an owner in the order of their subscriptions, also where several statements follow each other:
 *   in this order lanes are locked
 */
export async function insertOwed(tx: Queryable, owed: readonly OwedRow[], acceptedAt: number): Promise<void> {
  const way = wayOf(owed)
  await tx.query({
    name: `insert_owed${nameEnds[way]}`,
    text: insertOwedText[way],
    values: owedColumns(owed, acceptedAt, way),
  })
}

/** Rows of one statement. */
const rowsMax = 1000

/**
 * Writes events that owe many rows: several statements, each of a bounded number of rows, in one transaction.
 *
 * Rows that wait in lanes come last, in the order of their subscriptions: locks on lanes are held for as short as can be,
 * and are taken in the order in which all take them.
 *
 * @returns as `insertEvents`
 */
export async function insertWideEvents(
  connection: Transactional,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
  periods?: Periods,
): Promise<readonly Uuid[]> {
  return connection.transaction(tx => insertManyEvents(tx, events, owed, acceptedAt, periods))
}

/** The same within an open transaction. */
export async function insertManyEvents(
  tx: Queryable,
  events: readonly EventRow[],
  owed: readonly OwedRow[],
  acceptedAt: number,
  periods?: Periods,
): Promise<readonly Uuid[]> {
  const held = owed.filter(row => row.owner !== null)
  const inLanes = owed.filter(row => row.owner === null)
  inLanes.sort((one, other) => one.subscriptionId - other.subscriptionId)
  const refused = await insertEvents(tx, events, [], acceptedAt, periods)
  const isWritten = ({ webhookId }: OwedRow) => !refused.includes(webhookId)
  for (const rows of [held.filter(isWritten), inLanes.filter(isWritten)])
    for (let from = 0; from < rows.length; from += rowsMax)
      await insertOwed(tx, rows.slice(from, from + rowsMax), acceptedAt)
  return refused
}

/** Where the rows of a statement go: all are held in memory; some go to lanes; of these some have an ordering key. */
type Way = 'held' | 'inLanes' | 'withKeys'

const nameEnds: Readonly<Record<Way, string>> = { held: '', inLanes: '_and_lanes', withKeys: '_and_keys' }

function wayOf(owed: readonly OwedRow[]): Way {
  if (owed.some(row => row.owner !== null && (row.dueAt ?? row.beginsAt) !== undefined)) {
    throw new Error('a row that a process holds in memory is due at once: it has no due time of its own')
  }
  if (owed.some(row => row.orderingKey !== undefined)) return 'withKeys'
  return owed.some(row => row.owner === null) ? 'inLanes' : 'held'
}

function eventColumns(events: readonly EventRow[]): readonly unknown[] {
  return [
    uuidArray(events.map(event => event.webhookId)),
    textArray(events.map(event => event.tenant)),
    textArray(events.map(event => event.eventType)),
    textArray(events.map(event => event.contentType)),
    byteaArray(events.map(event => event.payload)),
    textArray(events.map(event => `{${event.subscriptionIds.join(',')}}`)),
    textArray(events.map(({ metadata }) => (metadata ? JSON.stringify(metadata) : null))),
  ]
}

function publishedColumns(events: readonly EventRow[]): readonly unknown[] {
  return [
    textArray(events.map(({ published }) => published?.channels.join(',') || null)),
    textArray(events.map(({ published }) => published?.eventId ?? null)),
    textArray(events.map(({ published }) => published?.idempotencyKey ?? null)),
    timestamptzArray(events.map(({ published }) => published?.deliverAt ?? null)),
  ]
}

function owedColumns(owed: readonly OwedRow[], acceptedAt: number, way: Way): readonly unknown[] {
  const columns: unknown[] = [
    uuidArray(owed.map(row => row.webhookId)),
    int4Array(owed.map(row => row.subscriptionId)),
    int4Array(owed.map(row => row.sizeBytes)),
    int4Array(owed.map(row => row.owner)),
    timestamptzArray([acceptedAt]),
  ]
  if (way === 'held') return columns
  columns.push(timestamptzArray(owed.map(row => row.dueAt ?? null)))
  columns.push(timestamptzArray(owed.map(row => row.beginsAt ?? null)))
  if (way === 'withKeys') columns.push(textArray(owed.map(row => row.orderingKey ?? null)))
  return columns
}

// unnest takes no arrays of arrays, so each fan-out travels as the text of an array.
const insertEvent = `
  e as (
    insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata)
    select id, tenant, type, content_type, payload, subs::int[], metadata::jsonb
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[])
      as t (id, tenant, type, content_type, payload, subs, metadata))`

const insertPublished = (condition = '') => `
  e as (
    insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata, channels,
                        event_id, idempotency_key, deliver_at)
    select id, tenant, type, content_type, payload, subs::int[], metadata::jsonb, string_to_array(channels, ','),
           event_id, idempotency_key, deliver_at
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::timestamptz[])
      as t (id, tenant, type, content_type, payload, subs, metadata, channels, event_id, idempotency_key, deliver_at)
    ${condition})`

interface OwedText {
  /** How many parameters come before those of the owed rows. */
  readonly before?: number
  /** What the statement does besides. */
  readonly ctes?: string
  /** Of the rows that are written. */
  readonly condition?: string
  /** Of the statement, where it returns rows. */
  readonly end?: string
}

function owedText(way: Way, { before = 0, ctes = '', condition = '', end }: OwedText = {}): string {
  const [id, sub, size, owner, acceptedAt, dueAt, beginsAt, keys] = [1, 2, 3, 4, 5, 6, 7, 8].map(
    n => `$${n + before}`,
  )
  const rows = `unnest(${id}::uuid[], ${sub}::int[], ${size}::int[], ${owner}::int[]`
  const ending = (head: readonly string[], insert: string) => {
    const all = end === undefined ? head : [...head, `owing as (${insert})`]
    return `${all.length === 0 ? '' : `with ${all.join(',')}`} ${end ?? insert}`
  }
  const first = ctes === '' ? [] : [ctes]
  if (way === 'held') {
    return ending(
      first,
      `
  insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
  select id, sub, size, owner, (${acceptedAt}::timestamptz[])[1]
  from ${rows}) as t (id, sub, size, owner) ${condition}`,
    )
  }
  const at = `(${acceptedAt}::timestamptz[])[1]`
  // Rows with keys are in the order in which PostgreSQL has taken them: the clocks of two processes differ by more than it
  // takes to send the next event to the other one, and a statement may have waited. Where PostgreSQL's clock was put back,
  // the clock of the process is ahead until it has caught up, and its time counts; without a jump, which would put events
  // before others. A clock that is an hour behind is not set by PostgreSQL's.
  const ordered = `greatest(statement_timestamp(), ${at} - interval '1 s')`
  const orderAt = `case when statement_timestamp() < ${at} + interval '1 h' then ${ordered} else ${at} end`
  // A row without a time of its own, or with one that is over, is due at acceptance (greatest leaves nulls out): where a
  // lane was found empty nobody looks for older rows (`ReadFrom`).
  const isKeyed = way === 'withKeys'
  const key = isKeyed ? ', ordering_key' : ''
  return ending(
    [
      ...first,
      `
  o as (
    select id, sub, size, owner, greatest(due_at, ${isKeyed ? orderAt : at}) as due_at, begins_at${key}
           ${isKeyed ? `, greatest(due_at, ${at}) as wake_at` : ''}
    from ${rows}, ${dueAt}::timestamptz[], ${beginsAt}::timestamptz[]${isKeyed ? `, ${keys}::text[]` : ''})
      as t (id, sub, size, owner, due_at, begins_at${key}) ${condition}),
  in_lanes as (select sub as subscription_id, ${isKeyed ? 'wake_at as ' : ''}due_at from o where owner is null)`,
      wakeLanes('in_lanes'),
    ],
    `
  insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at, replayed_at${key})
  select id, sub, size, owner, due_at, begins_at${key} from o`,
  )
}

const textsWith = (parts?: OwedText): Readonly<Record<Way, string>> => ({
  held: owedText('held', parts),
  inLanes: owedText('inLanes', parts),
  withKeys: owedText('withKeys', parts),
})

const insertOwedText = textsWith()

const unlessRefused = `where ${isNotRefused('id')}`

const partsOf: Readonly<Record<Kind, OwedText>> = {
  plain: { before: 7, ctes: insertEvent },
  published: { before: 11, ctes: insertPublished() },
  named: {
    before: 11 + namesParameters,
    ctes: `${takeNames(12)}, ${insertPublished(unlessRefused)}`,
    condition: unlessRefused,
    end: selectRefused(12),
  },
}

const insertEventsText = {
  plain: textsWith(partsOf.plain),
  published: textsWith(partsOf.published),
  named: textsWith(partsOf.named),
}

/** Large enough to need a page that the table has not yet: an event that fits into its last page notices no full disk. */
const triedBytes = 32 * 1024

/**
 * Writes an event and takes it back, so that nobody ever sees it.
 *
 * @param connection one that nobody else uses meanwhile
 * @throws what a real event would be refused with
 */
export async function tryInsertEvent(connection: Queryable, webhookId: Uuid, now: number): Promise<void> {
  const event: EventRow = {
    webhookId,
    tenant: 'default',
    eventType: null,
    contentType: 'application/octet-stream',
    payload: randomBytes(triedBytes), // nothing that compresses
    subscriptionIds: [],
  }
  await connection.query({ text: 'begin' })
  try {
    await insertEvents(connection, [event], [], now)
  } finally {
    await connection.query({ text: 'rollback' })
  }
}
