/** Deliveries are counted by the second. */
const bucketMs = 1000

/**
 * Since when this process has held what it holds: how many of its born-leased deliveries are in memory, by the time at
 * which their events were accepted. Called for each of them, so it only counts: 87 to 173 ns for one that comes and leaves,
 * on two cores that others kept busy (`npm run bench:beside -- --only held`), of the 48 µs that an event takes in all.
 */
export class HeldSince {
  readonly #counts = new Map<number, { count: number }>()
  #newest = { at: Number.NaN, bucket: { count: 0 } }

  /** @param since when its event was accepted (Unix milliseconds); the same when it leaves */
  entered(since: number): void {
    const at = Math.floor(since / bucketMs)
    if (at === this.#newest.at && this.#newest.bucket.count > 0) this.#newest.bucket.count++
    else this.#enter(at)
  }

  left(since: number): void {
    const at = Math.floor(since / bucketMs)
    const bucket = this.#counts.get(at)
    if (bucket && --bucket.count === 0) this.#counts.delete(at)
  }

  /**
   * A time before all that is held (Unix milliseconds), by up to two seconds: ids are made a moment before or after the
   * time that is told here. Infinity: nothing is held.
   */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const at of this.#counts.keys()) oldest = Math.min(oldest, at)
    return (oldest - 1) * bucketMs
  }

  #enter(at: number): void {
    const bucket = this.#counts.get(at) ?? { count: 0 }
    bucket.count++
    this.#counts.set(at, bucket)
    this.#newest = { at, bucket }
  }
}
