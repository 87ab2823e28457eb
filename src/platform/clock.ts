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
  /** Says what time it really is; the clock moves there (at once forwards, by standing still backwards). */
  steer(trueNow: number): void
}

/**
 * The clock of the service: monotonic underneath and steered to the database's time at each heartbeat, so that
 * all processes on all machines agree on what is due, and a jump of one machine's wall clock moves nothing.
 */
export function systemClock(): SteerableClock {
  let base = performance.timeOrigin
  let last = 0
  return {
    now() {
      const now = Math.floor(base + performance.now())
      if (now > last) last = now
      return last
    },
    steer(trueNow) {
      base = trueNow - performance.now()
    },
  }
}
