import { type Static, Type } from 'typebox'
import type { Sealer } from '../platform/seal.ts'
import { live } from './rotation.ts'
import { openSigningSecret } from './secrets.ts'
import { schemesOf, textSchemes, usesKeyPair } from './signing.ts'
import { parseSigningSecret } from './signing-secret.ts'
import type { SubscriptionRow } from './store.ts'

const expiresAt = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  format: 'date-time',
  description: 'When it stops signing; null: when it is replaced',
})

export const RevealedSecrets = Type.Object(
  {
    id: Type.Integer({ description: 'The subscription' }),
    secrets: Type.Array(
      Type.Object({
        secret: Type.String(),
        expires_at: expiresAt,
        scheme: Type.Array(Type.String(), {
          description: 'The schemes that it signs with now, as in `signing` of the subscription',
        }),
      }),
      { description: 'Newest first' },
    ),
    public_keys: Type.Array(
      Type.Object({
        public_key: Type.String({
          description: 'What verifies signatures of v1a, rfc9421-ed25519 and custom with ed25519',
        }),
        expires_at: expiresAt,
      }),
      { description: 'Newest first. The private key is never shown: receivers have no use for it' },
    ),
  },
  {
    $id: 'RevealedSecrets',
    description: 'The signing secrets in force',
    examples: [
      {
        id: 1,
        secrets: [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', expires_at: null, scheme: ['v1'] }],
        public_keys: [],
      },
    ],
  },
)
export type RevealedSecrets = Static<typeof RevealedSecrets>

/** What of a row signs at `now` (Unix milliseconds), in the clear. */
export function revealSecrets(seal: Sealer, row: SubscriptionRow, now: number): RevealedSecrets {
  const schemes = schemesOf(row.signing)
  return {
    id: row.id,
    secrets: live(row.signing_secrets, now).map(sealed => {
      const secret = openSigningSecret(seal, row.id, sealed)
      // A text that is no key can be left from before v1 was asked for.
      const signs = [
        ...(parseSigningSecret(secret).kind === 'key' ? ['v1' as const] : []),
        ...textSchemes,
        'rfc9421-hmac-sha256' as const,
        ...(row.signing.custom?.algorithm === 'ed25519' ? [] : ['custom' as const]),
      ]
      const scheme = signs.filter(one => schemes.includes(one))
      return { secret, expires_at: sealed.expires_at, scheme }
    }),
    public_keys: usesKeyPair(row.signing)
      ? live(row.signing_key_pairs, now).map(pair => ({
          public_key: pair.public,
          expires_at: pair.expires_at,
        }))
      : [],
  }
}
