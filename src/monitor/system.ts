import { isDatabaseUnavailable, type Queryable } from '../platform/postgres.ts'
import type { ProcessReport, SystemReport } from './system-schema.ts'
import {
  type BacklogRow as Backlog,
  type ProcessStats,
  readBacklog,
  readProcessStats,
  readServer,
} from './system-store.ts'
import { type OwnSystem, ownTroubles, troublesOfAll } from './troubles.ts'

/** Counts stop here, so that their cost is bounded. */
const countMax = 10_000

/** How long the database is waited for: longer than a busy one takes, and shorter than an operator waits. */
const databaseMs = 3000

/**
 * All processes of this installation, their backlog, and what troubles them. Reads a bounded part of each table. While the
 * database cannot be asked it says so, with what this process knows: an operator is answered above all then.
 */
export async function readSystem(db: Queryable, own: OwnSystem): Promise<SystemReport> {
  try {
    return await within(readFromDatabase(db, own), databaseMs)
  } catch (error) {
    if (!isDatabaseUnavailable(error) && !(error instanceof TooLate)) throw error
    return withoutDatabase(own)
  }
}

async function readFromDatabase(db: Queryable, own: OwnSystem): Promise<SystemReport> {
  const processes = await readProcessStats(db)
  const backlog = await readBacklog(db, countMax + 1)
  const server = await readServer(db)
  const troubles = await troublesOfAll(db, processes, own)
  const { oldest_due_ms: oldest, now_ms: now } = backlog
  return {
    time: new Date(now).toISOString(),
    troubles: [...troubles],
    processes: processes.map(reportOf),
    backlog: {
      owed: owedOf(backlog),
      owed_exact: backlog.owed <= countMax,
      lanes_due: backlog.lanes_due,
      lanes_leased: backlog.lanes_leased,
      oldest_due_at: oldest === null ? null : new Date(oldest).toISOString(),
      oldest_due_seconds: oldest === null ? 0 : seconds(now - oldest),
    },
    database: {
      available: true,
      version: server.version,
      oldest_transaction_seconds: server.oldest_transaction_s,
    },
  }
}

function withoutDatabase(own: OwnSystem): SystemReport {
  return {
    time: new Date(own.now()).toISOString(),
    troubles: [...ownTroubles(own)],
    processes: [],
    backlog: {
      ...{ owed: 0, owed_exact: false, lanes_due: 0, lanes_leased: 0 },
      ...{ oldest_due_at: null, oldest_due_seconds: 0 },
    },
    database: { available: false, version: 'unknown', oldest_transaction_seconds: null },
  }
}

/** Deliveries that are owed, by the estimate of the database beyond what is counted. */
function owedOf({ owed, owed_estimate: estimate }: Backlog): number {
  return owed <= countMax ? owed : Math.max(owed, Math.round(estimate))
}

/** The same figures, for the metrics and for `GET /stats`. Of a database that does not answer: none. */
export async function readQueue(db: Queryable) {
  const [backlog, processes] = [await readBacklog(db, countMax + 1), await readProcessStats(db)]
  const sum = (name: string) =>
    processes.reduce((all, { stats }) => all + (typeof stats[name] === 'number' ? stats[name] : 0), 0)
  return {
    owed: owedOf(backlog),
    isExact: backlog.owed <= countMax,
    held: sum('held'),
    inFlight: sum('inFlight'),
    lanesDue: backlog.lanes_due,
    lanesLeased: backlog.lanes_leased,
    /** Unix milliseconds. */
    oldestDueAt: backlog.oldest_due_ms,
    oldestDueSeconds: backlog.oldest_due_ms === null ? 0 : seconds(backlog.now_ms - backlog.oldest_due_ms),
  }
}

class TooLate extends Error {}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooLate()), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function reportOf(row: ProcessStats): ProcessReport {
  const numberOrNull = (name: string) => {
    const value = row.stats[name]
    return typeof value === 'number' ? value : null
  }
  const number = (name: string) => numberOrNull(name) ?? 0
  const text = (name: string) => {
    const value = row.stats[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    id: row.id,
    host: row.host,
    pid: row.pid,
    role: row.role,
    version: row.version,
    engine: text('engine') ?? 'unknown',
    redis: text('redis') ?? null,
    started_at: new Date(row.started_ms).toISOString(),
    heartbeat_at: new Date(row.heartbeat_ms).toISOString(),
    silent_seconds: seconds(row.silent_ms),
    lanes: number('lanes'),
    held: number('held'),
    held_bytes: number('heldBytes'),
    in_flight: number('inFlight'),
    waiting: number('waiting'),
    settling: number('settling'),
    connections: number('connections'),
    repeated: number('repeated'),
    streams: number('streams'),
    descriptors_used: numberOrNull('descriptorsUsed'),
    descriptors_allowed: numberOrNull('descriptorsAllowed'),
  }
}

/** To a tenth of a second, and at least 0: the two times are read in different statements. */
function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 100) / 10)
}
