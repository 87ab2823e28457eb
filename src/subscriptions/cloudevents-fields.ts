import { Type } from 'typebox'
import { type FieldError, jsonPointer } from '../errors.ts'
import { charsOf } from '../http/metadata.ts'
import { documentedKey } from '../http/validation.ts'
import {
  compileTemplate,
  eventPlaceholders,
  literalsOf,
  type MessageTemplate,
  render,
} from '../model/message-template.ts'

/** What a subscription says of the CloudEvents that it gets; each value is a template. Null or left out: the default. */
export interface CloudEventsFields {
  source?: string | null
  type?: string | null
  subject?: string | null
  extensions?: { [name: string]: string | null } | null
}

/** The same as the path of an event needs it. */
export interface CloudEventsRules {
  /** Null: `/tenants/<tenant>`. */
  readonly source: MessageTemplate | null
  /** Null: the type of the event. */
  readonly type: MessageTemplate | null
  /** Null: none. */
  readonly subject: MessageTemplate | null
  readonly extensions: readonly (readonly [name: string, value: MessageTemplate])[]
}

/** The type of an event that came without one: CloudEvents has no event without a type. */
export const untypedCloudEvent = 'webhook.event'

export const cloudEventsLimits = { templateChars: 512, extensions: 16, nameChars: 20 } as const

/** Names of attributes: lower-case letters and digits, and not longer than 20 (CloudEvents 1.0.2, "Naming Conventions"). */
const extensionPattern = `^[a-z0-9]{1,${cloudEventsLimits.nameChars}}$`
const extensionName = new RegExp(extensionPattern)

/** What CloudEvents itself defines, and what this service adds. */
const takenNames = new Set([
  ...['id', 'source', 'specversion', 'type', 'datacontenttype', 'dataschema', 'subject', 'time', 'data'],
  'contentencoding',
])

/** The attributes of every event, as the binary form sends them. */
const usualHeaders = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time', 'ce-subject'] as const

/** The headers, in lower case, that the binary form sets itself. */
export function cloudEventHeaderNames(fields: CloudEventsFields | null): ReadonlySet<string> {
  return new Set([...usualHeaders, ...Object.keys(fields?.extensions ?? {}).map(name => `ce-${name}`)])
}

const template = (
  description: string,
  example: string,
  pattern = '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
) => ({
  type: ['string', 'null'],
  minLength: 1,
  maxLength: cloudEventsLimits.templateChars,
  [documentedKey]: { pattern },
  description,
  examples: [example],
  'x-sentence': `Give a text of 1 to ${cloudEventsLimits.templateChars} characters, or null.`,
})

const properties = {
  source: template(
    'A URI reference. Null: `/tenants/<tenant>`',
    'https://shop.example.com/orders',
    '^[\\x21-\\x7e]*$',
  ),
  type: template(
    `Null: the type of the event, or \`${untypedCloudEvent}\` where it has none`,
    'com.example.shop.{event_type}',
  ),
  subject: template('Null, or without a value: none is sent', 'order {metadata.order}'),
  extensions: {
    type: ['object', 'null'],
    additionalProperties: template('One without a value is not sent', '{tenant}'),
    [documentedKey]: { propertyNames: { pattern: extensionPattern } },
    description:
      `Attributes of your own, at most ${cloudEventsLimits.extensions}, by names of 1 to ${cloudEventsLimits.nameChars} ` +
      'lower-case letters and digits',
  },
}

export const CloudEventsInput = Type.Unsafe<CloudEventsFields | null>({
  type: ['object', 'null'],
  properties,
  additionalProperties: false,
  description:
    'The attributes of events in the formats `cloudevents-structured` and `cloudevents-binary`. In each text `{event_type}`, `{id}`, `{event_id}`, ' +
    '`{tenant}`, `{subscription_id}`, `{created_at}` and `{metadata.NAME}` stand for what the event has, `{{` and `}}` for braces',
})

export const CloudEventsOutput = Type.Unsafe<CloudEventsFields | null>({
  type: ['object', 'null'],
  properties: {
    ...{ source: { type: 'string' }, type: { type: 'string' }, subject: { type: 'string' } },
    extensions: { type: 'object', additionalProperties: { type: 'string' } },
  },
  additionalProperties: false,
  description: 'What was set of the attributes of CloudEvents; null: nothing',
})

