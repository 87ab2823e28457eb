import type { Worker } from 'node:cluster'
import { StartupError } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'
import type { StartFacts } from './banner.ts'
import type { ChildMessage, StopMessage } from './child-process.ts'
import type { FiguresChild, FiguresOfChildren } from './figures.ts'

export interface SupervisedChildDeps {
  /** Starts a new process. */
  readonly start: () => Worker
  readonly logger: Logger
  readonly figures: FiguresOfChildren
}

const delayMsMax = 30_000
/** The end of a process that was ready for this long does not count as one more in a row. */
const settledMs = 60_000

/** How long to wait before the next process, after `shortLives` in a row that ended early: 0, 1 s, 2 s, 4 s, … 30 s. */
export function restartDelayMs(shortLives: number): number {
  return shortLives <= 1 ? 0 : Math.min(1000 * 2 ** (shortLives - 2), delayMsMax)
}

/** One of several processes. It is started again when it ends, until `stop`. */
export class SupervisedChild {
  readonly #deps: SupervisedChildDeps
  #worker: Worker | undefined
  #shortLives = 0
  #restart: NodeJS.Timeout | undefined
  #stopping = false
  #onReady: (facts: StartFacts) => void = () => {}

  constructor(deps: SupervisedChildDeps) {
    this.#deps = deps
  }

  /** The pid of the present process; undefined between two processes. */
  get pid(): number | undefined {
    return this.#worker?.process.pid
  }

  /** Calls the listener when a process that replaced another one is ready. */
  onReady(listener: (facts: StartFacts) => void): void {
    this.#onReady = listener
  }

  /**
   * Starts the first process. Resolves when it is ready; from then on it is replaced when it dies.
   *
   * @throws StartupError when it ends before it is ready
   */
  start(): Promise<StartFacts> {
    if (this.#stopping) return Promise.reject(new StartupError('The service is stopping.'))
    return new Promise((resolve, reject) => {
      this.#launch({
        ready: resolve,
        ended: (reason, wasReady) => {
          if (wasReady) this.#startAgain(reason)
          else reject(new StartupError(reason))
        },
      })
    })
  }

  /** Asks the process to stop, and kills it after `timeoutMs`. @returns whether it ended by itself */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === undefined) return true
    return new Promise(resolve => {
      let clean = true
      const late = setTimeout(() => {
        clean = false
        this.#deps.logger.error({ child: worker.process.pid }, 'a process did not stop in time and is killed')
        this.kill()
      }, timeoutMs)
      worker.once('exit', code => {
        clearTimeout(late)
        resolve(clean && code === 0)
      })
      const stop: StopMessage = { kind: 'stop' }
      if (worker.isConnected()) worker.send(stop, () => {})
    })
  }

  /** Kills the process. Others, or the next start, recover what it holds. */
  kill(): void {
    this.#stopping = true
    this.#worker?.process.kill('SIGKILL')
  }

  #launch(on: { ready(facts: StartFacts): void; ended(reason: string, wasReady: boolean): void }): void {
    const worker = this.#deps.start()
    this.#worker = worker
    let reason: string | undefined
    let readyAt: number | undefined
    const { figures } = this.#deps
    const child: FiguresChild = {
      send: message => void (worker.isConnected() && worker.send(message, () => {})),
    }
    worker.on('message', (message: ChildMessage) => {
      switch (message.kind) {
        case 'failed':
          reason = message.reason
          return
        case 'ready':
          readyAt = performance.now()
          on.ready(message.facts)
          return
        case 'figures':
        case 'figures_wanted':
          figures.heard(child, message)
      }
    })
    worker.once('exit', (code, signal) => {
      this.#worker = undefined
      figures.ended(child, !this.#stopping && readyAt !== undefined)
      if (readyAt !== undefined && performance.now() - readyAt > settledMs) this.#shortLives = 0
      this.#shortLives++
      const end = signal === null ? `with exit code ${code}` : `by ${signal}`
      on.ended(reason ?? `Process ${worker.process.pid} ended ${end}.`, readyAt !== undefined)
    })
  }

  #startAgain(reason: string): void {
    if (this.#stopping) return
    const { logger } = this.#deps
    const delayMs = restartDelayMs(this.#shortLives)
    logger.error({ reason, restart_in_ms: delayMs }, 'a process ended; another one takes its place')
    this.#restart = setTimeout(() => {
      this.#launch({
        ready: facts => {
          logger.info({ child: this.pid }, 'a new process is ready')
          this.#onReady(facts)
        },
        ended: next => this.#startAgain(next),
      })
    }, delayMs)
  }
}
