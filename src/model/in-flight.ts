/** Why a subscription has the number of requests in flight that it has. */
export const inFlightReasons = [
  /** Nothing was learnt yet, or not for some minutes. */
  'start',
  /** More at a time still get more answers per second. */
  'growing',
  /** More at a time would only wait in the receiver. */
  'settled',
  /** The receiver said, or showed, that it had too much to do. */
  'too_much',
] as const
export type InFlightReason = (typeof inFlightReasons)[number]

/** How many requests at a time one process serves a receiver with, as found out from its answers, and why. */
export interface FoundInFlight {
  readonly limit: number
  readonly reason: InFlightReason
}
