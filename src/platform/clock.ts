/**
 * The time, and the one way to wait for it. Everything that decides by time takes a `Clock`,
 * so that a test can hand out the time instead of sleeping.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, integer. Never runs backwards within one process. */
  now(): number
}

/** A clock whose distance to another clock can be corrected. */
export interface SteerableClock extends Clock {
  /** Says what time it really is; the clock moves there (at once forwards, by running at half speed backwards). */
  steer(trueNow: number): void
}

/**
 * The clock of the service: monotonic underneath and steered to the database's time at each heartbeat, so that
 * all processes on all machines agree on what is due, and a jump of one machine's wall clock moves nothing.
 *
 * The first word about the time is believed at once in both directions: until then this machine's wall clock was all
 * there was, and nothing has been written by it. When the database's clock is put back later, this one runs at half
 * speed until that time has come. Standing still, it would keep back all that is due in ten seconds for the whole
 * hour that the clock was put back; so it comes after twenty.
 *
 * @param monotonicNow milliseconds that never jump; replaced in tests
 */
export function systemClock(monotonicNow = () => performance.now()): SteerableClock {
  /** Added to the monotonic time it gives the true one. */
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
      // Floating-point sums may round to a hair less than before.
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
