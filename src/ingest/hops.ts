import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.ts'
import { product } from '../version.ts'

/** So often an event may come out of this service and in again. Chains of that length are built; longer ones loop. */
const hopsMax = 5

/**
 * How often what comes in has been delivered by this service, this installation or another one. A delivery says it in
 * `webhook-hop`, but for the first, which is told by its user agent: so a delivery that goes nowhere else says nothing.
 *
 * @throws AppError forbidden, when it goes in circles
 */
export function readHops(headers: IncomingHttpHeaders): number {
  if (!headers['user-agent']?.startsWith(`${product}/`)) return 0
  const told = Number(headers['webhook-hop'] ?? 0)
  const hops = Number.isSafeInteger(told) && told > 0 ? told + 1 : 1
  if (hops <= hopsMax) return hops
  throw new AppError(
    'forbidden',
    `This event has come through webhook delivery ${hops} times: some subscription leads back to where it began. Change its target_url.`,
  )
}
