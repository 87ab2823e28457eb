import { adviceOnLack } from '../egress/own-lack.ts'
import type { Logger } from '../platform/logger.ts'

/** What was postponed is tried again within seconds. When nothing was postponed for this long, the lack is over. */
const overAfterMs = 10_000

interface Outage {
  readonly since: number
  postponed: number
  readonly ending: NodeJS.Timeout
}

/**
 * Tells the operator what this process lacks to send deliveries, such as file descriptors or its proxy: one line as it
 * begins, with what to do, and one as it ends, however many deliveries wait meanwhile.
 */
export class Outages {
  readonly #logger: Logger
  readonly #overAfterMs: number
  readonly #outages = new Map<string, Outage>()

  /** @param quietMs an outage is over when no delivery was postponed for this long; replaced in tests */
  constructor(logger: Logger, quietMs = overAfterMs) {
    this.#logger = logger
    this.#overAfterMs = quietMs
  }

  /**
   * A delivery was postponed.
   *
   * @param code what was lacking, as the error has it
   */
  postponed(code: string, error: string): void {
    const known = this.#outages.get(code)
    if (known) {
      known.postponed++
      known.ending.refresh()
      return
    }
    const ending = setTimeout(() => this.#over(code), this.#overAfterMs).unref()
    this.#outages.set(code, { since: performance.now(), postponed: 1, ending })
    this.#logger.warn(
      { error_code: code, error },
      `deliveries wait, and no attempt is spent: ${adviceOnLack(code)}`,
    )
  }

  #over(code: string): void {
    const outage = this.#outages.get(code)
    if (!outage) return
    this.#outages.delete(code)
    const seconds = Math.round((performance.now() - outage.since - this.#overAfterMs) / 100) / 10
    this.#logger.warn({ error_code: code, postponed: outage.postponed, seconds }, 'deliveries go on')
  }
}
