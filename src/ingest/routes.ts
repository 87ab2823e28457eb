import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { unauthorized } from '../http/auth.ts'
import { readRawBodies } from '../http/json-body.ts'
import { parseSubscriptionId, subscriptionIdParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { ApiKeys } from '../keys/keys.ts'
import type { HasLine } from '../model/event-lines.ts'
import type { Logger } from '../platform/logger.ts'
import { type Subscription, wants } from '../subscriptions/subscription.ts'
import { envelopeLimits, readEnvelope } from './envelope.ts'
import type { Ingest } from './ingest.ts'
import { checkSignature, type SignatureCheck } from './verify.ts'

export interface IngestRoutesDeps {
  readonly ingest: Ingest
  readonly subscription: (id: number) => Subscription | undefined
  /** Reads it from the database, because another process may just have made it. */
  readonly findSubscription: (id: number) => Promise<Subscription | undefined>
  /** Undefined when the service asks for no keys. */
  readonly keys: ApiKeys | undefined
  readonly logger: Logger
  /** Which events have a line; all unless given. */
  readonly hasLine?: HasLine
}

const noBody = Buffer.alloc(0)

/** `POST /ingest/{id}`: accepts events. */
export function ingestRoutes(app: FastifyInstance, deps: IngestRoutesDeps): void {
  app.register(async scope => {
    readRawBodies(scope)
    scope.post<{ Params: { id: string } }>('/ingest/:id', { schema: ingestSchema }, (request, reply) =>
      accept(deps, request, reply),
    )
  })
}

async function accept(
  deps: IngestRoutesDeps,
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const payload = Buffer.isBuffer(request.body) ? request.body : noBody
  const subscription = await admit(deps, request, payload)
  const content = readEnvelope(request.headers, payload)
  reply.header('content-type', 'application/json; charset=utf-8')
  if (!wants(subscription, content.eventType)) return reply.code(200).send('{}')
  const { tenant } = subscription
  const webhookId = await deps.ingest.accept({ ...content, tenant, subscriptions: [subscription] })
  if (deps.hasLine?.(webhookId, false) ?? true) {
    deps.logger.info(
      {
        webhook_id: webhookId,
        subscription_id: subscription.id,
        event_type: content.eventType,
        size_bytes: payload.length,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'accepted',
    )
  }
  return reply.code(202).send(`{"webhook_id":"${webhookId}"}`)
}

/**
 * Finds the subscription and checks that the caller may send to it. A subscription with a secret needs a signature, any
 * other one an API key where the service asks for keys. To a caller without a key an unknown id answers like a missing
 * signature, so that ids cannot be found by trying.
 */
async function admit(
  deps: IngestRoutesDeps,
  request: FastifyRequest<{ Params: { id: string } }>,
  payload: Buffer,
): Promise<Subscription> {
  const id = parseSubscriptionId(request.params.id)
  const subscription = deps.subscription(id) ?? (await deps.findSubscription(id))
  if (subscription !== undefined && subscription.secret !== null) {
    const { headers } = request
    const check = checkSignature(name => headers[name]?.toString(), payload, subscription.secret)
    if (check !== 'valid') throw badSignature(check)
    return subscription
  }
  if (deps.keys !== undefined && !(await deps.keys.accepts(request.headers.authorization))) {
    throw subscription === undefined ? badSignature('missing') : unauthorized()
  }
  if (subscription === undefined) throw unknownSubscription(id)
  return subscription
}

function badSignature(check: Exclude<SignatureCheck, 'valid'>): AppError {
  return new AppError('invalid_signature', signatureSentences[check])
}

const signatureSentences: Readonly<Record<Exclude<SignatureCheck, 'valid'>, string>> = {
  missing:
    'This subscription takes signed events only. Send X-Hub-Signature-256: sha256=<hex>, the HMAC-SHA256 of the raw body with its secret.',
  malformed: 'The signature must have the form sha256=<64 hex digits>.',
  wrong:
    'The signature does not match the body. Sign the exact bytes that are sent, with the secret of this subscription.',
}

const ingestSchema = {
  operationId: 'ingest',
  tags: ['Events'],
  summary: 'Accept an event for one subscription',
  description:
    'The raw body is what will be delivered, byte for byte, with its content type. 202 means that the event is committed to disk. ' +
    'Where the subscription has a `secret`, a signature of the raw body is required. ' +
    'Where it lists `event_types`, an event of another type is answered with 200 and `{}`, and is not queued.',
  params: Type.Object({ id: subscriptionIdParameter }),
  headers: Type.Object({
    'x-event-type': Type.Optional(
      Type.String({
        maxLength: envelopeLimits.eventTypeChars,
        pattern: '^[\\x21-\\x7e]*$',
        description: 'The type of the event, such as `order.created`',
      }),
    ),
    'content-encoding': Type.Optional(
      Type.String({
        maxLength: envelopeLimits.contentEncodingChars,
        pattern: '^[\\x20-\\x7e]*$',
        description: 'The codings of the body, such as `gzip`; it is delivered with the same',
      }),
    ),
    'x-hub-signature-256': Type.Optional(
      Type.String({
        description:
          '`sha256=<hex>`: HMAC-SHA256 of the raw body with the secret of the subscription. Also read from `X-Hub-Signature-25` and `signature`.',
      }),
    ),
  }),
  response: {
    202: Type.Object(
      { webhook_id: Type.String({ format: 'uuid' }) },
      { description: 'Committed; it will be delivered' },
    ),
    200: Type.Object({}, { description: 'Not wanted: the subscription lists other event types' }),
    ...problems(401, 403, 404, 413, 422),
  },
}
