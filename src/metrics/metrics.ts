import { AppError } from '../errors.ts'
import { every, type Repeated } from '../platform/every.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type Exposition, expose } from './exposition.ts'
import { type Numbers, noNumbers, type Setter, setterOf, together } from './figures.ts'
import { InstallationFigures } from './installation.ts'
import { PathFigures } from './path-figures.ts'
import { ProcessFigures } from './process-figures.ts'

export type { Exposition } from './exposition.ts'
export type { Setter } from './figures.ts'

/** The other processes behind the same port, where there are some. */
export interface PortFigures {
  /** Tells what this process has counted so far, so that it is not lost when it is killed. */
  tell(own: Numbers): void
  /**
   * Asks the others. What a process says no answer to in time is what it said last.
   *
   * @returns the numbers of each, and of those that have ended; undefined when nobody could be asked
   */
  ask(own: Numbers): Promise<readonly Numbers[] | undefined>
  /** The listener answers when another process asks. */
  onAsked(answer: () => Numbers): void
}

export interface MetricsDeps {
  readonly database: Queryable
  /** Undefined: this process has the port for itself. */
  readonly port?: PortFigures | undefined
}

/** How often a process tells the others what it has counted. What it counts after that is lost when it is killed. */
const tellEveryMs = 2000

/**
 * The figures of this process and of all behind the same port, for `GET /metrics`. What the path counts is plain numbers
 * (`path`); all else is read when somebody asks.
 */
export class Metrics {
  readonly path: PathFigures
  readonly #numbers = noNumbers()
  readonly #set: Setter = setterOf(this.#numbers)
  readonly #process = new ProcessFigures()
  readonly #installation: InstallationFigures
  readonly #port: PortFigures | undefined
  #ownId: () => number = () => 0
  #collect: (set: Setter) => void = () => {}
  #telling: Repeated | undefined

  constructor({ database, port }: MetricsDeps) {
    this.#installation = new InstallationFigures(database)
    this.#port = port
    this.path = new PathFigures(this.#numbers, () => this.#ownId())
  }

  /**
   * Begins to answer and to tell others.
   *
   * @param parts sets what the parts of this process know; called whenever somebody asks
   */
  start(ownId: () => number, parts: (set: Setter) => void, logger: Logger): void {
    this.#ownId = ownId
    this.#collect = parts
    const port = this.#port
    if (port === undefined) return
    port.onAsked(() => this.#own())
    this.#telling = every(tellEveryMs, 'telling figures', logger, async () => port.tell(this.#own()))
  }

  /** @throws AppError overloaded when the other processes cannot be asked: without them counters would go back */
  async expose(): Promise<Exposition> {
    await this.#installation.collect(this.#set)
    // A copy: what is shown is what the others were told, so that it is not forgotten should this process be killed now.
    const own = this.#own().slice()
    const others = await (this.#port?.ask(own) ?? [])
    if (others === undefined) {
      throw new AppError(
        'overloaded',
        'The other processes behind this port could not be asked in time; try again shortly.',
      )
    }
    return expose(together([own, ...others]))
  }

  async close(): Promise<void> {
    await this.#telling?.stop()
    this.#process.close()
  }

  /** The numbers as they are now. Those of the installation are as of the last time that this process was asked. */
  #own(): Numbers {
    this.#process.collect(this.#set)
    this.#collect(this.#set)
    return this.#numbers
  }
}
