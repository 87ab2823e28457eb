import { type Period, periodsOf } from '../log/partitions.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Periods } from './taken-names-store.ts'

/**
 * For this long after its beginning a period shares its names with the one before it. By then every statement has ended
 * that takes names in the one before alone: far longer than a statement may last, and than clocks of processes differ.
 */
export const sharedMs = 5 * 60_000

/** While there is none it is not looked for more often than this. */
const lookAgainMs = 1000

/**
 * Into which partitions of `taken_names` names are written. They lie as the database has them, and not as this process is
 * set up: so all processes agree, also while the retention is changed in one after the other.
 */
export class NamePeriods {
  #periods: readonly Period[] = []
  #readAt = Number.NEGATIVE_INFINITY

  /** Looks again at the next call. */
  forget(): void {
    this.#periods = []
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** @param now Unix milliseconds. @returns undefined: there is no partition for it yet */
  async at(db: Queryable, now: number): Promise<Periods | undefined> {
    const known = periodsAt(this.#periods, now)
    if (known !== undefined || performance.now() - this.#readAt < lookAgainMs) return known
    this.#readAt = performance.now()
    this.#periods = await periodsOf(db, 'taken_names')
    return periodsAt(this.#periods, now)
  }
}

function periodsAt(periods: readonly Period[], now: number): Periods | undefined {
  const current = periods.find(({ from, to }) => from <= now && now < to)
  if (current === undefined) return undefined
  const before = now < current.from + sharedMs ? periods.find(({ to }) => to === current.from) : undefined
  return { current: current.from, shared: before?.from ?? null }
}
