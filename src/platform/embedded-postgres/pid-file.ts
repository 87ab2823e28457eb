import { readlinkSync } from 'node:fs'
import { realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import { readIfThere } from '../files.ts'
import { answers, connectionTo } from './connect.ts'
import type { Place } from './place.ts'
import { EmbeddedPostgresError, isAlive, run } from './process.ts'

/** What a running server writes into its data directory. */
export interface PidFile {
  readonly pid: number
  /** Undefined while the server has only just begun. */
  readonly port: number | undefined
  /** The folder of its Unix socket. */
  readonly socketDir: string | undefined
}

/** Reads postmaster.pid; undefined when there is none or it names no process. */
export async function readPidFile(place: Place): Promise<PidFile | undefined> {
  const lines = ((await readIfThere(pathIn(place))) ?? '').split('\n').map(line => line.trim())
  const [pid, , , port, socketDir] = lines
  // A negative id is that of a server in single-user mode, which uses the data as well.
  if (!Number.isInteger(Number(pid)) || Number(pid) === 0) return undefined
  return {
    pid: Math.abs(Number(pid)),
    port: Number(port) > 0 ? Number(port) : undefined,
    socketDir: socketDir === '' ? undefined : socketDir,
  }
}

/**
 * The server that runs on this data, or undefined. Called under the lock, before a start.
 *
 * The pid file of a dead server is left to PostgreSQL, which checks the shared memory of that server and replaces the
 * file. Two kinds would keep PostgreSQL from starting, and are removed: a file that a power cut left empty, and one whose
 * pid another program has by now. The latter is common in containers, where pids repeat.
 *
 * @throws EmbeddedPostgresError when a server answers whose process cannot be seen from here
 */
export async function findServer(place: Place, password: string): Promise<PidFile | undefined> {
  const file = await readPidFile(place)
  if (file === undefined) {
    await removeEmpty(pathIn(place))
    return undefined
  }
  const alive = isAlive(file.pid)
  if (alive && (await mayServe(file.pid, place.cluster))) return file
  const { socketDir, port } = file
  if (process.platform !== 'win32' && socketDir !== undefined && port !== undefined) {
    if (await answers(connectionTo(socketDir, port, password))) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL already runs on ${place.cluster}, and its process cannot be seen from here: another container ` +
          'or machine uses the same data folder. Stop the service there, or set DATA_DIR to another folder.',
      )
    }
  }
  if (alive) await rm(pathIn(place), { force: true })
  return undefined
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

/** False only when this process is certainly no server on this data: a server's working directory is its data. */
async function mayServe(pid: number, cluster: string): Promise<boolean> {
  if (process.platform === 'win32') return true
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === (await realpath(cluster))
    } catch (error) {
      // The process of another user: only its name can be read.
      if (codeOf(error) !== 'EACCES') return isAlive(pid)
      const name = await readIfThere(`/proc/${pid}/comm`)
      return name === undefined || name.includes('postgres')
    }
  }
  const { code, output } = await run('ps', ['-o', 'comm=', '-p', String(pid)], {
    account: undefined,
    timeoutMs: 5000,
  })
  return code !== 0 || output.includes('postgres')
}
