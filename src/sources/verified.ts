import type { KeyObject } from 'node:crypto'

/** Why a request was refused. */
export const refusalReasons = [
  'missing_signature',
  'malformed_signature',
  'signature_mismatch',
  'missing_id',
  'missing_timestamp',
  'malformed_timestamp',
  'timestamp_too_old',
  'timestamp_in_future',
  'missing_token',
  'wrong_token',
  'body_hash_mismatch',
  'undecodable_body',
  'unusable_secret',
  'unknown_sender',
  'foreign_certificate',
  'certificate_unavailable',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export type Verified =
  /** The signature shows who has sent it, and that it is as it was sent. */
  | { readonly kind: 'verified'; readonly secret: number }
  /** A token shows who has sent it. */
  | { readonly kind: 'authenticated'; readonly secret: number }
  /** Nothing was asked for. */
  | { readonly kind: 'unattempted' }
  | { readonly kind: 'failed'; readonly reason: RefusalReason }

export interface VerifyOptions {
  /** As they were given; each is tried. */
  readonly secrets: readonly string[]
  /** Unix milliseconds. */
  readonly now: number
  /** In place of that of the preset. */
  readonly toleranceSeconds?: number | undefined
  /** The key of a certificate that was fetched; undefined: it was not, or is none that is good now. */
  readonly certificateKey?: (url: string) => KeyObject | undefined
}

export function failed(reason: RefusalReason): Verified {
  return { kind: 'failed', reason }
}
