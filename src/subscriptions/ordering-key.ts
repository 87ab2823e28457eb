import { createHash } from 'node:crypto'
import { EventFields, type FilterInput } from '../filters/event-fields.ts'

/** Where the key of an event stands, as `ordering_key` of a subscription says it. */
export type OrderingKeyRule =
  | { readonly from: 'payload'; readonly path: readonly string[] }
  | { readonly from: 'headers'; readonly name: string }
  | { readonly from: 'metadata'; readonly name: string }
  | { readonly from: 'subject' }

/** What `ordering_key` of a subscription may be. */
export const orderingKeyPattern =
  "^(subject|headers\\.[!#$%&'*+.^_`|~0-9A-Za-z-]+|metadata\\.[^\\u0000-\\u0020]+|payload(\\.[^.\\u0000]+)+)$"
export const orderingKeyPatternSentence =
  'Give where the key stands: payload.<path>, headers.<name>, metadata.<name>, or subject; or null.'
export const orderingKeyRuleCharsMax = 255

/** Keys of more bytes are kept as their SHA-256. */
export const orderingKeyBytesMax = 256

/** @param text of the form `orderingKeyPattern` */
export function parseOrderingKey(text: string): OrderingKeyRule {
  if (text === 'subject') return { from: 'subject' }
  const dot = text.indexOf('.')
  const rest = text.slice(dot + 1)
  switch (text.slice(0, dot)) {
    case 'headers':
      return { from: 'headers', name: rest.toLowerCase() }
    case 'metadata':
      return { from: 'metadata', name: rest }
    case 'payload':
      return { from: 'payload', path: rest.split('.') }
  }
  throw new Error(`not an ordering key: ${text}`)
}

/**
 * The key of an event: texts, numbers and booleans as text.
 *
 * @returns null for one that has none: nothing stands there, or an object, a list, null or an empty text
 */
export function orderingKeyOf(rule: OrderingKeyRule, event: FilterInput): string | null {
  const value = keyValueIn(rule, event)
  switch (typeof value) {
    case 'string':
      return value === '' ? null : bounded(value)
    case 'number':
    case 'boolean':
      return String(value)
    default:
      return null
  }
}

function keyValueIn(rule: OrderingKeyRule, event: FilterInput): unknown {
  switch (rule.from) {
    case 'payload':
      return at(event.payload, rule.path)
    case 'headers':
      return event.headers[rule.name]?.toString()
    case 'metadata':
      return own(event.metadata, rule.name)
    case 'subject':
      // As CloudEvents has it: in a header of an event in binary mode, else beside the data.
      return event.headers['ce-subject']?.toString() ?? at(event.payload, ['subject'])
  }
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce(own, value)
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}

/** What PostgreSQL keeps as text has no NUL, and a key stands in each row that is owed. */
function bounded(key: string): string {
  const isKept = Buffer.byteLength(key) <= orderingKeyBytesMax && !key.includes('\0')
  return isKept ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`
}

/** What orders by key, or not. */
export interface WithOrderingKey {
  readonly id: number
  readonly orderingKey: OrderingKeyRule | null
}

/** What the keys of an event are read from. */
export interface EventWithKeys {
  readonly eventType: string | null
  readonly payload: Buffer
  /** By their names in lower case. */
  readonly headers: FilterInput['headers']
  readonly metadata: FilterInput['metadata'] | null
}

/**
 * The keys of an event by the ids of subscriptions, of those that order by key and find one. The event is read only where
 * one of them does.
 *
 * @returns undefined when none of them orders by key
 */
export function orderingKeysOf(
  subscriptions: readonly WithOrderingKey[],
  event: () => EventWithKeys,
): ReadonlyMap<number, string> | undefined {
  if (!subscriptions.some(({ orderingKey }) => orderingKey !== null)) return undefined
  const { metadata, ...rest } = event()
  const fields = new EventFields({ ...rest, metadata: metadata ?? {} })
  const keys = new Map<number, string>()
  for (const { id, orderingKey } of subscriptions) {
    const key = orderingKey && orderingKeyOf(orderingKey, fields)
    if (key) keys.set(id, key)
  }
  return keys
}
