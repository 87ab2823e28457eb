import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, realpath, rename, stat } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, reasonOf } from '../../errors.ts'
import { Deadline } from '../deadline.ts'
import type { Binaries } from './binaries.ts'
import { giveTo } from './cluster.ts'
import {
  connectionTo,
  connectWhenReady,
  dataDirectoryOf,
  type EmbeddedConnection,
  type Keeper,
} from './connect.ts'
import { findServer, type PidFile, readPidFile } from './pid-file.ts'
import type { Place } from './place.ts'
import { EmbeddedPostgresError, isAlive, isDiskFull, programEnvironment, run } from './process.ts'

/** What is needed to start a server. */
export interface ServerSetup {
  readonly place: Place
  readonly binaries: Binaries
  /** Where a server that is started here listens. */
  readonly connection: EmbeddedConnection
  /** True when the start was cancelled. */
  readonly isCancelled: () => boolean
  readonly log: (message: string, fields?: object) => void
}

/** A server that takes connections. */
export interface RunningServer {
  readonly pid: number
  readonly connection: EmbeddedConnection
  /** A connection that stays open while the server is used. It marks this process as a user. */
  readonly keeper: Keeper
  /** It was running already. */
  readonly adopted: boolean
}

/** Enough for 15 processes with the default pools. For 200 PostgreSQL takes 7 MB more of shared memory than for 50. */
const embeddedConnectionsMax = 220
const logBytesMax = 10 * 1024 * 1024
/** The children of a killed server hold its shared memory until they notice. No other server can start in that time. */
const orphansMs = 60_000

/**
 * Uses the server that runs on the data, else starts one. Called under the lock, so that there are never two.
 *
 * @throws EmbeddedPostgresError with the end of the server's log when it does not start
 */
export async function ensureServer(setup: ServerSetup): Promise<RunningServer> {
  const { place, connection, log } = setup
  const deadline = new Deadline(orphansMs)
  let memoryMb = sharedMemoryMb()
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2000)) {
    const found = await findServer(place, connection.password, log)
    const outcome = found === undefined ? await launch(setup, memoryMb) : await adopt(setup, found)
    if (outcome.kind === 'running') return outcome.server
    if (outcome.kind === 'gone') continue // it was shutting down, and has ended now
    const { complaint } = outcome
    if (isMemoryShort(complaint) && memoryMb > 16) {
      memoryMb /= 2
      log('too little memory for the embedded PostgreSQL; trying with less', { shared_buffers_mb: memoryMb })
    } else if (isStillHeld(complaint) && deadline.leftMs > 0 && !setup.isCancelled()) {
      log('what is left of the previous PostgreSQL still holds the data; trying again')
      await sleep(waitMs)
    } else {
      throw new EmbeddedPostgresError(whyNotStarted(place, complaint))
    }
  }
}

/** A full disk is the reason that an operator can remove, and what PostgreSQL writes then reads as if data were lost. */
export function whyNotStarted(
  { cluster, logFile }: Pick<Place, 'cluster' | 'logFile'>,
  complaint: string,
): string {
  if (isDiskFull(complaint)) {
    return `The embedded PostgreSQL does not start, because the disk of ${cluster} is full. Make room on it and start again: nothing is lost. Its log is ${logFile}.`
  }
  return `The embedded PostgreSQL does not start. The end of its log, ${logFile}:\n${complaint}`
}

type Outcome =
  | { readonly kind: 'running'; readonly server: RunningServer }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly complaint: string }

async function adopt(setup: ServerSetup, found: PidFile): Promise<Outcome> {
  const { connection, place } = setup
  const host = process.platform === 'win32' ? connection.host : (found.socketDir ?? connection.host)
  const there = connectionTo(host, found.port ?? connection.port, connection.password)
  const keeper = await connectWhenReady({ ...setup, connection: there, isGone: () => !isAlive(found.pid) })
  if (keeper === undefined) return { kind: 'gone' }
  await checkData(keeper, place)
  return { kind: 'running', server: { pid: found.pid, connection: there, keeper, adopted: true } }
}

async function checkData({ client }: Keeper, place: Place): Promise<void> {
  const itsData = await dataDirectoryOf(client)
  if ((await realpath(itsData).catch(() => itsData)) === (await realpath(place.cluster))) return
  await client.end()
  throw new EmbeddedPostgresError(
    `The PostgreSQL that answers for ${place.cluster} works on ${itsData}. Stop that server, then start again.`,
  )
}

async function launch(setup: ServerSetup, memoryMb: number): Promise<Outcome> {
  const { place, connection } = setup
  const logStart = await rotateLog(place)
  const pid = await spawnServer(setup, memoryMb)
  try {
    const keeper = await connectWhenReady({ ...setup, connection, isGone: () => !isAlive(pid) })
    if (keeper === undefined) return { kind: 'failed', complaint: await logTail(place, logStart) }
    await checkData(keeper, place)
    return { kind: 'running', server: { pid, connection, keeper, adopted: false } }
  } catch (error) {
    await stopServer(setup, pid)
    throw error
  }
}

