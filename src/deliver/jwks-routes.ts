import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { problems } from '../http/problem.ts'
import type { Clock } from '../platform/clock.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { publicKeysOf } from './jwks.ts'

export interface JwksRoutesDeps {
  readonly subscriptions: Pick<Subscriptions, 'get'>
  readonly clock: Clock
}

/** How long whoever verifies may keep the keys. During the overlap of a rotation the old ones sign, too, so none is missed. */
const keptSeconds = 300

const PublicJwkSchema = Type.Object(
  {
    kty: Type.Literal('OKP'),
    crv: Type.Literal('Ed25519'),
    x: Type.String({ description: 'The 32 bytes of the key, in base64url' }),
    kid: Type.String({ description: '`signing_public_key`, and the `keyid` of RFC 9421' }),
    alg: Type.Literal('EdDSA'),
    use: Type.Literal('sig'),
  },
  { additionalProperties: false },
)

/** `GET /subscriptions/{id}/jwks.json`: the public keys that a receiver verifies with. Without a key, from memory. */
export function registerJwks(scope: FastifyInstance, { subscriptions, clock }: JwksRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/subscriptions/:id/jwks.json',
    {
      schema: {
        operationId: 'readPublicKeys',
        summary: 'The public keys that deliveries of a subscription are verified with',
        description:
          'A JWK Set (RFC 7517) of the key pairs that sign now (`v1a`, `rfc9421-ed25519`, `custom` with `ed25519`), the newest first: two during the overlap of a rotation. ' +
          'It needs no key, as public keys are no secret. A subscription that signs with secrets only has none of it, and is answered as one that does not exist.',
        tags: ['Subscriptions'],
        params: Type.Object({
          id: Type.String({
            pattern: '^[1-9][0-9]{0,9}$',
            description: 'Of the subscription; its uid will not do',
            examples: ['1'],
          }),
        }),
        response: {
          200: {
            description: 'The keys',
            headers: {
              'cache-control': { type: 'string', description: `They may be kept for ${keptSeconds} s` },
            },
            content: {
              'application/jwk-set+json': {
                schema: Type.Object({ keys: Type.Array(PublicJwkSchema) }, { additionalProperties: false }),
              },
            },
          },
          ...problems(404),
        },
      },
    },
    async (request, reply) => {
      const subscription = subscriptions.get(Number(request.params.id))
      const keys = subscription === undefined ? [] : publicKeysOf(subscription, clock.now())
      if (keys.length === 0)
        throw new AppError(
          'not_found',
          'There are no public keys at this address: no subscription signs with a key pair here.',
        )
      return reply
        .header('content-type', 'application/jwk-set+json; charset=utf-8')
        .header('cache-control', `public, max-age=${keptSeconds}`)
        .send({ keys: [...keys] })
    },
  )
}
