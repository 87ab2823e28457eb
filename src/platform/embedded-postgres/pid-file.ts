import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { readIfThere } from '../files.ts'
import { answers, connectionTo } from './connect.ts'
import type { Place } from './place.ts'
import { EmbeddedPostgresError, isAlive, run } from './process.ts'

/** What a running server writes into its data directory. */
export interface PidFile {
  readonly pid: number
  /** The data directory that it was written into. */
  readonly dataDir: string | undefined
  /** Undefined while the server has only just begun. */
  readonly port: number | undefined
  /** The folder of its Unix socket. */
  readonly socketDir: string | undefined
}

/** Reads postmaster.pid; undefined when there is none or it names no process. */
export async function readPidFile(place: Place): Promise<PidFile | undefined> {
  const lines = ((await readIfThere(pathIn(place))) ?? '').split('\n').map(line => line.trim())
  const [pid, dataDir, , port, socketDir] = lines
  // A negative id is that of a server in single-user mode, which uses the data as well.
  if (!Number.isInteger(Number(pid)) || Number(pid) === 0) return undefined
  return {
    pid: Math.abs(Number(pid)),
    dataDir: dataDir === '' ? undefined : dataDir,
    port: Number(port) > 0 ? Number(port) : undefined,
    socketDir: socketDir === '' ? undefined : socketDir,
  }
}

/**
 * The server that runs on this data, or undefined. Called under the lock, before a start.
 *
 * The pid file of a dead server is left to PostgreSQL, which checks the shared memory of that server and replaces the
 * file. Three kinds would keep PostgreSQL from starting, and are removed: a file that a power cut left empty, one whose
 * pid another program has by now, and one that was copied with the data of a running server. The second is common in
 * containers, where pids repeat.
 *
 * @throws EmbeddedPostgresError when a server answers whose process cannot be seen from here, or the data were moved
 *   while their server runs
 */
export async function findServer(
  place: Place,
  password: string,
  log: (message: string, fields?: object) => void,
): Promise<PidFile | undefined> {
  const file = await readPidFile(place)
  if (file === undefined) {
    await removeEmpty(pathIn(place))
    return undefined
  }
  const alive = isAlive(file.pid)
  const worksHere = alive ? await worksOn(file.pid, place.cluster) : 'no'
  if (worksHere === 'yes') {
    await refuseMoved(place, file)
    return file
  }
  if (await isCopy(place, file)) {
    await removeTracesOfServer(place)
    log(
      'these data are a copy that was made while their PostgreSQL ran. Unless it is a snapshot of the whole file system, ' +
        'something in it can be damaged: "webhooks backup" makes a copy that is not',
      { copy_of: file.dataDir, path: place.cluster },
    )
    return undefined
  }
  if (worksHere === 'perhaps') return file
  const { socketDir, port } = file
  if (process.platform !== 'win32' && socketDir !== undefined && port !== undefined) {
    if (await answers(connectionTo(socketDir, port, password))) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL already runs on ${place.cluster}, and its process cannot be seen from here: another container ` +
          'or machine uses the same data folder. Stop the service there, or set DATA_DIR to another folder.',
      )
    }
  }
  if (alive) await removeTracesOfServer(place)
  return undefined
}

async function refuseMoved(place: Place, { pid, dataDir }: PidFile): Promise<void> {
  if (dataDir === undefined || (await isSameFolder(dataDir, place.cluster))) return
  throw new EmbeddedPostgresError(
    `The data in ${place.cluster} were moved there from ${dataDir} while their PostgreSQL (process ${pid}) ran. Stop ` +
      `the service that uses it; if none does any more, end that process (kill ${pid}). Then start again.`,
  )
}

/**
 * True when the pid file was written into another folder, which is still there, and of which this one is a copy: both are
 * of one cluster, as its number says. A server in a container sees its folder under another name, but it has written its
 * pid file into a cluster with another number than that of the folder of that name here.
 */
async function isCopy(place: Place, { dataDir }: PidFile): Promise<boolean> {
  if (dataDir === undefined || (await isSameFolder(dataDir, place.cluster))) return false
  const [theirs, ours] = await Promise.all([clusterNumber(dataDir), clusterNumber(place.cluster)])
  return theirs !== undefined && theirs === ours
}

async function isSameFolder(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map(path => stat(path).catch(() => undefined)))
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** The system identifier, which initdb makes: the first eight bytes of the control file. */
async function clusterNumber(cluster: string): Promise<string | undefined> {
  const bytes = await readFile(join(cluster, 'global', 'pg_control')).catch(() => undefined)
  return bytes?.subarray(0, 8).toString('hex')
}

/** The pid file, and the lock files of sockets in the data directory, which hold the same pid. */
async function removeTracesOfServer(place: Place): Promise<void> {
  const names = (await readdir(place.cluster)).filter(name => name.startsWith('.s.PGSQL.'))
  for (const name of [...names, 'postmaster.pid']) await rm(join(place.cluster, name), { force: true })
}

function pathIn(place: Place): string {
  return join(place.cluster, 'postmaster.pid')
}

async function removeEmpty(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return
  // A server that is just starting fills its file at once.
  if (found.size === 0 && Date.now() - found.mtimeMs > 10_000) await rm(path, { force: true })
}

/** Whether this process is a server on this data: a server's working directory is its data. */
async function worksOn(pid: number, cluster: string): Promise<'yes' | 'no' | 'perhaps'> {
  if (process.platform === 'win32') return 'perhaps'
  if (process.platform === 'linux') {
    try {
      const [its, ours] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(cluster)])
      return its.dev === ours.dev && its.ino === ours.ino ? 'yes' : 'no'
    } catch (error) {
      // The process of another user: only its name can be read.
      if (codeOf(error) !== 'EACCES') return isAlive(pid) ? 'perhaps' : 'no'
      const name = await readIfThere(`/proc/${pid}/comm`)
      return name === undefined || name.includes('postgres') ? 'perhaps' : 'no'
    }
  }
  const { code, output } = await run('ps', ['-o', 'comm=', '-p', String(pid)], {
    account: undefined,
    timeoutMs: 5000,
  })
  return code !== 0 || output.includes('postgres') ? 'perhaps' : 'no'
}
