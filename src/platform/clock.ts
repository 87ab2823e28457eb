/**
 * The time. Everything that decides by time takes a `Clock`, so that a test can set the time instead of sleeping.
 */
export interface Clock {
  /** Whole milliseconds since the Unix epoch. Never runs backwards, except at the first `steer` of the system clock. */
  now(): number
}

/** A clock that can be set by another clock. */
export interface SteerableClock extends Clock {
  /** Tells the true time. The clock goes there: forwards at once, backwards by running at half speed. */
  steer(trueNow: number): void
}

/**
 * The clock of the service: a monotonic clock that is set by the database's time at each heartbeat. So all processes on
 * all machines agree on what is due, and a jump of one machine's wall clock has no effect.
 *
 * The first `steer` sets the clock at once in both directions: before it there was only this machine's wall clock, and
 * nothing has been written by that time. When the database's clock is put back later, this one runs at half speed until
 * the database has caught up. A clock that stands still lost: after an hour back, what is due in ten seconds would come
 * an hour late. At half speed it comes after twenty seconds.
 *
 * @param monotonicNow milliseconds that never jump; replaced in tests
 */
export function systemClock(monotonicNow = () => performance.now()): SteerableClock {
  /** The true time is the monotonic time plus this. */
  let offset = performance.timeOrigin
  /** How far this clock is ahead of the true time, as of `at` (monotonic). */
  let lead = 0
  let at = monotonicNow()
  let last = 0
  let isSteered = false

  const advance = () => {
    const now = monotonicNow()
    lead = Math.max(0, lead - (now - at) / 2)
    at = now
    return offset + now + lead
  }
  return {
    now() {
      // Rounding of floating-point sums can give a value slightly below the last one.
      last = Math.max(last, Math.floor(advance()))
      return last
    },
    steer(trueNow) {
      const shown = advance()
      offset = trueNow - at
      lead = isSteered ? Math.max(0, shown - trueNow) : 0
      if (!isSteered) last = 0
      isSteered = true
    },
  }
}
