import { Fifo } from '../platform/fifo.ts'

/** Work of which a few pieces run at a time, and a bounded number waits. */
export class Turns {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting = new Fifo<() => void>()
  #running = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /**
   * Runs a piece of work when it is its turn.
   *
   * @param tooMany the error of one that may not even wait
   */
  async take<T>(work: () => Promise<T>, tooMany: () => Error): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#waitingMax) throw tooMany()
      await new Promise<void>(resolve => this.#waiting.push(resolve)) // its place is handed over to it
    } else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
