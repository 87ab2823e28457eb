import { type Clock, type SteerableClock, systemClock } from './clock.ts'
import type { Queryable } from './postgres.ts'

/** The database's time in Unix milliseconds. */
export async function databaseTime(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ ms: number }>({
    text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  })
  return rows[0]?.ms ?? 0
}

/** A clock for a command, which has no heartbeat that sets it: that of this machine may be days ahead. */
export async function databaseClock(db: Queryable): Promise<SteerableClock> {
  const clock = systemClock()
  clock.steer(await databaseTime(db))
  return clock
}

/**
 * What time it is (Unix milliseconds) by the clock of this process or by the database's, whichever says earlier. What is
 * removed for being old goes by this: a clock that is ahead, as that of a process is for long when the database's has been
 * put back, removes nothing too soon.
 */
export async function earlierNow(db: Queryable, clock: Clock): Promise<number> {
  return Math.min(clock.now(), Math.floor(await databaseTime(db)))
}
