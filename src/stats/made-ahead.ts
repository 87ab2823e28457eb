import type { Connection } from '../platform/postgres.ts'
import {
  countLogged,
  forgetPeriods,
  readFirstPeriod,
  readMinutesFrom,
  readPeriodsNotOver,
  uncheck,
} from './roll-up-store.ts'
import { longerSteps } from './steps.ts'

/** A clock that is set back by less is waited for. */
const behindMinutes = 5

/** Older minutes are made for the last time. */
const checkedMinutes = 1440

/** Minutes whose log is counted in one statement. */
const countedTogether = 30

/** Whether minutes are rolled up that are still to come, so that the clock has been set back. */
export function isAhead(rolledUpUntil: number, target: number): boolean {
  return rolledUpUntil > target + behindMinutes
}

/**
 * Forgets the roll-ups of minutes that are still to come, and of longer periods that are not over: the clock was ahead when
 * they were made, and has come back. They are made again when it is time. Where it is the clock that is wrong now, they are
 * made again of the same log, when it is right; a minute whose log is not whole any more stays.
 *
 * @param target minutes before this one are over
 */
export async function forgetMadeAhead(
  session: Connection,
  target: number,
  signal: AbortSignal,
): Promise<void> {
  const isThere = await readFirstPeriod(session, 1, target + behindMinutes)
  if (isThere === undefined) return
  const oldest = await readFirstPeriod(session, 1, 0)
  const ahead = await readMinutesFrom(session, target)
  for (let index = 0; index < ahead.length && !signal.aborted; index += countedTogether) {
    const some = ahead.slice(index, index + countedTogether)
    const counts = await countLogged(
      session,
      some.map(({ minute }) => minute),
    )
    const whole = some.filter(({ minute, log_rows: rolledUp }) => (counts.get(minute) ?? 0) >= rolledUp)
    const minutes = whole.map(({ minute }) => minute)
    await session.transaction(async tx => {
      // Those before were made ahead, too, for as long as that lasted.
      if (minutes.length > 0) await uncheck(tx, target - checkedMinutes)
      await forgetPeriods(tx, 1, minutes)
    })
  }
  for (const step of longerSteps) {
    // What minutes that are gone have brought into a period could not be had again.
    for (const minute of await readPeriodsNotOver(session, step, target, oldest ?? target)) {
      if (signal.aborted) return
      await session.transaction(tx => forgetPeriods(tx, step, [minute]))
    }
  }
}
