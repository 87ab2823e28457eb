import { type Static, Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import type { Sealer } from '../platform/seal.ts'
import { live, liveSecretsMax, overlapSeconds, rotated } from './rotation.ts'
import { makeSealedKeyPair, makeSigningSecret, sealSigningSecret } from './secrets.ts'
import type { SigningFields } from './signing.ts'
import { ownSigningSecret, secretMask, signingSecretFault } from './signing-secret.ts'
import type { SubscriptionRow, SubscriptionValues } from './store.ts'

export const SecretRotation = Type.Object(
  {
    secret: ownSigningSecret,
    overlap_seconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: overlapSeconds.max,
        default: overlapSeconds.usual,
        description:
          'How long the previous secret still signs, beside the new one; 0: all older ones end now, as after a leak',
      }),
    ),
  },
  {
    $id: 'SecretRotation',
    additionalProperties: false,
    description: 'The new signing secret, and how long the previous one still signs',
    examples: [{}, { overlap_seconds: 3600 }],
  },
)
export type SecretRotation = Static<typeof SecretRotation>

export const RotatedSecret = Type.Object(
  {
    id: Type.Integer({ description: 'The subscription' }),
    signing_secret: Type.String({ description: 'The new secret; shown here only' }),
    signing_public_key: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'What verifies v1a signatures of the newest key pair; null: there is none',
    }),
    expires_at: Type.String({
      format: 'date-time',
      description: 'When the previous secret stops signing',
    }),
    version: Type.Integer({ description: 'Of the subscription; also the ETag' }),
  },
  {
    $id: 'RotatedSecret',
    description: 'A new signing secret',
    examples: [
      {
        id: 1,
        signing_secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        signing_public_key: null,
        expires_at: '2026-01-02T00:00:00.000Z',
        version: 2,
      },
    ],
  },
)
export type RotatedSecret = Static<typeof RotatedSecret>

export interface Rotation {
  readonly values: SubscriptionValues
  /** The new secret in the clear. */
  readonly secret: string
  /** When the previous one ends, in Unix milliseconds. */
  readonly endsAt: number
}

/**
 * The values of a row after a rotation. A secret of the caller's own replaces the secret only. Without one, a key pair
 * for v1a is replaced too.
 *
 * A fourth live secret is refused. Ending the oldest instead lost: its receiver was told until when it would sign.
 *
 * @throws AppError validation_failed, too_many_secrets
 */
export function rotateSecret(
  seal: Sealer,
  row: SubscriptionRow,
  wish: SecretRotation,
  now: number,
): Rotation {
  const own = wish.secret ?? undefined
  if (own !== undefined) checkOwn(own, row.signing)
  const endsAt = now + (wish.overlap_seconds ?? overlapSeconds.usual) * 1000
  const secret = own ?? makeSigningSecret()
  const made = sealSigningSecret(seal, row.id, secret)
  const secrets = rotated(row.signing_secrets, made, endsAt, now)
  const pairs = live(row.signing_key_pairs, now)
  const newPairs =
    own === undefined && pairs.length > 0
      ? rotated(pairs, makeSealedKeyPair(seal, row.id), endsAt, now)
      : pairs
  if (Math.max(secrets.length, newPairs.length) > liveSecretsMax) throw tooMany(row, now)
  return { values: { ...row, signing_secrets: secrets, signing_key_pairs: newPairs }, secret, endsAt }
}

function checkOwn(secret: string, signing: SigningFields): void {
  const detail =
    secret === secretMask
      ? `${secretMask} is no secret. Give a real one.`
      : signingSecretFault(secret, signing)
  if (detail !== undefined) throw validationFailed([{ pointer: '/secret', detail }])
}

function tooMany(row: SubscriptionRow, now: number): AppError {
  const ends = [...live(row.signing_secrets, now), ...live(row.signing_key_pairs, now)]
    .flatMap(({ expires_at: end }) => end ?? [])
    .sort()
  return new AppError(
    'too_many_secrets',
    `At most ${liveSecretsMax} secrets sign at a time. Wait until the oldest ends (${ends[0]}), or give ` +
      'overlap_seconds 0 to end all older ones now.',
  )
}
