/** The lengths of periods that the log is rolled up to, in minutes: each is made of the one before it. */
export const steps = [1, 15, 60, 1440] as const
export type Step = (typeof steps)[number]
export type LongerStep = Exclude<Step, 1>

/** The step that a step is made of; a minute is made of the log. */
export const finerStep = { 15: 1, 60: 15, 1440: 60 } as const satisfies Record<LongerStep, Step>

/** The longer periods, each after those it is made of. */
export const longerSteps = [15, 60, 1440] as const

export const minuteMs = 60_000

/** The minute that a moment (Unix milliseconds) is in: whole minutes since 1970. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / minuteMs)
}

/** The beginning of the period of this length that a minute is in. */
export function periodOf(minute: number, step: Step): number {
  return Math.floor(minute / step) * step
}

export const windowNames = ['1h', '24h', '7d', '30d'] as const
export type WindowName = (typeof windowNames)[number]

export interface Window {
  readonly step: Step
  /** How many periods, the one that runs now included. */
  readonly count: number
  /** The longest periods it is added up from where only sums are asked for. */
  readonly sumStep: Step
}

export const windows: Readonly<Record<WindowName, Window>> = {
  '1h': { step: 1, count: 60, sumStep: 15 },
  '24h': { step: 15, count: 96, sumStep: 60 },
  '7d': { step: 60, count: 168, sumStep: 1440 },
  '30d': { step: 1440, count: 30, sumStep: 1440 },
}

/** The minutes at which the periods of a window begin, the last of which runs now. */
export function beginsOf({ step, count }: Window, now: number): readonly [number, ...number[]] {
  const first = periodOf(minuteOf(now), step) - (count - 1) * step
  return [first, ...Array.from({ length: count - 1 }, (_, index) => first + (index + 1) * step)]
}

/** Up to which minute (not included) each step is rolled up; left out: nothing is. */
export type RolledUp = Readonly<Partial<Record<Step, number>>>

export interface Period {
  readonly step: Step
  readonly minute: number
}

/** Periods that follow each other without a gap. */
export interface Cover {
  readonly periods: readonly Period[]
  /** The minute after the last of them: from then on there is only the log. */
  readonly until: number
}

/**
 * The fewest periods that are rolled up and lie between `from` and now, one after the other; none is longer than `longest`.
 *
 * @param from a minute
 */
export function coverOf(from: number, rolledUp: RolledUp, longest: Step): Cover {
  const usable = steps.filter(step => step <= longest).toReversed()
  const periods: Period[] = []
  let minute = from
  for (;;) {
    const step = usable.find(one => minute % one === 0 && minute + one <= (rolledUp[one] ?? 0))
    if (step === undefined) return { periods, until: minute }
    periods.push({ step, minute })
    minute += step
  }
}
