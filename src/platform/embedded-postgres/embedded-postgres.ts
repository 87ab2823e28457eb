import { once } from 'node:events'
import { createServer } from 'node:net'
import { StartCancelled } from '../../errors.ts'
import { Deadline } from '../deadline.ts'
import { type Binaries, prepareBinaries } from './binaries.ts'
import { ensureCluster } from './cluster.ts'
import { connectionTo, connectOnce, countOthers, type EmbeddedConnection } from './connect.ts'
import { findServer } from './pid-file.ts'
import { choosePlace, makeSocketDir, type Place, putSignpost } from './place.ts'
import { isAlive, withLock } from './process.ts'
import { ensureServer, type RunningServer, type ServerSetup, stopServer } from './server.ts'

export type { EmbeddedConnection } from './connect.ts'
export { EmbeddedPostgresError } from './process.ts'

export interface EmbeddedPostgresOptions {
  /** The folder for the data, made when it is not there. */
  readonly dataDir: string
  readonly log: (message: string, fields?: object) => void
  /** Called after the server had died and was started again, at the same address. */
  readonly onUnexpectedExit?: () => void
  /** Aborted: the start is given up, and what it began is stopped or removed. */
  readonly signal?: AbortSignal | undefined
  /** For root: the folder for data that the unprivileged account cannot reach in `dataDir`. Replaced in tests. */
  readonly stateDir?: string
  /** The folder of the package with the binaries, instead of the one that npm installed. Replaced in tests. */
  readonly binariesDir?: string
}

/** A running embedded PostgreSQL. */
export interface EmbeddedPostgres {
  /** Settings for node-postgres. They stay the same when the server is started again. */
  readonly connection: EmbeddedConnection
  /** The server was running already: another process uses it, or a process that was killed left it running. */
  readonly adopted: boolean
  /** The real folder of PostgreSQL's data, which can be outside of `dataDir` (see `choosePlace`). */
  readonly dataDir: string
  /** The present process of the server. */
  readonly pid: number
  /** Stops the server, or leaves it running when another live process of the service uses it. */
  stop(): Promise<void>
}

/** How long to wait for a start or stop by another process. The longest is a recovery after a crash. */
const lockMs = 660_000
const stopLockMs = 60_000
/** Only part of the name of the Unix socket. */
const socketPort = 5432
const watchMs = 500

/**
 * Starts the PostgreSQL of a data folder, or adopts the one that runs there, and keeps it running until `stop`. The first
 * start makes the data. Several processes may use one folder: they share one server, and the last one that stops ends it.
 * On Windows the server listens on the loopback, elsewhere on a Unix socket only.
 *
 * @throws EmbeddedPostgresError that says what to do, when it cannot be started
 * @throws StartCancelled when `signal` was aborted before it ran
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, signal } = options
  try {
    const started = await start(options)
    const { place, server } = started
    log(
      server.adopted ? 'adopted the embedded PostgreSQL that was running' : 'started the embedded PostgreSQL',
      { postgres_pid: server.pid, path: place.cluster },
    )
    return new HeldServer({ ...started, log, onUnexpectedExit: options.onUnexpectedExit })
  } catch (error) {
    if (signal?.aborted) throw new StartCancelled()
    throw error
  }
}

async function start(options: EmbeddedPostgresOptions) {
  const { dataDir, log, signal, stateDir = '/var/lib/webhook-delivery-service' } = options
  const place = await choosePlace({ dataDir, stateDir })
  const binaries = await prepareBinaries({
    account: place.account,
    copyInto: place.account === undefined ? place.home : stateDir,
    binariesDir: options.binariesDir,
    log,
  })
  const isCancelled = () => signal?.aborted === true
  const server = await withLock(place.lockFile, { timeoutMs: lockMs, isCancelled }, async () => {
    const password = await ensureCluster({ place, binaries, log, signal })
    await putSignpost(dataDir, place.home)
    const windows = process.platform === 'win32'
    const connection = windows
      ? connectionTo('127.0.0.1', await freePort(), password)
      : connectionTo(await makeSocketDir(place, socketPort), socketPort, password)
    return ensureServer({ place, binaries, connection, log, isCancelled })
  })
  return { place, binaries, server }
}

interface HeldServerOptions {
  readonly place: Place
  readonly binaries: Binaries
  readonly server: RunningServer
  readonly log: (message: string, fields?: object) => void
  readonly onUnexpectedExit: (() => void) | undefined
}

/** A server between its start and its stop. It is started again when it dies. */
class HeldServer implements EmbeddedPostgres {
  readonly adopted: boolean
  readonly connection: EmbeddedConnection
  readonly dataDir: string
  readonly #options: HeldServerOptions
  readonly #setup: ServerSetup
  readonly #watching: Promise<void>
  #server: RunningServer
  #keeperLost = false
  #stopping: Promise<void> | undefined
  #wake: () => void = () => {}

