import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../errors.ts'
import { type Account, plainEnvironment } from './embedded-postgres-account.ts'
import type { Binaries } from './embedded-postgres-binaries.ts'
import type { Place } from './embedded-postgres-place.ts'
import { isAlive } from './lock-file.ts'

export interface PostgresServerOptions {
  readonly place: Place
  readonly binaries: Binaries
  readonly account: Account | undefined
  readonly port: number
  readonly log: (message: string, fields?: object) => void
}

/** What a try to connect says of the server. */
export type Probe = () => Promise<'ready' | 'starting' | 'refused'>

/** Crash recovery of a large cluster takes its time; nobody is helped by giving up sooner. */
const readyWithinMs = 180_000
const stopWithinMs = 8000
const logBytesMax = 10 * 1024 * 1024

/** Of the settings only those that differ from PostgreSQL's defaults; given on the command line, no file is edited. */
function settingsFor(place: Place, port: number, sharedBuffers: string): Readonly<Record<string, string>> {
  return {
    port: String(port),
    listen_addresses: place.socketDir === undefined ? '127.0.0.1' : '',
    ...(place.socketDir === undefined ? {} : { unix_socket_directories: place.socketDir }),
    shared_buffers: sharedBuffers,
    max_connections: '100',
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    log_min_messages: 'warning',
    log_timezone: 'UTC',
    timezone: 'UTC',
  }
}

/** One PostgreSQL server process, ours or adopted, and its supervision. */
export class PostgresServer {
  readonly #options: PostgresServerOptions
  #port: number
  #host: string
  #pid = 0
  #child: ChildProcess | undefined
  #watch: NodeJS.Timeout | undefined
  #letGo = false

  constructor(options: PostgresServerOptions) {
    this.#options = options
    this.#port = options.port
    this.#host = options.place.socketDir ?? '127.0.0.1'
  }

  get host(): string {
    return this.#host
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    return this.#pid
  }

  /** @returns true when it was running already */
  async startOrAdopt(probe: Probe): Promise<boolean> {
    const running = await this.#findRunning()
    if (running) {
      this.#pid = running.pid
      this.#port = running.port
      if (running.socketDir !== undefined) this.#host = running.socketDir
      await this.#untilReady(probe, 'the PostgreSQL that runs on this folder already')
    } else {
      await this.#start(probe)
    }
    this.#supervise()
    return running !== undefined
  }

