import type { Queryable } from '../platform/postgres.ts'
import { type Trouble, type Troubles, troubleKinds } from '../platform/troubles.ts'
import { receiverMessages } from './receiver-troubles.ts'
import type { TroubleReport } from './system-schema.ts'
import {
  countReceiversInTrouble,
  type ProcessStats,
  type ReceiverInTrouble,
  readReceiversInTrouble,
} from './system-store.ts'

/** What the process that answers knows by itself. */
export interface OwnSystem {
  readonly troubles: Pick<Troubles, 'present' | 'recent'>
  /** The id of this process. */
  readonly id: () => number
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Receivers that are listed, and up to where the deliveries that wait for each are counted. */
const receiversMax = 20
const waitingMax = 1000

/** Troubles in all that are shown. */
const shownMax = 100

/** What a process says of its troubles with its heartbeat: few, since each heartbeat writes them. */
export function troublesToTell({
  present,
  recent,
}: Pick<Troubles, 'present' | 'recent'>): readonly Trouble[] {
  return [...present.slice(0, 10), ...recent.slice(0, 10)]
}

/** Those that this process knows of. */
export function ownTroubles({ troubles, id }: OwnSystem): readonly TroubleReport[] {
  return inOrder([...troubles.present, ...troubles.recent].map(trouble => reportOf(trouble, id())))
}

/** How many receivers there are that are not sent to, up to 10,000: of these `troublesOfAll` lists some. */
export function receiversInTrouble(db: Queryable): Promise<number> {
  return countReceiversInTrouble(db, 10_000)
}

/** Those of all processes, as of their last heartbeats; and the receivers that are not sent to. */
export async function troublesOfAll(
  db: Queryable,
  processes: readonly ProcessStats[],
  own: OwnSystem,
): Promise<readonly TroubleReport[]> {
  const others = processes.filter(({ id }) => id !== own.id())
  const told = others.flatMap(({ id, stats }) => {
    return troublesIn(stats.troubles).map(trouble => reportOf(trouble, id))
  })
  const receivers = (await readReceiversInTrouble(db, receiversMax, waitingMax + 1)).map(ofReceiver)
  return inOrder([...ownTroubles(own), ...told, ...receivers])
}

function inOrder(troubles: readonly TroubleReport[]): readonly TroubleReport[] {
  const present = troubles.filter(({ until }) => until === null)
  const over = troubles.filter(({ until }) => until !== null)
  present.sort((one, other) => one.since.localeCompare(other.since))
  over.sort((one, other) => (other.until ?? '').localeCompare(one.until ?? ''))
  return [...present, ...over].slice(0, shownMax)
}

function reportOf({ since, until, ...trouble }: Trouble, process: number): TroubleReport {
  return {
    ...trouble,
    process,
    since: new Date(since).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
    count_exact: trouble.kind !== 'receiver' || trouble.count < waitingMax,
  }
}

function ofReceiver({ id, state, reason, since_ms, waiting }: ReceiverInTrouble): TroubleReport {
  return {
    kind: 'receiver',
    subject: String(id),
    process: null,
    level: 'warn',
    message: receiverMessages[state],
    cause: reason,
    since: new Date(since_ms).toISOString(),
    until: null,
    count: Math.min(waiting, waitingMax),
    count_exact: waiting <= waitingMax,
  }
}

/** What another process has written, which may be of another version. */
function troublesIn(told: unknown): readonly Trouble[] {
  return Array.isArray(told) ? told.filter(isTrouble) : []
}

function isTrouble(told: unknown): told is Trouble {
  if (typeof told !== 'object' || told === null) return false
  const { kind, subject, level, message, cause, since, until, count } = told as Record<string, unknown> // an object
  const isTextOrNull = (value: unknown) => value === null || typeof value === 'string'
  return (
    troubleKinds.some(known => known === kind) &&
    (level === 'warn' || level === 'error') &&
    typeof message === 'string' &&
    isTextOrNull(subject) &&
    isTextOrNull(cause) &&
    Number.isFinite(since) &&
    (until === null || Number.isFinite(until)) &&
    Number.isFinite(count)
  )
}
