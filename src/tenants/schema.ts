import { type Static, type TSchemaOptions, Type } from 'typebox'
import { metadataInput } from '../http/metadata.ts'
import { documentedKey, storableText } from '../http/validation.ts'

/** What the id of a tenant looks like, as the column has it. */
export const tenantIdPattern = '^[a-z0-9][a-z0-9_-]{0,62}$'

const id = Type.String({
  pattern: tenantIdPattern,
  description: 'Your own id for it: lower-case letters, digits, _ and -; it never changes',
  examples: ['acme'],
  'x-sentence':
    'Give an id of 1 to 63 lower-case letters, digits, _ and -, which begins with a letter or a digit.',
})

const name = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'For people',
  examples: ['Acme Inc.'],
  [documentedKey]: { pattern: storableText },
})

const metadataText = 'Your own names and texts'

const closed = ($id: string, description: string, example: object): TSchemaOptions => ({
  $id,
  additionalProperties: false,
  description,
  examples: [example],
})

export const Tenant = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    metadata: Type.Record(Type.String(), Type.String()),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  {
    $id: 'Tenant',
    description: 'Whose subscriptions and events these are',
    examples: [
      {
        id: 'acme',
        name: 'Acme Inc.',
        metadata: {},
        created_at: '2026-01-01T00:00:00.000Z',
        updated_at: '2026-01-01T00:00:00.000Z',
      },
    ],
  },
)
export type TenantAnswer = Static<typeof Tenant>

export const TenantCreate = Type.Object(
  {
    id,
    name,
    metadata: Type.Optional(
      Type.Unsafe<Record<string, string> | null>(metadataInput(['string'], metadataText)),
    ),
  },
  closed('TenantCreate', 'A new tenant', { id: 'acme', name: 'Acme Inc.' }),
)
export type TenantCreate = Static<typeof TenantCreate>

export const TenantPatch = Type.Object(
  {
    name: Type.Optional(name),
    metadata: Type.Optional(
      Type.Unsafe<Record<string, string | null> | null>(metadataInput(['string', 'null'], metadataText)),
    ),
  },
  closed('TenantPatch', 'A JSON merge patch of a tenant', { name: 'Acme Ltd.' }),
)
export type TenantPatch = Static<typeof TenantPatch>
