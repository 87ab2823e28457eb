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
      timer = setTimeout(() => resolve(false), this.leftMs)
    })
    try {
      return await Promise.race([work.then(() => true), late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits until a condition holds, which is checked every 5 ms. @returns false when it did not hold in time */
  async waitFor(isSo: () => boolean): Promise<boolean> {
    while (!isSo()) {
      if (this.leftMs === 0) return false
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    return true
  }
}
