import { minuteMs, minuteOf } from './steps.ts'

/** Undefined: there is no such time zone. @param name as IANA calls it, or an offset such as `+02:00` */
function clockOf(name: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: name, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23' },
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' },
    })
  } catch {
    return undefined
  }
}

/** What the clock shows at a minute, as the minute at which one of UTC would show the same. */
function shownAt(clock: Intl.DateTimeFormat, minute: number): number {
  const parts = new Map(
    clock.formatToParts(minute * minuteMs).map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
  return minuteOf(Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute')))
}

const dayMinutes = 1440

/**
 * The minutes at which the last days of a time zone begin, the one that runs now last. On a day on which the clock changes
 * the next one begins an hour sooner or later.
 *
 * @returns a sentence where there is no such time zone, or its days do not begin with an hour, of which days are made
 */
export function daysOf(zone: string, count: number, now: number): readonly number[] | string {
  const clock = clockOf(zone)
  if (clock === undefined)
    return 'There is no such time zone; give one such as Europe/Berlin or America/New_York.'
  const shown = shownAt(clock, minuteOf(now))
  const today = shown - (shown % dayMinutes)
  const begins = Array.from({ length: count }, (_, index) =>
    beginOfDay(clock, today - (count - 1 - index) * dayMinutes),
  )
  return begins.every(begin => begin % 60 === 0)
    ? begins
    : 'Days are made of hours, and those of this time zone begin within one.'
}

/**
 * The first minute of a day. Midnight may be shown twice, or not at all; the clock changes at most once in a day and a half.
 *
 * @param midnight as the clock shows it
 */
function beginOfDay(clock: Intl.DateTimeFormat, midnight: number): number {
  const before = midnight - dayMinutes / 2
  const after = midnight + dayMinutes / 2
  const candidates = [before, after].map(minute => midnight - (shownAt(clock, minute) - minute))
  const first = Math.min(...candidates)
  return shownAt(clock, first) >= midnight ? first : Math.max(...candidates)
}
