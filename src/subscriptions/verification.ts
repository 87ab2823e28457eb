import { Type } from 'typebox'
import type { OwnershipCheck } from '../tenants/ownership-check.ts'

/** How a receiver was asked whether it wants what is sent to it, and what it said; as it is stored. */
export interface Verification {
  readonly state: 'pending' | 'verified' | 'failed'
  readonly method: Exclude<OwnershipCheck, 'off'>
  /** When it was asked last (RFC 3339); null: not yet. */
  readonly asked_at: string | null
  /** When it said so (RFC 3339); null: not yet. */
  readonly verified_at: string | null
  /** Why it is not verified, in words for its owner. */
  readonly reason: string | null
  /** How many requests a minute the receiver has allowed (`WebHook-Allowed-Rate`); null: it named no limit. */
  readonly allowed_per_minute: number | null
}

/** What becomes of a subscription that has to be verified first. */
export const unverifiedReason =
  'its receiver has not said yet that it wants these events: POST /subscriptions/{id}/verify asks it again'

const nullable = (type: string, description: string, more: object = {}) => ({
  type: [type, 'null'],
  description,
  ...more,
})

export const VerificationOutput = Type.Unsafe<Verification | null>({
  type: ['object', 'null'],
  description:
    'The ownership check, where the service or the tenant asks for one. Until it is `verified` the state is `disabled`, and nothing is sent. Null: none was asked for',
  properties: {
    state: { type: 'string', enum: ['pending', 'verified', 'failed'] },
    method: { type: 'string', enum: ['challenge', 'cloudevents'] },
    asked_at: nullable('string', 'When the receiver was asked last', { format: 'date-time' }),
    verified_at: nullable('string', 'When it said yes', { format: 'date-time' }),
    reason: nullable('string', 'Why it is not verified'),
    allowed_per_minute: nullable(
      'integer',
      'How many requests a minute the receiver allows (`WebHook-Allowed-Rate` of CloudEvents); the service keeps to it',
    ),
  },
})

/** The limit that holds where a subscription has one and its receiver another one. */
export function strictestRate<Rate extends { readonly requests: number; readonly per_seconds: number }>(
  own: Rate | null,
  perMinute: number | null | undefined,
): { readonly requests: number; readonly perSeconds: number } | null {
  const ours = own && { requests: own.requests, perSeconds: own.per_seconds }
  if (!perMinute) return ours
  const theirs = { requests: perMinute, perSeconds: 60 }
  return ours && ours.requests / ours.perSeconds <= perMinute / 60 ? ours : theirs
}