/** What is set, without what is null. Null: nothing is. */
export function cloudEventsToStore(fields: CloudEventsFields | null | undefined): CloudEventsFields | null {
  const { extensions, ...rest } = fields ?? {}
  const own = withoutNulls(extensions ?? {})
  const stored = { ...withoutNulls(rest), ...(Object.keys(own).length > 0 && { extensions: own }) }
  return Object.keys(stored).length === 0 ? null : stored
}

function withoutNulls(texts: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).filter((entry): entry is [string, string] => entry[1] !== null),
  )
}

/** Applies a merge patch (RFC 7396) to what is stored. */
export function mergeCloudEvents(
  stored: CloudEventsFields | null,
  patch: CloudEventsFields | null | undefined,
): CloudEventsFields | null {
  if (patch === null) return null
  if (patch === undefined) return stored
  const extensions = patch.extensions === null ? {} : { ...stored?.extensions, ...(patch.extensions ?? {}) }
  return { ...stored, ...patch, extensions }
}

/** Everything that is wrong with it. */
export function cloudEventsFaults(fields: CloudEventsFields | null | undefined): readonly FieldError[] {
  const { extensions, source, ...others } = cloudEventsToStore(fields) ?? {}
  const errors: FieldError[] = []
  const count = Object.keys(extensions ?? {}).length
  if (count > cloudEventsLimits.extensions) {
    const detail = `Give at most ${cloudEventsLimits.extensions} names; these are ${count}.`
    return [{ pointer: '/cloudevents/extensions', detail }]
  }
  const check = (pointer: string, text: string, of: (template: MessageTemplate) => string | undefined) => {
    const compiled = compileTemplate(text, eventPlaceholders)
    const fault = compiled.kind === 'invalid' ? compiled.detail : of(compiled.template)
    const isLong = charsOf(text) > cloudEventsLimits.templateChars
    const detail = isLong ? `Give a text of at most ${cloudEventsLimits.templateChars} characters.` : fault
    if (detail !== undefined) errors.push({ pointer, detail })
  }
  if (source) check('/cloudevents/source', source, sourceFault)
  for (const [name, text] of Object.entries(others)) check(`/cloudevents/${name}`, String(text), textFault)
  for (const [name, text] of Object.entries(extensions ?? {})) {
    const pointer = `/cloudevents${jsonPointer('extensions', name)}`
    if (!extensionName.test(name) || takenNames.has(name)) {
      const detail = `Give a name of 1 to ${cloudEventsLimits.nameChars} lower-case letters and digits that CloudEvents does not use itself.`
      errors.push({ pointer, detail })
    } else check(pointer, String(text), textFault)
  }
  return errors
}

/** What no attribute may hold: control characters, and code points that are no characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const forbidden = /[\u0000-\u001f\u007f-\u009f\p{Noncharacter_Code_Point}\p{Surrogate}]/u

function textFault(template: MessageTemplate): string | undefined {
  return forbidden.test(literalsOf(template)) ? 'Give a text without control characters.' : undefined
}

/** Values are percent-encoded in it, so that it is a URI reference if it is one around them. */
function sourceFault(template: MessageTemplate): string | undefined {
  const text = render(template, () => 'x')
  const isReference = /^(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9a-f]{2})+$/i.test(text)
  return isReference ? undefined : 'Give a URI reference, such as https://shop.example.com/orders or /orders.'
}

/** A text as an attribute may hold it. */
export function attributeText(text: string): string {
  return text.toWellFormed().replace(new RegExp(forbidden, 'gu'), '\ufffd')
}

/** @throws Error for one that an operator has written into the database by hand */
export function openCloudEvents(fields: CloudEventsFields | null): CloudEventsRules {
  const { source, type, subject, extensions } = fields ?? {}
  return {
    source: opened(source),
    type: opened(type),
    subject: opened(subject),
    extensions: Object.entries(extensions ?? {}).flatMap(([name, text]) => {
      const compiled = opened(text)
      return compiled === null ? [] : [[name, compiled] as const]
    }),
  }
}

function opened(text: string | null | undefined): MessageTemplate | null {
  if (text === null || text === undefined) return null
  const compiled = compileTemplate(text, eventPlaceholders)
  if (compiled.kind === 'invalid') throw new Error(`a template cannot be used: ${compiled.detail}`)
  return compiled.template
}
