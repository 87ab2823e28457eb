import { type Static, type TSchemaOptions, Type } from 'typebox'
import { metadataInput } from '../http/metadata.ts'
import { documentedKey, storableText } from '../http/validation.ts'
import { type OwnershipCheck, ownershipChecks } from './ownership-check.ts'
import { type PortalLook, portalLookLimits } from './portal-look.ts'

/** What the id of a tenant looks like, as the column has it. */
export const tenantIdPattern = '^[a-z0-9][a-z0-9_-]{0,62}$'

/** One grey point. */
const sampleLogo =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=='

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

const hoursMax = 87_600
const daysMax = 36_500
/** As of STATS_RETENTION_DAYS: the shorter periods that longer ones are made of are kept for about as long. */
const statsDays = { least: 7, most: 3650 } as const
const kept = (maximum: number, description: string, minimum = 1) =>
  Type.Optional(
    Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      minimum,
      maximum,
      description,
      'x-sentence': `Give a whole number from ${minimum} to ${maximum}, or null for as long as for all.`,
    }),
  )

/** As it is sent, and as it is stored, where what is null is left out. */
const RetentionInput = Type.Unsafe<TenantRetention | null>({
  type: ['object', 'null'],
  properties: {
    payload_hours: kept(
      hoursMax,
      'Events with their payloads; what is still owed is kept until it is settled',
    ),
    log_hours: kept(hoursMax, 'The log of attempts. At least as long as the two others'),
    details_hours: kept(hoursMax, 'Requests and answers of attempts, where they are kept'),
    audit_days: kept(daysMax, 'Who has changed what of the tenant'),
    stats_days: kept(
      statsDays.most,
      'The figures of `GET /stats` and `GET /subscriptions/{id}/stats`, by the hour and by the day',
      statsDays.least,
    ),
  },
  additionalProperties: false,
  description:
    'How long what this tenant has is kept, where that is not as for all (`LOG_RETENTION_HOURS` and its like). Null, or a field ' +
    'that is null: as for all',
})

/** How long what a tenant has is kept; left out or null: as for all. */
export interface TenantRetention {
  readonly payload_hours?: number | null
  readonly log_hours?: number | null
  readonly details_hours?: number | null
  readonly audit_days?: number | null
  readonly stats_days?: number | null
}

const OwnershipCheckInput = Type.Unsafe<OwnershipCheck | null>({
  type: ['string', 'null'],
  enum: [...ownershipChecks, null],
  'x-sentence': `Give one of: ${ownershipChecks.join(', ')}; or null for what the service does.`,
  description:
    'Whether a receiver has to say that it wants events before any is sent to it, and how it is asked: `challenge`, a signed message ' +
    'whose text it answers; `cloudevents`, the OPTIONS request of CloudEvents; `off`. Null: as the setting `OWNERSHIP_CHECK` says',
})

const PortalInput = Type.Unsafe<PortalLook | null>({
  type: ['object', 'null'],
  properties: {
    name: {
      type: ['string', 'null'],
      minLength: 1,
      maxLength: portalLookLimits.nameChars,
      pattern: '^[^\\u0000-\\u001f]*$',
      examples: ['Acme'],
      'x-sentence': `Give a name of 1 to ${portalLookLimits.nameChars} characters on one line, or null for that of all.`,
      description: 'At the top of the page',
    },
    accent: {
      type: ['string', 'null'],
      pattern: '^#[0-9A-Fa-f]{6}$',
      examples: ['#0055ff'],
      'x-sentence': 'Give a colour such as #0055ff, or null for that of all.',
      description:
        'The colour of buttons and links. Where text in it could not be read well, the page takes the nearest shade that can (4.5 : 1)',
    },
    logo: {
      type: ['string', 'null'],
      maxLength: portalLookLimits.logoChars,
      pattern: '^data:image/(png|jpeg|webp|svg[+]xml);base64,[A-Za-z0-9+/]+={0,2}$',
      examples: [sampleLogo],
      'x-sentence': `Give a picture (PNG, JPEG, WebP or SVG) as a data URL in base64 of at most ${portalLookLimits.logoChars} characters, or null for that of all.`,
      description: 'A picture beside the name, shown 24 pixels high: PNG, JPEG, WebP or SVG, as a data URL',
    },
  },
  additionalProperties: false,
  description:
    "How the tenant's own page (`POST /portal-tokens`) looks, where that is not as `PORTAL_NAME`, `PORTAL_ACCENT` and `PORTAL_LOGO` say. " +
    'Null, or a field that is null: as they say',
})

const nullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

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
    retention: Type.Object(
      {
        payload_hours: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        log_hours: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        details_hours: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        audit_days: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
        stats_days: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
      },
      { description: 'How long what it has is kept; null: as for all' },
    ),
    ownership_check: Type.Unsafe<OwnershipCheck | null>({
      type: ['string', 'null'],
      description: 'How receivers are asked whether they want what is sent; null: as the service does',
    }),
    portal: Type.Object(
      {
        name: nullableText('At the top of the page'),
        accent: nullableText('The colour of buttons and links'),
        logo: Type.Optional(nullableText('A picture as a data URL; left out in a list')),
      },
      { description: 'How its own page looks; null: as for all' },
    ),
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
        retention: {
          ...{ payload_hours: null, log_hours: null, details_hours: null },
          ...{ audit_days: null, stats_days: null },
        },
        ownership_check: null,
        portal: { name: null, accent: null, logo: null },
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
    retention: Type.Optional(RetentionInput),
    ownership_check: Type.Optional(OwnershipCheckInput),
    portal: Type.Optional(PortalInput),
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
    retention: Type.Optional(RetentionInput),
    ownership_check: Type.Optional(OwnershipCheckInput),
    portal: Type.Optional(PortalInput),
  },
  closed('TenantPatch', 'A JSON merge patch of a tenant', { name: 'Acme Ltd.' }),
)
export type TenantPatch = Static<typeof TenantPatch>