  constructor(options: HeldServerOptions) {
    const { place, binaries, server, log } = options
    this.adopted = server.adopted
    this.connection = server.connection
    this.dataDir = place.cluster
    this.#options = options
    this.#server = server
    this.#setup = {
      place,
      binaries,
      log,
      connection: server.connection,
      isCancelled: () => this.#stopping !== undefined,
    }
    this.#hold(server)
    this.#watching = this.#watch()
  }

  get pid(): number {
    return this.#server.pid
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  #hold(server: RunningServer): void {
    this.#server = server
    this.#keeperLost = false
    void server.keeper.lost.then(() => {
      if (this.#server === server) this.#keeperLost = true
      this.#wake()
    })
  }

  /** The end of the keeper connection shows a death at once. The check of the pid, twice a second, is the fallback. */
  async #watch(): Promise<void> {
    while (this.#stopping === undefined) {
      if (this.#keeperLost || !isAlive(this.#server.pid)) await this.#bringBack()
      else await this.#nap(watchMs)
    }
  }

  /** Tries again until the service stops. The wait between tries grows from 0.1 to 5 s. */
  async #bringBack(): Promise<void> {
    const { place, log, onUnexpectedExit } = this.#options
    const { pid } = this.#server
    log('lost the embedded PostgreSQL; bringing it back', { postgres_pid: pid })
    for (let waitMs = 100; this.#stopping === undefined; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        const { isCancelled } = this.#setup
        const lock = { timeoutMs: lockMs, isCancelled }
        this.#hold(await withLock(place.lockFile, lock, () => ensureServer(this.#setup)))
        log('the embedded PostgreSQL takes connections again', {
          postgres_pid: this.pid,
          previous_postgres_pid: pid,
        })
        if (this.pid !== pid) onUnexpectedExit?.()
        return
      } catch (error) {
        if (this.#stopping !== undefined) return
        log(`the embedded PostgreSQL could not be brought back; next try in ${waitMs} ms`, { err: error })
        await this.#nap(waitMs)
      }
    }
  }

  #nap(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Under the lock, so that nobody adopts the server after its users were counted and before it ends. */
  async #stop(): Promise<void> {
    this.#wake()
    await this.#watching
    const { place, log } = this.#options
    await withLock(place.lockFile, { timeoutMs: stopLockMs, isCancelled: () => false }, async () => {
      const others = await this.#leave()
      if (others > 0) {
        log('left the embedded PostgreSQL running: others use it', {
          postgres_pid: this.pid,
          connections: others,
        })
        return
      }
      // The server is looked for again: it may have died, or another process may have started it again.
      const found = await findServer(place, this.connection.password, log)
      if (found === undefined) return
      await stopServer(this.#setup, found.pid)
      log('stopped the embedded PostgreSQL', { postgres_pid: found.pid })
    })
  }

  /** @returns how many connections others have; 0 when the server does not answer, because then it serves nobody */
  async #leave(): Promise<number> {
    const keeper = this.#keeperLost ? await connectOnce(this.connection) : this.#server.keeper
    if (keeper === undefined) return 0
    const others = await countOthers(keeper.client).catch(() => 0)
    await new Deadline(5000).limit(keeper.client.end())
    return others
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : socketPort
}
