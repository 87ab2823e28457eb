import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { customSignature } from '../deliver/custom-signature.ts'
import type { LoadedDelivery } from '../deliver/message.ts'
import { messageSignatures } from '../deliver/message-signatures.ts'
import { type MessageTemplate, type PlaceholderName, usesPlaceholder } from '../model/message-template.ts'
import { parseUuid } from '../platform/id.ts'
import type { CustomSignatureRules } from '../subscriptions/custom-signature.ts'
import { type MessageSignatureRules, messageSignatureHeaders } from '../subscriptions/message-signature.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

// Signatures that few subscriptions make: by RFC 9421, and those that their owner has described. They are made again from
// what has come, with the keys of the subscription, and compared.

/** A request as far as its signature is concerned. */
export interface SignedRequest {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What is found of one signature; undefined: it is right. */
export type Finding =
  | { readonly kind: 'fault'; readonly detail: string }
  /** It cannot be made again from the request alone. */
  | { readonly kind: 'unknown'; readonly detail: string }
  | undefined

/** How far the time of a signature may be from now. */
const toleranceSeconds = 300

/** @param now Unix milliseconds */
export function findingsOf(request: SignedRequest, to: Subscription, now: number): readonly Finding[] {
  const { messageSignature, customSignature: custom } = to.extras ?? {}
  return [
    ...(messageSignature ? [byMessageSignature(request, to, messageSignature, now)] : []),
    ...(custom ? [byCustomSignature(request, to, custom, now)] : []),
  ]
}

function byMessageSignature(
  { headers, body }: SignedRequest,
  to: Subscription,
  rules: MessageSignatureRules,
  now: number,
): Finding {
  const [signature, input, digest] = messageSignatureHeaders.map(name => textOf(headers, name))
  if (!signature || !input || !digest)
    return fault('One of the headers Signature, Signature-Input and Content-Digest is missing.')
  const created = /;created=(\d{1,12})(?:;|,|$)/.exec(input)?.[1]
  const late = lateness(created, now)
  if (created === undefined || late !== undefined) return late ?? fault('Signature-Input has no created.')
  const others = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || messageSignatureHeaders.some(one => one === name) ? [] : [name, value.toString()],
  )
  const url = new URL(to.targetUrl)
  for (const keys of inForce(rules.keys)) {
    const made = messageSignatures({ ...rules, keys }, { url, headers: others, body }, Number(created) * 1000)
    const [, ownDigest = '', , ownInput = '', , ownSignature = ''] = made
    if (made.length > 0 && !isSame(digest, ownDigest)) return fault('Content-Digest is that of another body.')
    if (isSame(input, ownInput) && isSame(signature, ownSignature)) return undefined
  }
  return fault('Signature (RFC 9421) was not made with this secret, or not of this request.')
}

function byCustomSignature(
  { headers, body }: SignedRequest,
  to: Subscription,
  rules: CustomSignatureRules,
  now: number,
): Finding {
  const received = textOf(headers, rules.header)
  if (received === '') return fault(`The header ${rules.header} is missing.`)
  const templates = [rules.content, rules.value, rules.entry]
  const uses = (name: PlaceholderName) => templates.some(template => usesPlaceholder(template, name))
  if (uses('metadata') || uses('event_id'))
    return unknown('It signs what the sender says of an event, which the request does not show.')
  const names = to.signingHeaders
  const attempt = names.attempt === null ? '' : textOf(headers, names.attempt)
  if (uses('attempt') && !/^\d{1,9}$/.test(attempt))
    return unknown('It signs the number of the attempt, for which signing.headers names no header.')
  const id = parseUuid(textOf(headers, names.id))
  if (id === undefined) return fault(`The header ${names.id} is missing, or no id of an event.`)
  const seconds = textOf(headers, names.timestamp)
  const late = usesTime(templates) ? lateness(seconds, now) : undefined
  if (late !== undefined) return late
  const times = uses('timestamp_ms') ? millisecondsIn(received, seconds) : [Number(seconds) * 1000 || 0]
  if (times.length === 0) return unknown('It signs a time in milliseconds, which its header does not show.')
  const loaded: LoadedDelivery = {
    ...{ to, delivery: { webhookId: id, attempt: Number(attempt) } },
    content: {
      eventType: textOf(headers, 'x-event-type') || null,
      contentType: textOf(headers, 'content-type'),
      payload: body,
    },
  }
  const isRight = inForce(rules.keys).some(keys =>
    times.some(at => isSame(received, customSignature({ ...rules, keys }, loaded, at)[1] ?? '')),
  )
  return isRight
    ? undefined
    : fault(`The signature in ${rules.header} was not made with this secret and body.`)
}

function usesTime(templates: readonly MessageTemplate[]): boolean {
  return templates.some(one => usesPlaceholder(one, 'timestamp') || usesPlaceholder(one, 'timestamp_ms'))
}

/** Times of that second that stand in a header. At most a few: each is a signature to make. */
function millisecondsIn(text: string, seconds: string): readonly number[] {
  const found = text.match(/(?<!\d)\d{13}(?!\d)/g) ?? []
  return found
    .filter(one => one.startsWith(seconds.padStart(10, '0')))
    .map(Number)
    .slice(0, 5)
}

/** All keys; and without the newest, which may have come after the request was signed. */
function inForce<Key>(keys: readonly Key[]): readonly (readonly Key[])[] {
  return [keys, keys.slice(1)]
}

function lateness(seconds: string | undefined, now: number): Finding {
  if (seconds === undefined || !/^\d{1,12}$/.test(seconds))
    return fault('The time of the signature is missing, or no time in seconds.')
  return Math.abs(Number(seconds) - now / 1000) > toleranceSeconds
    ? fault('The time of the signature is more than five minutes away from now.')
    : undefined
}

function fault(detail: string): Finding {
  return { kind: 'fault', detail }
}

function unknown(detail: string): Finding {
  return { kind: 'unknown', detail }
}

function textOf(headers: SignedRequest['headers'], name: string): string {
  return headers[name.toLowerCase()]?.toString() ?? ''
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
