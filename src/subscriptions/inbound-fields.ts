import { Type } from 'typebox'
import { type FieldError, jsonPointer, validationFailed } from '../errors.ts'
import { documentedKey, sentenceKey, storableText } from '../http/validation.ts'
import type { Sealer } from '../platform/seal.ts'
import { secretMask } from './signing-secret.ts'

export const inboundLimits = { secrets: 5, secretChars: 8192, toleranceSeconds: 604_800 } as const

/** How what is sent to `POST /ingest/{id}` is verified, as it is given. */
export interface InboundFields {
  readonly preset: string
  readonly secrets?: readonly string[]
  readonly tolerance_seconds?: number | null
  readonly dedupe?: readonly string[] | null
  readonly require_signature?: boolean
}

/** The same, whole; as it is stored each secret is sealed, as it is shown each is masked. */
export type WholeInbound = {
  readonly [Name in keyof InboundFields]-?: Exclude<InboundFields[Name], undefined>
}

/** The same as the path of an event needs it: its secrets opened. */
export interface Inbound {
  readonly preset: string
  readonly secrets: readonly string[]
  readonly toleranceSeconds: number | null
  readonly dedupe: readonly string[] | null
  readonly requireSignature: boolean
}

/** What only those know who know the presets: what is wrong with an `inbound`. Masked secrets are left out. */
export type InboundCheck = (given: InboundFields) => readonly FieldError[]

const fields = {
  preset: {
    type: 'string',
    description: 'The `id` of one of `GET /sources/presets`',
    examples: ['github'],
  },
  secrets: {
    type: 'array',
    items: {
      type: 'string',
      minLength: 1,
      maxLength: inboundLimits.secretChars,
      [documentedKey]: { pattern: storableText },
    },
    maxItems: inboundLimits.secrets,
    description: `Secrets as the provider shows them, or its public keys; one that fits is enough. Shown as ${secretMask}; a mask sent back keeps the one at its place`,
  },
  tolerance_seconds: {
    type: ['integer', 'null'],
    minimum: 1,
    maximum: inboundLimits.toleranceSeconds,
    [sentenceKey]: `Give a whole number from 1 to ${inboundLimits.toleranceSeconds}, or null.`,
    description: 'How far the time of a signature may be from now; null: as the preset says',
  },
  dedupe: {
    type: ['array', 'null'],
    items: { type: 'string' },
    description:
      'Where the id stands by which a repeat is known, at most ten places; none: repeats are not known; null: as the preset says',
  },
  require_signature: {
    type: 'boolean',
    description: 'False: who has an API key needs no signature. True unless given',
  },
} as const

export const InboundInput = Type.Unsafe<InboundFields | null>({
  type: ['object', 'null'],
  properties: fields,
  required: ['preset'],
  additionalProperties: false,
  [sentenceKey]: 'Give an object with at least preset, or null.',
  description:
    'How what is sent to `POST /ingest/{id}` is verified: as a provider signs. It takes the place of `secret`. The event type and the id by which a repeat is ' +
    'known are read as the preset says',
})

/** In a patch what is left out stays as it is. */
export const InboundPatch = Type.Unsafe<Partial<InboundFields> | null>({
  type: ['object', 'null'],
  properties: fields,
  additionalProperties: false,
  description: 'As in a PUT; what is left out stays as it is',
})

export const InboundOutput = Type.Unsafe<WholeInbound | null>({
  type: ['object', 'null'],
  properties: fields,
  required: Object.keys(fields),
  additionalProperties: false,
  description: 'How what is sent to `POST /ingest/{id}` is verified; null: by `secret`, where there is one',
})

/** Defaults filled in. */
export function wholeInbound(given: InboundFields): WholeInbound {
  return {
    preset: given.preset,
    secrets: given.secrets ?? [],
    tolerance_seconds: given.tolerance_seconds ?? null,
    dedupe: given.dedupe ?? null,
    require_signature: given.require_signature ?? true,
  }
}

/** As it is shown. */
export function maskedInbound(stored: WholeInbound | null): WholeInbound | null {
  return stored && { ...stored, secrets: stored.secrets.map(() => secretMask) }
}

/** The body of the PUT that does what a patch asks for. @throws AppError validation_failed where there is no preset */
export function mergeInbound(
  stored: WholeInbound | null,
  patch: Partial<InboundFields> | null | undefined,
): InboundFields | null {
  if (patch === undefined) return maskedInbound(stored)
  if (patch === null) return null
  const { preset, ...others } = patch
  const of = preset ?? stored?.preset
  if (of === undefined)
    throw validationFailed([{ pointer: '/inbound/preset', detail: 'This field is required.' }])
  return { ...maskedInbound(stored), ...others, preset: of }
}

/**
 * To be stored: each secret sealed. A mask keeps the one at its place.
 *
 * @param context of the place of its secrets. @throws AppError validation_failed for a mask where there is none
 */
export function sealInbound(
  seal: Sealer,
  context: string,
  wish: WholeInbound | null,
  before: WholeInbound | null,
): WholeInbound | null {
  if (wish === null) return null
  const secrets = wish.secrets.map((secret, index) => {
    if (secret !== secretMask) return seal.seal(secret, context)
    const kept = before?.secrets[index]
    if (kept !== undefined) return kept
    const detail = `${secretMask} keeps the secret at its place, and there is none. Give a real one.`
    throw validationFailed([{ pointer: jsonPointer('inbound', 'secrets', String(index)), detail }])
  })
  return { ...wish, secrets }
}

export function openInbound(seal: Sealer, context: string, stored: WholeInbound | null): Inbound | null {
  return (
    stored && {
      preset: stored.preset,
      secrets: stored.secrets.map(sealed => seal.open(sealed, context)),
      toleranceSeconds: stored.tolerance_seconds,
      dedupe: stored.dedupe,
      requireSignature: stored.require_signature,
    }
  )
}
