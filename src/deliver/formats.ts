import type { DeliveryContent } from '../model/delivery.ts'
import type { Format } from '../model/format.ts'
import { structuredCloudEvent } from './cloudevents.ts'
import type { LoadedDelivery } from './message.ts'

/** Makes the content that is sent of the content that is stored. Pure: all attempts of a delivery send the same. */
type Shape = (loaded: LoadedDelivery) => DeliveryContent

const shapes: Readonly<Record<Exclude<Format, 'raw'>, Shape>> = {
  slack: ({ content, delivery }) => forSlack(content, delivery.webhookId),
  'cloudevents-structured': loaded => {
    const { cloudEvents } = loaded.to.extras ?? {}
    return cloudEvents ? structuredCloudEvent(loaded, cloudEvents) : loaded.content
  },
  'cloudevents-binary': ({ content }) => content, // its attributes are headers (extras.ts)
}

/** A delivery in the form that its subscription asks for. It is signed after this, so what is signed is what is sent. */
export function inFormat<Loaded extends LoadedDelivery>(loaded: Loaded): Loaded {
  const { format } = loaded.to
  if (format === 'raw') return loaded // as nearly all: the bytes as they came
  return { ...loaded, content: shapes[format](loaded) }
}

/** Slack cuts a text at 40,000 characters, and shows about 4,000. */
const slackCharsMax = 3000

/**
 * `{"text": …}`, as an incoming webhook of Slack takes it: the subject and the text of a system event, or of any JSON with
 * these two in `data`; the `text` of JSON that has one; else the type of the event and the beginning of its body.
 */
function forSlack(content: DeliveryContent, webhookId: string): DeliveryContent {
  const { contentEncoding: _, ...rest } = content
  const payload = Buffer.from(JSON.stringify({ text: slackText(content, webhookId) }))
  return { ...rest, contentType: 'application/json', payload }
}

function slackText(content: DeliveryContent, webhookId: string): string {
  const body = textOf(content)
  const json = parsed(body)
  const data = fieldOf(json, 'data')
  const [subject, words] = [fieldOf(data, 'subject'), fieldOf(data, 'text')]
  if (typeof subject === 'string' && typeof words === 'string')
    return `*${escaped(subject)}*\n${escaped(shortened(words))}`
  const own = fieldOf(json, 'text')
  if (typeof own === 'string') return escaped(shortened(own))
  const head = `*${escaped(content.eventType ?? 'event')}* ${webhookId}`
  if (body === undefined) return `${head}\n${content.payload.length} bytes of ${escaped(content.contentType)}`
  // Three of these characters would end the block.
  return `${head}\n\`\`\`${escaped(shortened(body)).replaceAll('```', "'''")}\`\`\``
}

/** Undefined: it is compressed, or no text. */
function textOf({ contentEncoding, payload }: DeliveryContent): string | undefined {
  if (contentEncoding && contentEncoding.toLowerCase() !== 'identity') return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload)
  } catch {
    return undefined
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

function shortened(text: string): string {
  return text.length > slackCharsMax ? `${text.slice(0, slackCharsMax).toWellFormed()}…` : text
}

/** The three characters that mean something to Slack. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
