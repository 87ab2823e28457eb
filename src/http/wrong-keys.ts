/** How many wrong keys a client may give at once. */
const burst = 10
/** And from then on, one each time this passes. */
const everyMs = 1000
/** Of at most this many clients it is known what they gave; the ones that were quiet longest are forgotten first. */
const clientsMax = 10_000

/** Counts the wrong keys of each client (`clientOf`). */
export class WrongKeys {
  readonly #monotonicNow: () => number
  /** Until when the wrong keys of a client reach, if each takes `everyMs`. In the order of the last wrong key. */
  readonly #until = new Map<string, number>()

  /** @param monotonicNow milliseconds; replaced in tests */
  constructor(monotonicNow: () => number = () => performance.now()) {
    this.#monotonicNow = monotonicNow
  }

  /** How many clients are remembered. */
  get size(): number {
    return this.#until.size
  }

  /** In how many milliseconds this client may give a wrong key again; 0: now. */
  waitMs(client: string): number {
    const until = this.#until.get(client)
    return until === undefined ? 0 : Math.max(0, until - this.#monotonicNow() - (burst - 1) * everyMs)
  }

  /** Counts one. Those that come too early are not counted, so that a client that goes on does not wait without end. */
  count(client: string): void {
    const until = Math.max(this.#until.get(client) ?? 0, this.#monotonicNow())
    this.#until.delete(client)
    this.#until.set(client, until + everyMs)
    if (this.#until.size <= clientsMax) return
    const [quietest] = this.#until.keys()
    if (quietest !== undefined) this.#until.delete(quietest)
  }
}
