import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError } from '../errors.ts'
import { endOwed } from '../lanes/end-owed.ts'
import type { Caller } from '../model/caller.ts'
import { loggedFrom } from '../model/logged-from.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { planByIndexes } from '../platform/sql.ts'
import {
  compare,
  cursorOf,
  type DeliveryKey,
  type DeliveryQuery,
  keyOf,
  parseCursor,
  selectionOf,
  topOf,
} from './deliveries.ts'
import {
  type DeliveryRow,
  type DeliverySelection,
  endDeadLetters,
  type KeyPage,
  readDeadKeys,
  readDeliveries,
  readOwedKeys,
} from './deliveries-store.ts'

/** What can be discarded: the rest has ended. */
export const discardableStates = ['pending', 'failed'] as const
export type DiscardableState = (typeof discardableStates)[number]

/** Where a discard goes on: first through what is owed, then through what is dead. */
export interface DiscardPosition {
  readonly state: DiscardableState
  readonly before: DeliveryKey
}

/** How far a discard has come. */
export interface Discarded {
  readonly count: number
  /** Where to go on; undefined: that was all. */
  readonly next: DiscardPosition | undefined
}

/** Deliveries that end in one transaction, and rows of which nothing but the key is looked at for them. */
const endedAtOnce = 1000
const lookedAtOnce = 50_000

/**
 * Ends all that the query matches now as cancelled, a thousand at a time, each with an entry in the audit log. What has
 * changed since it was looked at is left as it is.
 *
 * @param isDryRun only counts
 * @param mayGoOn asked between two batches
 * @param after where one that was not done has stopped
 */
export async function discardDeliveries(
  database: Database,
  caller: Caller,
  query: DeliveryQuery,
  isDryRun: boolean,
  mayGoOn: () => boolean,
  after?: DiscardPosition,
): Promise<Discarded> {
  const selection = selectionOf(query, caller.reach)
  const states = discardableStates.filter(state => query.states.includes(state))
  const first = after === undefined ? 0 : states.indexOf(after.state)
  let count = 0
  for (const state of first < 0 ? [] : states.slice(first)) {
    let before: DeliveryKey | undefined = startOf(query, state === after?.state ? after.before : undefined)
    while (before !== undefined) {
      const page = await readPage(database, state, selection, before, isDryRun)
      if (isDryRun) count += page.keys.length
      else if (page.keys.length > 0) count += await end(database, caller, query, state, page.keys)
      before = page.end
      if (before !== undefined && !mayGoOn()) return { count, next: { state, before } }
    }
  }
  return { count, next: undefined }
}

/** Deliveries that one request names. */
export const chosenMax = 500

/**
 * Ends those of the deliveries that are owed or dead as cancelled, all in one transaction with an entry in the audit log.
 * What has ended in another way meanwhile is left as it is.
 *
 * @param isDryRun only counts
 * @returns how many
 * @throws AppError not_found with those that are not there, or are another tenant's; nothing has ended then
 */
export async function discardChosen(
  database: Database,
  { actor, reach }: Caller,
  chosen: readonly DeliveryKey[],
  isDryRun: boolean,
): Promise<number> {
  const keys = chosen.toSorted((one, other) => compare(other, one))
  const oldest = keys.at(-1)
  if (oldest === undefined) return 0
  return database.transaction(async tx => {
    await planByIndexes(tx)
    const read = await readDeliveries(tx, keys, loggedFrom(oldest.webhookId))
    const rows = read.filter(({ tenant }) => reach.has(tenant))
    refuseUnknown(chosen, rows)
    const [owed, dead] = discardableStates.map(state => rows.filter(row => row.state === state).map(keyOf))
    if (isDryRun || owed === undefined || dead === undefined) return (owed?.length ?? 0) + (dead?.length ?? 0)
    const any = { states: discardableStates }
    const discarded = (await endKeys(tx, 'pending', any, owed)) + (await endKeys(tx, 'failed', any, dead))
    const tenants = new Set(rows.map(({ tenant }) => tenant))
    if (discarded > 0) {
      await recordChange(tx, actor, {
        ...{ action: 'delivery.discarded', subjectId: null },
        tenant: tenants.size === 1 ? (rows[0]?.tenant ?? null) : reach.tenant,
        changes: differences(undefined, { deliveries: [...owed, ...dead].map(cursorOf), discarded }),
      })
    }
    return discarded
  })
}