/** In its own session, so that Ctrl-C in the terminal reaches the service and not the database. */
async function spawnServer(setup: ServerSetup, memoryMb: number): Promise<number> {
  const { place, binaries } = setup
  const flags = await serverFlags(setup, memoryMb)
  if (process.platform === 'win32') return startByPgCtl(setup, flags)
  const logFile = await open(place.logFile, 'a', 0o600)
  try {
    await giveTo(place, place.logFile)
    const child = spawn(binaries.postgres, ['-D', place.cluster, ...flags], {
      ...(place.account === undefined ? {} : { uid: place.account.uid, gid: place.account.gid }),
      cwd: '/',
      env: programEnvironment,
      detached: true,
      stdio: ['ignore', logFile.fd, logFile.fd],
    })
    child.unref()
    await once(child, 'spawn')
    return child.pid ?? 0 // it has one after `spawn`
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot be started as ${place.account?.name ?? 'this user'}: ${reasonOf(cause)}.`,
      { cause },
    )
  } finally {
    await logFile.close()
  }
}

/** For Windows: PostgreSQL refuses to run as an administrator, and its own tool starts it with fewer rights. */
async function startByPgCtl(setup: ServerSetup, flags: readonly string[]): Promise<number> {
  const { place, binaries } = setup
  const { cluster, logFile } = place
  const child = spawn(
    binaries.pgCtl,
    ['start', '-W', '-s', '-D', cluster, '-l', logFile, '-o', flags.join(' ')],
    {
      env: programEnvironment,
      stdio: 'ignore',
      windowsHide: true,
    },
  )
  await once(child, 'spawn')
  const deadline = new Deadline(30_000)
  while (deadline.leftMs > 0) {
    const pid = (await readPidFile(place))?.pid
    if (pid !== undefined && isAlive(pid)) return pid
    await sleep(50)
  }
  throw new EmbeddedPostgresError(`The embedded PostgreSQL did not begin to run; its log is ${logFile}.`)
}

/**
 * Settings on the command line, which override the files in the data directory. None of PostgreSQL 18's own defaults needs
 * one: I/O workers, checksums and the compression of the WAL change nothing that can be measured (docs/benchmarks.md). That
 * the path takes a quarter more CPU than in Debian's PostgreSQL probably comes from how these binaries were built (`-Os`);
 * none was built anew to see it.
 */
async function serverFlags(setup: ServerSetup, memoryMb: number): Promise<readonly string[]> {
  const { place, binaries, connection } = setup
  const windows = process.platform === 'win32'
  const lz4 = ['-c', 'wal_compression=lz4']
  // Some builds lack lz4, and a server that is told to use it does not start.
  const { code } = await run(binaries.postgres, ['-D', place.cluster, ...lz4, '-C', 'wal_compression'], {
    account: place.account,
    timeoutMs: 30_000,
  })
  const settings = {
    listen_addresses: windows ? connection.host : '',
    port: connection.port,
    // A quoted name, because the setting is a list: a comma in the path would split it.
    unix_socket_directories: windows ? '' : `"${connection.host.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    max_connections: embeddedConnectionsMax,
    shared_buffers: `${memoryMb}MB`,
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C', // `isMemoryShort` and `isStillHeld` look for English texts
    logging_collector: 'off',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return code === 0 ? [...flags, ...lz4] : flags
}

/** At most 256 MB, at most a quarter of the memory of this machine or container, and at least 16 MB. */
function sharedMemoryMb(): number {
  const limit = process.constrainedMemory()
  const memoryMb = Math.min(totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY) / 2 ** 20
  return [256, 128, 64, 32].find(size => size <= memoryMb / 4) ?? 16
}

function isMemoryShort(complaint: string): boolean {
  return /could not (map anonymous|create) shared memory|Cannot allocate memory|out of memory/i.test(
    complaint,
  )
}

function isStillHeld(complaint: string): boolean {
  return /pre-existing shared memory block|lock file ".*" (already exists|is empty)/.test(complaint)
}

/** To be called before a start, when nobody writes to the log. @returns its size in bytes */
async function rotateLog(place: Place): Promise<number> {
  const { logFile } = place
  const size = await stat(logFile).then(
    found => found.size,
    () => 0,
  )
  if (size <= logBytesMax) return size
  await rename(logFile, `${logFile}.1`)
  return 0
}

async function logTail(place: Place, start: number): Promise<string> {
  const text = (await readFile(place.logFile)).subarray(start).toString('utf8').trim()
  return text === '' ? 'it ended without a word' : text.split('\n').slice(-20).join('\n')
}

/**
 * Shuts a server down. A fast shutdown closes its connections and writes a checkpoint. After 30 s an immediate one
 * follows, which loses nothing, but the next start has to recover. Never by SIGKILL, which leaves the server's children.
 *
 * @throws EmbeddedPostgresError when it still runs after both, or this user may not stop it
 */
export async function stopServer(
  setup: Pick<ServerSetup, 'place' | 'binaries' | 'log'>,
  pid: number,
): Promise<void> {
  const ways = [
    { mode: 'fast', signal: 'SIGINT', waitMs: 30_000 },
    { mode: 'immediate', signal: 'SIGQUIT', waitMs: 10_000 },
  ] as const
  for (const { mode, signal, waitMs } of ways) {
    if (process.platform === 'win32') {
      const stop = ['stop', '-W', '-s', '-D', setup.place.cluster, '-m', mode]
      await run(setup.binaries.pgCtl, stop, { account: undefined, timeoutMs: waitMs })
    } else {
      sendSignal(pid, signal)
    }
    if (await new Deadline(waitMs).waitFor(() => !isAlive(pid))) return
    setup.log(`the embedded PostgreSQL did not end within ${waitMs / 1000} s of a ${mode} shutdown`, {
      postgres_pid: pid,
    })
  }
  throw new EmbeddedPostgresError(`The embedded PostgreSQL (process ${pid}) does not end.`)
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL (process ${pid}) cannot be stopped by this user: ${reasonOf(error)}.`,
      { cause: error },
    )
  }
}
