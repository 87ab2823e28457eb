import type { Delivery, DeliveryContent } from '../model/delivery.ts'
import { mayBeForwarded } from '../subscriptions/header-names.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { BegunSpan } from '../tracing/tracing.ts'
import { signatures } from './signatures.ts'

// The steps that make the message of an attempt. Each gives headers, names and values in turn.

/** A delivery with all that is needed to send it. */
export interface LoadedDelivery {
  readonly delivery: Pick<Delivery, 'webhookId' | 'attempt'>
  readonly to: Subscription
  readonly content: DeliveryContent
}

/** What the subscription adds so that its receiver lets the message in: headers of its own, credentials among them. */
export function authorize({ to }: LoadedDelivery): readonly string[] {
  return to.headers
}

/** Says what the body is, who sends it, and which attempt this is. */
export function describe({ delivery, to, content }: LoadedDelivery, userAgent: string): readonly string[] {
  const { contentType, contentEncoding, eventType, hops } = content
  const headers = ['content-type', contentType, 'user-agent', userAgent, 'accept-encoding', 'identity']
  if (contentEncoding) headers.push('content-encoding', contentEncoding)
  if (to.signingHeaders.attempt !== null) headers.push(to.signingHeaders.attempt, String(delivery.attempt))
  if (eventType !== null) headers.push('x-event-type', eventType)
  if (hops) headers.push('webhook-hop', String(hops))
  return headers
}

/**
 * Where the attempt is in a trace, for a receiver that is to know: the attempt itself where it is traced, else its event.
 *
 * @param span of the attempt
 */
export function trace({ to, content }: LoadedDelivery, span: BegunSpan | undefined): readonly string[] {
  const traceparent = to.forwardTraceparent ? (span?.traceparent ?? content.traceparent) : undefined
  return traceparent ? ['traceparent', traceparent] : none
}

const none: readonly string[] = []

/**
 * Headers of the request that brought the event, where its source passes them on. What the subscription or the service
 * says under such a name counts.
 *
 * @param others what the message has besides, names and values in turn
 */
export function forward({ content }: LoadedDelivery, others: readonly string[]): readonly string[] {
  if (content.forwarded === undefined) return none // as nearly all
  const taken = new Set(others.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase()))
  return Object.entries(content.forwarded)
    .filter(([name]) => !taken.has(name.toLowerCase()) && mayBeForwarded(name))
    .flat()
}

/**
 * The id of the event, the time of this attempt, and the signatures over both and the body.
 *
 * @param now Unix milliseconds
 */
export function sign({ delivery, to, content }: LoadedDelivery, now: number): readonly string[] {
  const { webhookId } = delivery
  const { id, timestamp } = to.signingHeaders
  const seconds = Math.floor(now / 1000)
  const list = signatures(to, webhookId, seconds, content.payload, now)
  return [id, webhookId, timestamp, String(seconds), ...list]
}
