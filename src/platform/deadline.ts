/** A moment after which nothing is waited for any more. */
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

  /** A deadline so many milliseconds before this one. */
  earlier(ms: number): Deadline {
    return new Deadline(this.leftMs - ms)
  }

  /** Waits for work, but not beyond the deadline. @returns false when it was not done in time; its error is thrown */
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

  /** Waits until something is so, looking every few milliseconds. @returns false when it was not so in time */
  async waitFor(isSo: () => boolean): Promise<boolean> {
    while (!isSo()) {
      if (this.leftMs === 0) return false
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    return true
  }
}
