/** A receiver may ask for a pause between these, in milliseconds; beyond them it is taken for the nearer one. */
const pauseMs = { min: 1000, max: 86_400_000 } as const

/**
 * Reads `Retry-After` (RFC 9110, 10.2.3): seconds, also with decimals, or an HTTP date.
 *
 * @returns the moment (Unix milliseconds) until which nothing is to be sent, between 1 s and 24 h from now; undefined
 *   when the header is missing or not valid, which is as if it were missing
 */
export function retryAfterMoment(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? ''
  const asked = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? now + Number(text) * 1000 : httpDate(text)
  if (asked === undefined) return undefined
  return Math.ceil(Math.min(Math.max(asked, now + pauseMs.min), now + pauseMs.max))
}

/** The three forms of an HTTP date all begin with the name of a day; `Date.parse` alone takes far more than those. */
function httpDate(text: string): number | undefined {
  if (!/^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(text)) return undefined
  // The asctime form names no zone, and is in UTC like the others.
  const time = Date.parse(/gmt$/i.test(text) ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}