  /** Stops it: fast shutdown, then the immediate one, which loses nothing either. Never SIGKILL. */
  async stop(): Promise<void> {
    this.leave()
    if (!isAlive(this.#pid)) return
    process.kill(this.#pid, 'SIGINT')
    if (await this.#gone(stopWithinMs)) return
    process.kill(this.#pid, 'SIGQUIT')
    await this.#gone(stopWithinMs)
  }

  /** Lets it run on, unwatched. */
  leave(): void {
    this.#letGo = true
    clearInterval(this.#watch)
  }

  /**
   * What postmaster.pid says (src/include/miscadmin.h: pid, data directory, start time, port, socket directory, …),
   * when it is of a live process. A file of a dead one is left to PostgreSQL, which knows what to do with it.
   */
  async #findRunning(): Promise<{ pid: number; port: number; socketDir: string | undefined } | undefined> {
    const { cluster } = this.#options.place
    const path = join(cluster, 'postmaster.pid')
    if (!existsSync(path)) return undefined
    const [pid = '', directory = '', , port = '', socketDir = ''] = (await readFile(path, 'utf8')).split('\n')
    const number = Number(pid)
    if (!Number.isInteger(number) || number <= 0 || !isAlive(number)) return undefined
    if ((await realpath(directory).catch(() => '')) !== (await realpath(cluster))) return undefined
    if (!(await isPostgres(number))) return undefined
    return { pid: number, port: Number(port), socketDir: socketDir === '' ? undefined : socketDir }
  }

  async #start(probe: Probe): Promise<void> {
    try {
      await this.#spawn(probe, '256MB')
    } catch (error) {
      // Small machines and small containers: less shared memory, slower but working.
      if (!(error instanceof StartupError) || !/memory|No space left/i.test(error.message)) throw error
      this.#options.log('PostgreSQL did not get 256 MB of shared memory, trying with 32 MB')
      await this.#spawn(probe, '32MB')
    }
  }

  async #spawn(probe: Probe, sharedBuffers: string): Promise<void> {
    const { place, binaries, account } = this.#options
    const settings = settingsFor(place, this.#port, sharedBuffers)
    const args = [
      '-D',
      place.cluster,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const output = openLog(join(place.home, 'postgres.log'))
    // In a session of its own: Ctrl-C in the terminal reaches us, and we stop it when we have drained.
    this.#child = spawn(binaries.postgres, args, {
      ...account,
      cwd: place.home,
      env: plainEnvironment,
      detached: true,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    this.#child.on('error', () => {}) // seen as an early end below
    this.#child.unref()
    this.#pid = this.#child.pid ?? 0
    await this.#untilReady(probe, 'the embedded PostgreSQL')
  }

  async #untilReady(probe: Probe, what: string): Promise<void> {
    const until = performance.now() + readyWithinMs
    for (;;) {
      const answer = await probe()
      if (answer === 'ready') return
      const ended = this.#pid === 0 || !isAlive(this.#pid) || this.#child?.exitCode != null
      if (answer === 'refused') {
        throw new StartupError(
          `${what} does not accept our password. Is ${this.#options.place.home} another one's?`,
        )
      }
      if (ended || performance.now() > until) {
        const last = await lastLines(join(this.#options.place.home, 'postgres.log'))
        throw new StartupError(`${what} ${ended ? 'ended' : 'was not ready in time'}. Its log says:\n${last}`)
      }
      await new Promise(resolve => setTimeout(resolve, 30))
    }
  }

  /** Starts it again should it die while we hold it: not only a child's end is seen, but an adopted one's too. */
  #supervise(): void {
    let restarting = false
    this.#watch = setInterval(() => {
      if (restarting || this.#letGo || isAlive(this.#pid)) return
      restarting = true
      this.#options.log('PostgreSQL has ended unexpectedly, starting it again', { pid: this.#pid })
      void this.#restart().finally(() => {
        restarting = false
      })
    }, 250)
    this.#watch.unref()
  }

  async #restart(): Promise<void> {
    for (let pauseMs = 250; !this.#letGo; pauseMs = Math.min(pauseMs * 2, 5000)) {
      try {
        const running = await this.#findRunning() // another process may have been faster
        if (running) this.#pid = running.pid
        // Its orphans may hold the shared memory for a moment; then this fails, and is tried again.
        else await this.#spawn(async () => ((await this.#isAccepting()) ? 'ready' : 'starting'), '256MB')
        this.#options.log('PostgreSQL runs again', { pid: this.#pid })
        return
      } catch (error) {
        this.#options.log('PostgreSQL could not be started again yet', { err: error })
        await new Promise(resolve => setTimeout(resolve, pauseMs))
      }
    }
  }

  /** The eighth line of postmaster.pid says `ready` once connections are accepted. */
  async #isAccepting(): Promise<boolean> {
    const text = await readFile(join(this.#options.place.cluster, 'postmaster.pid'), 'utf8').catch(() => '')
    const lines = text.split('\n')
    return lines[0] === String(this.#pid) && lines[7]?.trim() === 'ready'
  }

  async #gone(withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs
    while (isAlive(this.#pid) && this.#child?.exitCode == null) {
      if (performance.now() > until) return false
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return true
  }
}

/** Whether a pid is a PostgreSQL; true where it cannot be known, as the file says so. */
async function isPostgres(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'postgres')
  return command.includes('postgres')
}

function openLog(path: string): number {
  if (existsSync(path) && statSync(path).size > logBytesMax) renameSync(path, `${path}.old`)
  return openSync(path, 'a', 0o600)
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-6).join('\n')
}
