import type { SteerableClock } from '../../src/platform/clock.ts'

/** A moment to start from, in Unix milliseconds: 2026-03-01T12:00:00.000Z. */
export const noon = Date.UTC(2026, 2, 1, 12)

export const hourMs = 3_600_000

/** A clock that stands still until it is told to move. */
export interface FakeClock extends SteerableClock {
  advance(ms: number): void
  set(now: number): void
}

/** @param start Unix milliseconds */
export function fakeClock(start = noon): FakeClock {
  let time = start
  return {
    now: () => time,
    steer: trueNow => {
      time = Math.floor(trueNow)
    },
    advance: ms => {
      time += ms
    },
    set: now => {
      time = now
    },
  }
}
