import type { DeliveryContent } from '../model/delivery.ts'
import { render, type ValueOf } from '../model/message-template.ts'
import { uuidTime } from '../platform/id.ts'
import {
  attributeText,
  type CloudEventsRules,
  untypedCloudEvent,
} from '../subscriptions/cloudevents-fields.ts'
import type { LoadedDelivery } from './message.ts'
import { eventValues } from './values.ts'

// CloudEvents 1.0.2: https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents, with its formats for JSON and HTTP.

/** The body of one CloudEvent in the JSON format. The payload is spliced in as it came, so that its numbers stay what they were. */
export function structuredCloudEvent(loaded: LoadedDelivery, rules: CloudEventsRules): DeliveryContent {
  const { contentEncoding, ...content } = loaded.content
  const attributes = [
    ...attributesOf(loaded, rules),
    ['datacontenttype', attributeText(content.contentType)] as const,
    ...(isEncoded(contentEncoding) ? [['contentencoding', attributeText(contentEncoding)] as const] : []),
  ]
  const head = attributes.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')
  const payload = Buffer.concat([Buffer.from(`{${head}`), ...dataMember(loaded.content), Buffer.from('}')])
  return { ...content, contentType: 'application/cloudevents+json; charset=utf-8', payload }
}

/** The headers of one CloudEvent in the binary mode, in which the body is the payload as it came. */
export function binaryCloudEvent(loaded: LoadedDelivery, rules: CloudEventsRules): readonly string[] {
  return attributesOf(loaded, rules).flatMap(([name, value]) => [`ce-${name}`, headerValue(value)])
}

/** All but those that say what the payload is, which the two modes say in ways of their own. */
function attributesOf(
  loaded: LoadedDelivery,
  { source, type, subject, extensions }: CloudEventsRules,
): readonly (readonly [name: string, value: string])[] {
  const valueFor = eventValues(loaded)
  const { to, delivery, content } = loaded
  const ownSource = source === null ? '' : render(source, valueFor, encodeURIComponent)
  const ownType = type === null ? content.eventType : textOf(type, valueFor)
  const said = [
    ['specversion', '1.0'],
    ['id', delivery.webhookId],
    ['source', ownSource || `/tenants/${encodeURIComponent(to.tenant)}`],
    ['type', ownType === null || ownType === '' ? untypedCloudEvent : attributeText(ownType)],
    ['time', new Date(uuidTime(delivery.webhookId)).toISOString()],
    ['subject', subject === null ? '' : textOf(subject, valueFor)],
    ...extensions.map(([name, value]) => [name, textOf(value, valueFor)] as const),
  ] as const
  return said.filter(([, value]) => value !== '')
}

function textOf(template: Parameters<typeof render>[0], valueFor: ValueOf): string {
  return attributeText(render(template, valueFor))
}

/** An empty payload is an event without data. */
function dataMember({ payload, contentType, contentEncoding }: DeliveryContent): readonly Buffer[] {
  if (payload.length === 0) return []
  const base64 = () => [Buffer.from(`,"data_base64":"${payload.toString('base64')}"`)]
  if (isEncoded(contentEncoding)) return base64()
  const text = utf8Of(payload, contentType)
  if (text === undefined) return base64()
  if (!isJson(contentType))
    return isText(contentType) ? [Buffer.from(`,"data":${JSON.stringify(text)}`)] : base64()
  // Declared to be JSON and none: a string in its place would be other data.
  if (!isJsonText(text)) return base64()
  return [Buffer.from(`,"data":${text}`)]
}

function isEncoded(encoding: string | null | undefined): encoding is string {
  return !!encoding && encoding.toLowerCase() !== 'identity'
}

/** Undefined: it is in another character set, or no text. A byte order mark is left out. */
function utf8Of(payload: Buffer, contentType: string): string | undefined {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
  if (!['utf-8', 'utf8', 'us-ascii'].includes(charset)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload)
  } catch {
    return undefined
  }
}

function isJson(contentType: string): boolean {
  return /^[^/;]+\/([^;]+\+)?json\s*(;|$)/i.test(contentType.trim())
}

function isText(contentType: string): boolean {
  return /^(text\/|application\/(x-www-form-urlencoded|xml)\s*(;|$)|[^/;]+\/[^;]+\+xml)/i.test(
    contentType.trim(),
  )
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** As the HTTP binding encodes values (3.1.3.2): all but visible ASCII, and the space, `"` and `%` among it. */
function headerValue(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]/gu, char => encodeURIComponent(char))
}
