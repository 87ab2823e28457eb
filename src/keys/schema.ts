import { type Static, Type } from 'typebox'
import { tenantParameter } from '../http/parameters.ts'
import { documentedKey, storableText } from '../http/validation.ts'
import { type KeyScope, keyScopes } from '../model/caller.ts'

const scope = Type.Unsafe<KeyScope>({
  type: 'string',
  enum: [...keyScopes],
  description:
    '`admin`: everything. `tenant`: everything of one tenant. `publish`: send events of one tenant, and nothing else. ' +
    '`read`: read what one tenant has, or all of them; change nothing',
})
const nullableMoment = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })
const nullableText = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

const keyFields = {
  id: Type.Integer(),
  name: Type.String({ description: 'For people' }),
  scope,
  tenant: nullableText('Whose things it may read and change; null: those of all'),
  prefix: Type.String({ description: 'How the key begins, to recognise it' }),
  created_at: Type.String({ format: 'date-time' }),
  expires_at: nullableMoment('Refused from then on; null: never'),
  last_used_at: nullableMoment('To about a minute; null: never'),
}

const exampleKey = {
  id: 2,
  name: 'billing service',
  scope: 'publish',
  tenant: 'acme',
  prefix: 'whk_Ab3d',
  created_at: '2026-01-01T00:00:00.000Z',
  expires_at: null,
  last_used_at: null,
}

export const Key = Type.Object(keyFields, {
  $id: 'Key',
  description: 'An API key, without its secret text',
  examples: [exampleKey],
})
export type KeyAnswer = Static<typeof Key>

export const NewKey = Type.Object(
  { ...keyFields, key: Type.String({ description: 'The key itself: shown here, and never again' }) },
  {
    $id: 'NewKey',
    description: 'An API key that was just made',
    examples: [{ ...exampleKey, key: 'whk_Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7jKl0nOp3' }],
  },
)
export type NewKeyAnswer = Static<typeof NewKey>

export const KeyCreate = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'For people: who or what uses it',
      examples: ['billing service'],
      [documentedKey]: { pattern: storableText },
    }),
    scope: { ...scope, examples: ['read'] },
    tenant: Type.Optional(
      Type.Unsafe<string | null>({
        ...tenantParameter,
        type: ['string', 'null'],
        description:
          'For `tenant` and `publish` it has to be given, unless the caller is for one tenant; for `read` null stands for all ' +
          'tenants; an `admin` key has none',
      }),
    ),
    expires_at: Type.Optional(
      Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'A time to come (RFC 3339); null or left out: never',
        [documentedKey]: { format: 'date-time' },
      }),
    ),
  },
  {
    $id: 'KeyCreate',
    additionalProperties: false,
    description: 'A new API key',
    examples: [{ name: 'billing service', scope: 'publish', tenant: 'default' }],
  },
)
export type KeyCreate = Static<typeof KeyCreate>

export const portalLimits = { secondsLeast: 60, secondsMost: 604_800, secondsUnlessGiven: 3600 } as const

export const PortalTokenCreate = Type.Object(
  {
    tenant: Type.Optional(tenantParameter),
    expires_in_seconds: Type.Optional(
      Type.Integer({
        minimum: portalLimits.secondsLeast,
        maximum: portalLimits.secondsMost,
        default: portalLimits.secondsUnlessGiven,
        description: 'How long it is valid, and never longer than the key that makes it',
      }),
    ),
    read_only: Type.Optional(
      Type.Boolean({ default: false, description: 'Whoever has it may look, and change nothing' }),
    ),
    views: Type.Optional(
      Type.Unsafe<string[] | null>({
        type: ['array', 'null'],
        minItems: 1,
        maxItems: 20,
        uniqueItems: true,
        items: {
          type: 'string',
          pattern: '^[a-z][a-z0-9_-]{0,39}$',
          examples: ['subscriptions'],
          'x-sentence':
            'Give the name of a view: 1 to 40 lower-case letters, digits, _ and -, first a letter.',
        },
        description:
          'The names of the views that the page shows, such as `subscriptions`; null or left out: all. It is no protection: what ' +
          'the token may read is all that the tenant has',
        'x-sentence': 'Give 1 to 20 names of views, each once, in lower-case letters, digits, _ and -.',
      }),
    ),
  },
  {
    $id: 'PortalTokenCreate',
    additionalProperties: false,
    description: 'Access for a customer to what a tenant has, for a while',
    examples: [{ tenant: 'default' }],
  },
)
export type PortalTokenCreate = Static<typeof PortalTokenCreate>

export const PortalToken = Type.Object(
  {
    id: Type.Integer(),
    token: Type.String({ description: 'The token itself: shown here, and never again' }),
    url: Type.String({
      format: 'uri',
      description: 'The page of the tenant. The token is behind #, so that it gets into no log of a server',
    }),
    expires_at: Type.String({ format: 'date-time' }),
  },
  {
    $id: 'PortalToken',
    description: 'A portal token that was just made',
    examples: [
      {
        id: 1,
        token: 'whp_Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7jKl0nOp3',
        url: 'https://webhooks.example.com/ui/portal#token=whp_Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7jKl0nOp3',
        expires_at: '2026-01-01T01:00:00.000Z',
      },
    ],
  },
)
export type PortalTokenAnswer = Static<typeof PortalToken>

export const Me = Type.Object(
  {
    actor: Type.Object({
      kind: Type.Unsafe<'operator' | 'key' | 'portal_token'>({
        type: 'string',
        enum: ['operator', 'key', 'portal_token'],
        description: '`operator`: the service asks for no keys',
      }),
      id: nullableText('Of the key or token'),
      name: Type.String(),
    }),
    scope,
    tenant: nullableText('Whose things the caller may read and change; null: those of all'),
    expires_at: nullableMoment('When this access ends; null: never'),
    views: Type.Optional(
      Type.Unsafe<string[] | null>({
        type: ['array', 'null'],
        items: { type: 'string' },
        description: 'Of a portal token: what its page shows; null: all',
      }),
    ),
    portal: Type.Optional(
      Type.Object(
        {
          name: nullableText('At the top of the page'),
          accent: nullableText('The colour of buttons and links'),
          logo: nullableText('A picture as a data URL'),
        },
        { description: 'Of a portal token: how its page looks; null: as for all tenants' },
      ),
    ),
  },
  {
    $id: 'Me',
    description: 'Who the caller is, and what they may do',
    examples: [
      {
        actor: { kind: 'key', id: '2', name: 'billing service' },
        scope: 'publish',
        tenant: 'acme',
        expires_at: null,
      },
    ],
  },
)
export type MeAnswer = Static<typeof Me>