function refuseUnknown(chosen: readonly DeliveryKey[], rows: readonly DeliveryRow[]): void {
  const known = new Set(rows.map(row => cursorOf(keyOf(row))))
  const unknown = chosen.flatMap((key, index) =>
    known.has(cursorOf(key))
      ? []
      : [
          {
            pointer: `/deliveries/${index}`,
            detail: `There is no delivery of the event ${key.webhookId} to subscription ${key.subscriptionId}, or its retention is over.`,
          },
        ],
  )
  const [first, ...more] = unknown
  if (first === undefined) return
  const detail =
    more.length === 0 ? first.detail : `${unknown.length} of the deliveries are not there; see errors.`
  throw new AppError('not_found', `${detail} Nothing was discarded.`, { errors: unknown })
}

function startOf(query: DeliveryQuery, before: DeliveryKey | undefined): DeliveryKey {
  const top = topOf(query)
  return before === undefined || compare(top, before) < 0 ? top : before
}

/** Keys alone, where nothing more has to be known: whether it is still so is seen when they end. */
async function readPage(
  database: Database,
  state: DiscardableState,
  selection: DeliverySelection,
  before: DeliveryKey,
  isDryRun: boolean,
): Promise<KeyPage> {
  const isKnown = state === 'pending' ? selection.errorClass === null : !isDryRun
  const look = {
    before,
    loggedFrom: loggedFrom(selection.from),
    rowsMax: lookedAtOnce,
    keysMax: isDryRun && isKnown ? lookedAtOnce : endedAtOnce,
  }
  return database.transaction(async tx => {
    await planByIndexes(tx)
    const page = await (state === 'pending' ? readOwedKeys : readDeadKeys)(tx, selection, look)
    const oldest = page.keys.at(-1)
    if (isKnown || oldest === undefined) return page
    const rows = await readDeliveries(tx, page.keys, loggedFrom(oldest.webhookId))
    const { errorClass } = selection
    const wanted = rows.filter(
      row => row.state === state && (errorClass === null || row.error_class === errorClass),
    )
    return { ...page, keys: wanted.map(keyOf) }
  })
}

function end(
  database: Database,
  { actor, reach }: Caller,
  query: DeliveryQuery,
  state: DiscardableState,
  keys: readonly DeliveryKey[],
): Promise<number> {
  return database.transaction(async tx => {
    const discarded = await endKeys(tx, state, query, keys)
    await recordChange(tx, actor, {
      ...{ action: 'delivery.discarded', subjectId: null, tenant: reach.tenant },
      changes: differences(undefined, { ...query, discarded }),
    })
    return discarded
  })
}

async function endKeys(
  tx: Queryable,
  state: DiscardableState,
  { errorClass }: DeliveryQuery,
  keys: readonly DeliveryKey[],
): Promise<number> {
  if (state === 'pending') return endOwed(tx, keys, 'discarded')
  const oldest = keys.at(-1)
  if (oldest === undefined) return 0
  const wanted = { reason: 'discarded', errorClass: errorClass ?? null }
  return endDeadLetters(tx, keys, wanted, loggedFrom(oldest.webhookId))
}

/** A position as a cursor has it. */
export function discardCursor({ state, before }: DiscardPosition): string {
  return `${state}/${before.webhookId}/${before.subscriptionId}`
}

export function parseDiscardCursor(text: string): DiscardPosition | undefined {
  const slash = text.indexOf('/')
  const state = discardableStates.find(one => one === text.slice(0, slash))
  const before = parseCursor(text.slice(slash + 1))
  return state === undefined || before === undefined ? undefined : { state, before }
}
