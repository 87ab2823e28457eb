import { parseArgs } from 'node:util'
import { recordChange } from '../audit/audit.ts'
import type { Config } from '../config/config.ts'
import type { PrunePlan } from '../log/prune-plan.ts'
import { commandLine } from '../model/caller.ts'
import { databaseClock } from '../platform/database-time.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { openSealer } from '../platform/seal.ts'
import { openSubscriptions } from '../service/open-subscriptions.ts'
import { planAll, pruneAll } from '../service/prune.ts'
import { type CommandIo, exitCode } from './command.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

const usage = `Usage: webhooks prune [--dry-run]

Removes what is kept no longer, as the service does every hour by itself (docs/guides/retention.md).

  --dry-run    say what would go now, by kind and tenant, and change nothing`

/** `webhooks prune`: one run of the retention that the service runs every hour, or what it would do. */
export async function runPrune(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readArguments(args)
  if (given === 'help') {
    io.out(usage)
    return exitCode.ok
  }
  if (given === 'mistake') {
    io.err(`webhooks prune takes --dry-run or nothing (got ${args.join(' ')}).\n\n${usage}`)
    return exitCode.usage
  }
  if (given === 'dry run') {
    const plan = await withDatabase(io, async (database, config) =>
      planAll({ database, config, clock: await databaseClock(database) }),
    )
    io.out(shownPlan(plan))
    return exitCode.ok
  }
  const report = await withDatabase(io, prune)
  io.out(shownReport(report))
  return exitCode.ok
}

function readArguments(args: readonly string[]): 'help' | 'mistake' | 'dry run' | 'run' {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) return 'help'
  try {
    const { values } = parseArgs({ args: [...args], options: { 'dry-run': { type: 'boolean' } } })
    return values['dry-run'] ? 'dry run' : 'run'
  } catch {
    return 'mistake'
  }
}

type Report = NonNullable<Awaited<ReturnType<typeof pruneAll>>>

async function prune(database: Database, config: Config, logger: Logger): Promise<Report | undefined> {
  await prepareForChanges(database, config)
  const clock = await databaseClock(database)
  // No subscription is made or changed here.
  const own = { checkTarget: async () => undefined, isOwn: () => false }
  const seal = await openSealer(database, config)
  const subscriptions = openSubscriptions({ config, database, clock, logger, seal, ...own })
  await subscriptions.load()
  const done = await pruneAll({ database, config, clock, logger, subscriptions })
  // After it, since it is many transactions: each of them is what the service does by itself every hour.
  if (done !== undefined) {
    await recordChange(database, commandLine, {
      action: 'retention.run',
      subjectId: null,
      tenant: null,
      changes: [
        { field: 'partitions_dropped', before: null, after: done.partitionsDropped.length },
        { field: 'deliveries_expired', before: null, after: done.expired },
        { field: 'deliveries_cancelled', before: null, after: done.cancelled },
        { field: 'rows_removed', before: null, after: rowsOf(done) + rowsBeside(done) },
      ],
    })
  }
  return done
}

function rowsOf({ removed }: Report): number {
  return removed.events + removed.log + removed.details + removed.audit
}

function rowsBeside({ rows }: Report): number {
  return rows.states + rows.figures + rows.replays + rows.testReceivers
}

function shownReport(report: Report | undefined): string {
  if (report === undefined)
    return 'Another process is at it: retention runs in one process at a time. Nothing was done here.'
  const { partitionsDropped: dropped, removed, unread } = report
  const lines = [
    `Dropped ${dropped.length} partitions` +
      (dropped.length > 0 ? ` (${dropped.join(', ')})` : '') +
      `, made ${report.partitionsMade}; ${report.expired} deliveries expired, ${report.cancelled} cancelled, ` +
      `${report.carried} events carried over.`,
  ]
  if (rowsOf(report) > 0) {
    lines.push(
      `Of tenants that keep theirs for another time: ${removed.events} events, ${removed.log} rows of the log, ` +
        `${removed.details} details and ${removed.audit} entries of the audit log.`,
    )
  }
  if (rowsBeside(report) > 0) {
    const { states, figures, replays, testReceivers } = report.rows
    lines.push(
      `Row by row: ${states} changes of states, ${figures} rows of figures, ${replays} replays and ${testReceivers} test receivers.`,
    )
  }
  if (unread > 0)
    lines.push(`${unread} subscriptions cannot be read; what they are owed was kept beyond its time.`)
  return lines.join('\n')
}

function shownPlan({ kinds, partitions }: PrunePlan): string {
  const rows = kinds.flatMap(({ kind, tenants }) =>
    tenants.map(({ tenant, rows, bytes }) => [kind, tenant ?? '-', rows.toLocaleString('en'), sizeOf(bytes)]),
  )
  const disk = sizeOf(partitions.reduce((sum, { bytes }) => sum + bytes, 0))
  const heads = ['kind', 'tenant', 'rows', 'about']
  const table = rows.length === 0 ? ['Nothing is old enough to go.'] : columns([heads, ...rows])
  return [
    ...table,
    `Partitions that would be dropped: ${partitions.length}, which take ${disk} on the disk.`,
    'Nothing was changed. Without --dry-run it is done now; the service does it every hour.',
  ].join('\n')
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, place) => Math.max(...rows.map(row => row[place]?.length ?? 0)))
  return rows.map(row =>
    row
      .map((text, place) => (place < 2 ? text.padEnd(widths[place] ?? 0) : text.padStart(widths[place] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

function sizeOf(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const place = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const number = bytes / 1024 ** place
  return `${place === 0 ? number : number.toFixed(1)} ${units[place]}`
}
