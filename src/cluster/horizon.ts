import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { askForHorizon, readHorizon, sayUnwritten } from './horizon-store.ts'
import type { Membership } from './membership.ts'

/** A process reads by the horizon: the others are to say often how far they have written. Its text is its id. */
export const horizonNotice = {
  channel: 'horizon',
  parse: (text: string) => (/^\d{1,10}$/.test(text) ? Number(text) : undefined),
} as const

/** How often a process says it while another one asks; else with each heartbeat. */
const sayEveryMs = 200
/** Who reads asks this often, */
const askEveryMs = 5000
/** and is answered for this long after it. */
const answeredMs = 3 * askEveryMs

export interface HorizonDeps {
  /** For short statements, of which none needs to outlast a crash of PostgreSQL. */
  readonly connection: Queryable
  readonly membership: Pick<Membership, 'id' | 'unwritten'>
}

/**
 * Up to which id all rows are written, whichever process writes them. Ids are made before their rows are committed, so rows
 * do not become visible in the order of their ids; below the horizon none is missing any more.
 *
 * Each process says with its heartbeat, and more often while one reads, from when on it has ids without rows. What a
 * process has left that died counts until nothing can run that it had begun.
 */
export class Horizon {
  readonly #deps: HorizonDeps
  #askedAt = Number.NEGATIVE_INFINITY
  #answersUntil = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #isSaying = false

  constructor(deps: HorizonDeps) {
    this.#deps = deps
  }

  /** To be called at each `horizonNotice`. @param by the id of the process that reads */
  asked(by: number): void {
    if (by === this.#deps.membership.id) return
    this.#answersUntil = performance.now() + answeredMs
    this.#timer ??= setInterval(() => void this.#say(), sayEveryMs)
  }

  /** Reads the horizon. All rows with smaller ids that there will be can be read by a statement that begins now. */
  async read(): Promise<Uuid> {
    const { connection, membership } = this.#deps
    const now = performance.now()
    if (now - this.#askedAt > askEveryMs) {
      await askForHorizon(connection, horizonNotice.channel, membership.id)
      this.#askedAt = now
    }
    const own = membership.unwritten.oldest()
    const others = await readHorizon(connection, membership.id)
    return uuidLowerBound(Math.min(own, others))
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #say(): Promise<void> {
    if (performance.now() > this.#answersUntil) return this.close()
    if (this.#isSaying) return
    this.#isSaying = true
    const { connection, membership } = this.#deps
    // Unsaid, it costs the time until the next heartbeat.
    await sayUnwritten(connection, membership.id, membership.unwritten.oldest()).catch(() => {})
    this.#isSaying = false
  }
}
