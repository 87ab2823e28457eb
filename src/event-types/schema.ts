import { type Static, Type } from 'typebox'
import { documentedKey, sentenceKey, storableText } from '../http/validation.ts'
import { type Validation, validations } from './store.ts'

export const limits = {
  types: 1000,
  catalogueChars: 4_194_304,
  descriptionChars: 5000,
  examples: 10,
  exampleDepth: 100,
  importTypes: 200,
} as const

const eventTypePattern = '^[a-zA-Z0-9_.:/-]{1,128}$'
const nameSentence = 'Give an event type of 1 to 128 characters out of letters, digits and _ . : / -'

/** The name of an event type, as a parameter of a path. */
export const eventTypeName = Type.String({
  pattern: eventTypePattern,
  [sentenceKey]: nameSentence,
  description: 'The name of an event type; a slash in it is written as %2F',
  examples: ['order.paid'],
})

/** The path of the document has the place of this name. */
const reservedName = 'openapi.json'

/** What is wrong with a name; undefined: nothing. */
export function nameFault(name: string): string | undefined {
  if (name === reservedName) return `${reservedName} cannot be the name of an event type. Give another one.`
  return new RegExp(eventTypePattern).test(name) ? undefined : nameSentence
}

const schemaField = Type.Unsafe<unknown>({
  type: ['object', 'boolean', 'null'],
  description:
    'A JSON Schema 2020-12 for payloads, of at most 65,536 characters; null: any JSON. References lead within it only ' +
    '(`#/$defs/…`). Patterns run in linear time, so without look-around and back references',
  examples: [{ type: 'object', required: ['id'], properties: { id: { type: 'string' } } }],
})

const validation = (description: string) =>
  Type.Unsafe<Validation>({ type: 'string', enum: [...validations], description })

export const EventTypeInput = Type.Object(
  {
    description: Type.Optional(
      Type.Unsafe<string | null>({
        type: ['string', 'null'],
        maxLength: limits.descriptionChars,
        [documentedKey]: { pattern: storableText },
        description: 'For people',
      }),
    ),
    schema: Type.Optional(schemaField),
    examples: Type.Optional(
      Type.Array(Type.Unknown(), {
        maxItems: limits.examples,
        description: 'Payloads as they may be; each has to fit the schema',
      }),
    ),
    deprecated: Type.Optional(
      Type.Boolean({ description: 'It is still sent, and nobody should begin with it' }),
    ),
    validate: Type.Optional(
      validation(
        '`reject`: an event whose payload is no JSON, or does not fit the schema, is refused with 422',
      ),
    ),
  },
  {
    $id: 'EventTypeInput',
    additionalProperties: false,
    description: 'What an event type is to be',
    examples: [
      {
        description: 'An order was paid in full',
        schema: {
          type: 'object',
          required: ['id', 'total'],
          properties: { id: { type: 'string' }, total: { type: 'number', minimum: 0 } },
        },
        examples: [{ id: 'o-1', total: 12.5 }],
        validate: 'reject',
      },
    ],
  },
)
export type EventTypeInput = Static<typeof EventTypeInput>

const time = (description: string) => Type.String({ format: 'date-time', description })

export const EventType = Type.Object(
  {
    name: Type.String(),
    tenant: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Null: of the installation. It holds for each tenant that has none of this name',
    }),
    description: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    schema: schemaField,
    examples: Type.Array(Type.Unknown()),
    deprecated: Type.Boolean(),
    validate: validation('Whether payloads are checked'),
    created_at: time('When it was made'),
    updated_at: time('When it was changed last'),
  },
  { $id: 'EventType', description: 'What events of a type are for, and what their payloads look like' },
)
export type EventType = Static<typeof EventType>

export const EventTypeDocument = Type.Object(
  {
    openapi: Type.String({
      pattern: '^3[.][12][.][0-9]{1,3}$',
      [sentenceKey]: 'Give a document of OpenAPI 3.1 or 3.2.',
      examples: ['3.1.0'],
    }),
    webhooks: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      [documentedKey]: { maxProperties: limits.importTypes },
      description: `Event types by name, at most ${limits.importTypes}: of \`post\` its description, whether it is deprecated, and the JSON schema and examples of its body`,
      examples: [{}],
    }),
  },
  {
    $id: 'EventTypeDocument',
    description:
      'A document of OpenAPI 3.1. What else is in it is left out, but the schemas that are referred to',
    examples: [
      {
        openapi: '3.1.0',
        info: { title: 'Events', version: '1' },
        webhooks: {
          'order.paid': {
            post: {
              description: 'An order was paid in full',
              requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
            },
          },
        },
      },
    ],
  },
)

export type EventTypeDocument = Static<typeof EventTypeDocument>

const names = (description: string) => Type.Array(Type.String(), { description })

export const EventTypeImport = Type.Object(
  {
    created: names('Types that are new'),
    updated: names('Types that were changed'),
    unchanged: names('Types that were like this before'),
    refused: Type.Array(
      Type.Object({
        name: Type.String(),
        errors: Type.Array(
          Type.Object({
            pointer: Type.String({ description: 'A JSON Pointer into the event type' }),
            detail: Type.String(),
          }),
        ),
      }),
      { description: 'Types that stay as they are, and why' },
    ),
  },
  { $id: 'EventTypeImport', description: 'What an import has done' },
)
export type EventTypeImport = Static<typeof EventTypeImport>

/** The schemas that the OpenAPI document names. */
export const eventTypeSchemas = [EventTypeInput, EventType, EventTypeDocument, EventTypeImport]
