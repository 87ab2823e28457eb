import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { ErrorCode } from '../errors.ts'
import { callerFor } from '../http/access.ts'
import { type Callers, identifyCaller } from '../http/auth.ts'
import { idempotencyKeyParameter, replayedHeader, replayedHeaders } from '../http/idempotency-key.ts'
import { readRawBodies } from '../http/json-body.ts'
import { tenantParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { BodyRules } from '../http/read-body.ts'
import { sentenceKey } from '../http/validation.ts'
import { envelopeLimits, readBodyHeaders, readHops } from '../ingest/envelope.ts'
import type { Once } from '../ingest/once.ts'
import { defaultTenant } from '../model/caller.ts'
import type { HasLine } from '../model/event-lines.ts'
import { readTraceparent, traceIdOf } from '../model/traceparent.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { publishLimits } from './fields.ts'
import { type PublishHead, readPublishHead } from './publish-head.ts'
import { publishOnce } from './publish-once.ts'
import { fanOutMax, type Publisher } from './publisher.ts'

export interface PublishRoutesDeps {
  readonly publisher: Publisher
  readonly once: Once
  readonly bodies: BodyRules
  /** Undefined when the service asks for no keys. */
  readonly callers: Callers | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** Which events have a line; all unless given. */
  readonly hasLine?: HasLine
  /** Told of each event of a batch that is refused, by the code of its problem. */
  readonly onRefusedEvent?: (code: ErrorCode) => void
}

type PublishingRequest = FastifyRequest & {
  /** Set before the body is read. */
  publishHead?: PublishHead
}

const noBody = Buffer.alloc(0)

/** `POST /events`: publishes an event to every subscription of a tenant that wants it. */
export function publishRoutes(app: FastifyInstance, deps: PublishRoutesDeps): void {
  app.register(async scope => {
    readRawBodies(scope, deps.bodies)
    scope.decorateRequest('publishHead')
    scope.post(
      '/events',
      {
        schema: publishSchema,
        validatorCompiler: () => () => true, // `readPublishHead` checks, before the body is read
        onRequest: [identifyCaller(deps.callers), (request, _reply, done) => readHead(deps, request, done)],
      },
      (request, reply) => publish(deps, request, reply),
    )
  })
}

/** What the head of a request is enough to refuse is refused before the body is read. */
function readHead(
  { clock }: PublishRoutesDeps,
  request: PublishingRequest,
  done: (error?: Error) => void,
): void {
  try {
    const head = readPublishHead(request.headers, request.query, clock.now())
    const { reach } = callerFor(request, head.tenant)
    request.publishHead = { ...head, tenant: reach.tenant ?? defaultTenant }
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)))
    return
  }
  done()
}

