import { renderHeader } from '../model/message-template.ts'
import type { MessageExtras } from '../subscriptions/subscription.ts'
import { binaryCloudEvent } from './cloudevents.ts'
import { customSignature } from './custom-signature.ts'
import type { LoadedDelivery } from './message.ts'
import { messageSignatures } from './message-signatures.ts'
import { attemptValues } from './values.ts'

// What few subscriptions ask for of their messages. Others never get here.

/** The headers that say more of the event: the attributes of a CloudEvent, and those made of templates. */
export function describeMore(message: LoadedDelivery, extras: MessageExtras, now: number): readonly string[] {
  const { cloudEvents, headers } = extras
  const attributes =
    cloudEvents !== null && message.to.format === 'cloudevents-binary'
      ? binaryCloudEvent(message, cloudEvents)
      : []
  const values = attemptValues(message, now)
  const made = headers.flatMap(({ name, value }) => {
    const text = renderHeader(value, values)
    return text === '' ? [] : [name, text]
  })
  return [...attributes, ...made]
}

/**
 * The signatures that are made in other ways than those of Standard Webhooks.
 *
 * @param headers all others of the message, which RFC 9421 may sign
 * @param now Unix milliseconds
 */
export function signMore(
  message: LoadedDelivery,
  { customSignature: custom, messageSignature }: MessageExtras,
  headers: readonly string[],
  now: number,
): readonly string[] {
  const own = custom === null ? [] : customSignature(custom, message, now)
  if (messageSignature === null) return own
  const { to, content } = message
  const request = { url: new URL(to.targetUrl), headers: [...headers, ...own], body: content.payload }
  return [...own, ...messageSignatures(messageSignature, request, now)]
}
