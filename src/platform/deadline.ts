/**
 * Looks that follow the deadline. A process that got no processor for a while finds its timers over first, and reads only
 * afterwards what has arrived meanwhile: an answer that came in time is not late for that.
 */
const looksAfter = 20

/** A moment beyond which nothing is waited for. */
export class Deadline {
  readonly #at: number

  /** @param ms milliseconds from now */
  constructor(ms: number) {
    this.#at = performance.now() + ms
  }

  /** Milliseconds left; 0 when it has passed. */
  get leftMs(): number {
    return Math.max(0, this.#at - performance.now())
  }

  /** A deadline `ms` milliseconds before this one. */
  earlier(ms: number): Deadline {
    return new Deadline(this.leftMs - ms)
  }

  /** Waits for work, but not beyond the deadline. @returns false when it was late; throws what the work throws */
  async limit(work: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>(resolve => {
      // What has arrived while nothing ran is read before the immediate.
      timer = setTimeout(() => setImmediate(() => resolve(false)), this.leftMs)
    })
    try {
      return await Promise.race([work.then(() => true), late])
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Waits until a condition holds, which is checked every 5 ms, and 20 times more after the deadline.
   *
   * @returns false when it did not hold in time
   */
  async waitFor(isSo: () => boolean): Promise<boolean> {
    for (let late = 0; !isSo(); ) {
      if (this.leftMs === 0 && late++ === looksAfter) return false
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    return true
  }
}
