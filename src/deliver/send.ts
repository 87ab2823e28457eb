import type { Destination } from '../destinations/destination.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Clock } from '../platform/clock.ts'
import { describeMore, signMore } from './extras.ts'
import { inFormat } from './formats.ts'
import { authorize, describe, forward, type LoadedDelivery, sign, trace } from './message.ts'

export interface SendDeps {
  readonly clock: Clock
  readonly destination: Destination
  readonly userAgent: string
}

/**
 * Makes the message of an attempt and sends it: format → authorize → describe → trace → sign → forward → send. Deliveries and tests go
 * this one way. Never rejects.
 *
 * @param span of the attempt, where it is traced
 */
export function send(
  { clock, destination, userAgent }: SendDeps,
  loaded: LoadedDelivery,
  span?: Parameters<typeof trace>[1],
): Promise<Outcome> {
  const message = inFormat(loaded)
  const { to, content } = message
  const now = clock.now()
  // A subscription cannot choose a name that the service uses; should one get here, receivers go by the last.
  const own = [
    ...authorize(message),
    ...describe(message, userAgent),
    ...trace(message, span),
    ...sign(message, now),
  ]
  if (to.extras !== null) {
    own.push(...describeMore(message, to.extras, now))
    own.push(...signMore(message, to.extras, own, now))
  }
  const forwarded = forward(message, own)
  const headers = forwarded.length === 0 ? own : [...forwarded, ...own]
  return destination.deliver({ to, headers, body: content.payload }, to.timeoutMs)
}
