import type { Queryable } from '../platform/postgres.ts'
import type { ProcessReport, SystemReport } from './system-schema.ts'
import { type ProcessStats, readBacklog, readProcessStats, readServer } from './system-store.ts'

/** Counts stop here, so that their cost is bounded. */
const countMax = 10_000

/** All processes of this installation, and their backlog. Reads a bounded part of each table. */
export async function readSystem(db: Queryable): Promise<SystemReport> {
  const processes = await readProcessStats(db)
  const backlog = await readBacklog(db, countMax + 1)
  const server = await readServer(db)
  const exact = backlog.owed <= countMax
  const { oldest_due_ms: oldest, now_ms: now } = backlog
  return {
    time: new Date(now).toISOString(),
    processes: processes.map(reportOf),
    backlog: {
      owed: exact ? backlog.owed : Math.max(backlog.owed, Math.round(backlog.owed_estimate)),
      owed_exact: exact,
      lanes_due: backlog.lanes_due,
      lanes_leased: backlog.lanes_leased,
      oldest_due_at: oldest === null ? null : new Date(oldest).toISOString(),
      oldest_due_seconds: oldest === null ? 0 : seconds(now - oldest),
    },
    database: {
      version: server.version,
      oldest_transaction_seconds: server.oldest_transaction_s,
    },
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
    descriptors_used: numberOrNull('descriptorsUsed'),
    descriptors_allowed: numberOrNull('descriptorsAllowed'),
  }
}

/** To a tenth of a second, and at least 0: the two times are read in different statements. */
function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 100) / 10)
}
