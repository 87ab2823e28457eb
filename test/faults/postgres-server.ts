import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Binaries, prepareBinaries } from '../../src/platform/embedded-postgres/binaries.ts'
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres/embedded-postgres.ts'
import { choosePlace, type Place } from '../../src/platform/embedded-postgres/place.ts'
import { isAlive, programEnvironment, run } from '../../src/platform/embedded-postgres/process.ts'

/** A cluster on disk, with an empty database `webhooks`: made once, copied for each server. */
export interface Template {
  readonly folder: string
  readonly password: string
  readonly place: Place
  readonly binaries: Binaries
  remove(): Promise<void>
}

export async function makeTemplate(): Promise<Template> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-faults-'))
  await chmod(folder, 0o755) // started as root, PostgreSQL runs under another account
  const paths = { dataDir: folder, stateDir: join(folder, 'state') }
  const server = await startEmbeddedPostgres({ ...paths, log: () => {} })
  await server.stop()
  const place = await choosePlace(paths)
  const binaries = await prepareBinaries({ account: place.account, copyInto: folder, log: () => {} })
  const { password } = server.connection
  return { folder, password, place, binaries, remove: () => rm(folder, { recursive: true, force: true }) }
}

/**
 * A PostgreSQL that listens on TCP, syncs to disk as in earnest, and can be stopped, killed, frozen and started again
 * at will. Linux only: its processes are found in /proc.
 */
export class PostgresServer {
  readonly port: number
  readonly #template: Template
  readonly #folder: string
  #postmaster: ChildProcess | undefined

  private constructor(template: Template, folder: string, port: number) {
    this.#template = template
    this.#folder = folder
    this.port = port
  }

  static async create(template: Template): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-faults-'))
    await chmod(folder, 0o755)
    await run('cp', ['-a', template.place.cluster, join(folder, 'postgres')], {
      account: undefined,
      timeoutMs: 30_000,
    })
    const server = new PostgresServer(template, folder, await freePort())
    await server.start()
    return server
  }

  /** @param port of a proxy before it, else its own */
  url(port = this.port): string {
    return `postgresql://webhooks:${this.#template.password}@127.0.0.1:${port}/webhooks`
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const { place, binaries } = this.#template
    const logFile = await open(join(this.#folder, 'log'), 'a')
    const settings = [`port=${this.port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=']
    settings.push('max_connections=200', 'timezone=UTC')
    for (const end = performance.now() + 30_000; ; await sleep(50)) {
      const child = spawn(
        binaries.postgres,
        ['-D', join(this.#folder, 'postgres'), ...settings.flatMap(setting => ['-c', setting])],
        {
          ...(place.account && { uid: place.account.uid, gid: place.account.gid }),
          cwd: '/',
          env: programEnvironment,
          detached: true,
          stdio: ['ignore', logFile.fd, logFile.fd],
        },
      )
      this.#postmaster = child
      if (await this.#isReady(child)) break
      // What is left of the one before may still hold the data for a moment.
      if (performance.now() > end) throw new Error(`PostgreSQL does not start:\n${await this.log()}`)
    }
    await logFile.close()
  }

  /** Fast shutdown, as an operator's restart does it. */
  async stop(): Promise<void> {
    this.#postmaster?.kill('SIGINT')
    await this.#ended()
  }

  /** The whole server at once, as when its machine loses power except that what was written is still written. */
  async kill(): Promise<void> {
    const pids = await this.#pids()
    for (const pid of pids) signal(pid, 'SIGKILL')
    await this.#ended()
    while (pids.some(isAlive)) await sleep(5)
  }

  /** Stops all of its processes in their tracks: connections stay open, nothing answers. */
  async freeze(): Promise<void> {
    for (const pid of await this.#pids()) signal(pid, 'SIGSTOP')
    for (const pid of await this.#pids()) signal(pid, 'SIGSTOP') // those that were being born
  }

  async thaw(): Promise<void> {
    for (const pid of await this.#pids()) signal(pid, 'SIGCONT')
  }

  async log(): Promise<string> {
    return (await readFile(join(this.#folder, 'log'), 'utf8')).split('\n').slice(-20).join('\n')
  }

  async close(): Promise<void> {
    await this.thaw()
    const forced = setTimeout(() => this.kill(), 10_000)
    await this.stop()
    clearTimeout(forced)
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #isReady(child: ChildProcess): Promise<boolean> {
    while (child.exitCode === null && child.signalCode === null) {
      const client = new pg.Client({ connectionString: this.url(), connectionTimeoutMillis: 1000 })
      client.on('error', () => {})
      try {
        await client.connect()
        return true
      } catch {
        await sleep(20)
      } finally {
        client.end().catch(() => {})
      }
    }
    return false
  }

  async #ended(): Promise<void> {
    const child = this.#postmaster
    if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /** The postmaster first, so that it makes no more. */
  async #pids(): Promise<readonly number[]> {
    const postmaster = this.#postmaster?.pid
    if (postmaster === undefined || !isAlive(postmaster)) return []
    const tasks = await readdir(`/proc/${postmaster}/task`)
    const lists = await Promise.all(
      tasks.map(task => readFile(`/proc/${postmaster}/task/${task}/children`, 'utf8')),
    )
    return [postmaster, ...lists.flatMap(list => list.split(' ').filter(Boolean).map(Number))]
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it has just ended
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