async function publish(
  deps: PublishRoutesDeps,
  request: PublishingRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { publishHead: head, headers } = request
  if (head === undefined) throw new Error('a request came by without the hook onRequest')
  const payload = Buffer.isBuffer(request.body) ? request.body : noBody
  const body = readBodyHeaders(headers, payload)
  const { deliverAtText, ...said } = head
  const event = {
    ...{ ...said, ...body, hops: readHops(headers), headers, payload },
    traceparent: readTraceparent(headers),
  }
  const { webhookId, deliveries, traceparent, isReplayed } = await publishOnce(deps, event, { deliverAtText })
  const { logger, hasLine } = deps
  if (isReplayed) reply.header(replayedHeader, 'true')
  else if (hasLine?.(webhookId, false) ?? true) {
    logger.info(
      {
        webhook_id: webhookId,
        tenant: head.tenant,
        event_type: head.eventType,
        deliveries,
        size_bytes: payload.length,
        trace_id: traceIdOf(traceparent),
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'accepted',
    )
  }
  reply.header('content-type', 'application/json; charset=utf-8')
  return reply.code(202).send(`{"webhook_id":"${webhookId}","deliveries":${deliveries}}`)
}

const eventType = Type.String({
  maxLength: publishLimits.eventTypeChars,
  pattern: '^[\\x21-\\x7e]*$',
  [sentenceKey]: `Give at most ${publishLimits.eventTypeChars} visible ASCII characters without spaces.`,
  description: 'The type of the event, such as `order.created`',
})
const channel = `[\\x21-\\x2b\\x2d-\\x7e]{1,${publishLimits.channelChars}}`
const channels = Type.String({
  pattern: `^(${channel}( *, *${channel}){0,${publishLimits.channels - 1}})?$`,
  [sentenceKey]: `Give at most ${publishLimits.channels} names with commas between them, each of 1 to ${publishLimits.channelChars} visible ASCII characters.`,
  description: `At most ${publishLimits.channels} names with commas between them. A subscription that lists channels gets events of these only`,
})
const eventId = Type.String({
  minLength: 1,
  maxLength: publishLimits.eventIdChars,
  pattern: '^[\\x21-\\x7e]+$',
  [sentenceKey]: `Give 1 to ${publishLimits.eventIdChars} visible ASCII characters without spaces.`,
  description: 'Your own name for the event. A second event of the tenant with the same one is refused (409)',
})
const deliverAt = Type.String({
  format: 'date-time',
  [sentenceKey]: 'Give a time with its offset (RFC 3339), such as 2030-01-31T08:00:00Z.',
  description:
    'Not before this time (RFC 3339), a year ahead at most; a time that is over means now. Until then `DELETE /events/{webhook_id}` cancels it',
})

const publishSchema = {
  operationId: 'publishEvent',
  tags: ['Events'],
  summary: 'Publish an event to every subscription that wants it',
  description:
    'The raw body is what will be delivered, byte for byte, with its content type. 202 means that the event and all it owes are committed to disk. ' +
    'What is said of the event is given as headers or as query parameters; given as both, they must be the same. ' +
    `An event that no subscription wants is stored, too. One event goes to ${fanOutMax.toLocaleString('en')} subscriptions at most.`,
  querystring: Type.Object(
    {
      event_type: Type.Optional(eventType),
      tenant: Type.Optional(tenantParameter),
      channels: Type.Optional(channels),
      event_id: Type.Optional(eventId),
      deliver_at: Type.Optional(deliverAt),
      to: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: publishLimits.toChars,
          pattern: '^[^\\u0000]+$',
          description:
            'Limits the event to one subscription: its id, or its uid (`uid:<value>` where that looks like an id). It has to want the event all the same',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  headers: Type.Object({
    'x-event-type': Type.Optional(eventType),
    'x-tenant': Type.Optional(tenantParameter),
    'x-channels': Type.Optional(channels),
    'x-event-id': Type.Optional(eventId),
    'x-deliver-at': Type.Optional(deliverAt),
    'x-metadata-*': Type.Optional(
      Type.String({
        maxLength: publishLimits.metadataValueChars,
        description: `What you say of the event, by names of your own; at most ${publishLimits.metadataEntries} of them`,
      }),
    ),
    'idempotency-key': idempotencyKeyParameter,
    'content-encoding': Type.Optional(
      Type.String({
        maxLength: envelopeLimits.contentEncodingChars,
        pattern: '^[\\x20-\\x7e]*$',
        description: 'The codings of the body, such as `gzip`; it is delivered with the same',
      }),
    ),
  }),
  response: {
    202: {
      description: 'Committed; it will be delivered',
      headers: replayedHeaders,
      content: {
        'application/json': {
          schema: Type.Object({
            webhook_id: Type.String({ format: 'uuid' }),
            deliveries: Type.Integer({
              minimum: 0,
              maximum: fanOutMax,
              description: 'To how many subscriptions it will be delivered',
            }),
          }),
        },
      },
    },
    ...problems(401, 403, 404, 409, 413, 422),
  },
}
