import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { replayedHeader, replayedHeaders } from '../http/idempotency-key.ts'
import { readRawBodies } from '../http/json-body.ts'
import { problems } from '../http/problem.ts'
import type { BodyRules } from '../http/read-body.ts'
import type { HasLine } from '../model/event-lines.ts'
import type { Logger } from '../platform/logger.ts'
import { type Received, SourceReceiving, type SourceReceivingDeps, type SourceRequest } from './receive.ts'

export interface SourceReceivingRoutesDeps extends SourceReceivingDeps {
  readonly bodies: BodyRules
  readonly logger: Logger
  /** Which events have a line; all unless given. */
  readonly hasLine?: HasLine
}

type Incoming = FastifyRequest<{ Params: { token: string } }>

/**
 * Providers send with POST; with the others some ask whether an address is ours. HEAD only asks whether somebody is there
 * (Intercom, and whoever watches addresses): every address says so, whether there is such a source or not.
 */
const methods: readonly HTTPMethods[] = ['POST', 'GET', 'OPTIONS']

/** `/in/{token}`, where providers send to: the signature, or the address, is what lets in. */
export function sourceReceivingRoutes(app: FastifyInstance, deps: SourceReceivingRoutesDeps): void {
  const receiving = new SourceReceiving(deps)
  app.register(async scope => {
    readRawBodies(scope, deps.bodies)
    // Before GET, of which Fastify would make one that is judged.
    scope.head('/in/:token', { schema: { hide: true } }, (_request, reply) => reply.headers(quiet).send())
    scope.addHook('onError', async (request, _reply, error) => {
      if (!(error instanceof AppError) || error.code !== 'body_too_large') return
      const { token } = request.params as { token: string } // of each route of this scope
      receiving.tooLarge(token, asCame(request))
    })
    for (const method of methods) {
      scope.route<{ Params: { token: string } }>({
        method,
        url: '/in/:token',
        schema: method === 'POST' ? receivingSchema : { hide: true },
        handler: (request, reply) => receive(deps, receiving, request, reply),
      })
    }
  })
}

const noBody = Buffer.alloc(0)

async function receive(
  deps: SourceReceivingRoutesDeps,
  receiving: SourceReceiving,
  request: Incoming,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const came = asCame(request)
  const received = await receiving.receive(request.params.token, came)
  reply.headers(quiet)
  if (received.kind === 'challenge') {
    const { status, headers, body: text } = received.answer
    return reply.code(status).headers(headers).send(Buffer.from(text)) // as bytes: Fastify adds a charset to a string
  }
  tell(deps, received, came.body.length, reply)
  return answer(received, reply)
}

function asCame({ method, url, body, raw: { headers, headersDistinct } }: FastifyRequest): SourceRequest {
  const at = url.indexOf('?')
  return {
    ...{ method, headers, headersDistinct },
    search: at < 0 ? '' : url.slice(at),
    body: Buffer.isBuffer(body) ? body : noBody,
  }
}

/** No browser does anything with what a provider was to be answered, though it comes from the address of this service. */
const quiet = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const

type Accepted = Extract<Received, { kind: 'accepted' }>

function tell(
  { logger, hasLine }: SourceReceivingRoutesDeps,
  { source, eventType, published }: Accepted,
  sizeBytes: number,
  reply: FastifyReply,
): void {
  const { webhookId, deliveries, isReplayed } = published
  if (isReplayed || !(hasLine?.(webhookId, false) ?? true)) return
  logger.info(
    {
      webhook_id: webhookId,
      tenant: source.tenant,
      source_id: source.id,
      event_type: eventType,
      deliveries,
      size_bytes: sizeBytes,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    },
    'accepted',
  )
}

/** The id of the event is in a header, too: what a provider wants as a body says nothing of it. */
function answer({ source, published }: Accepted, reply: FastifyReply): FastifyReply {
  const { webhookId, deliveries, isReplayed } = published
  reply.header('x-webhook-id', webhookId)
  if (isReplayed) reply.header(replayedHeader, 'true')
  if (source.answer === undefined) {
    reply.header('content-type', 'application/json; charset=utf-8')
    return reply.code(200).send(`{"webhook_id":"${webhookId}","deliveries":${deliveries}}`)
  }
  const { status, content_type: type, body } = source.answer
  if (status === 204) return reply.code(204).send(null)
  return reply.code(status).header('content-type', `${type}; charset=utf-8`).send(Buffer.from(body))
}

const receivingSchema = {
  operationId: 'receiveFromProvider',
  tags: ['Sources'],
  summary: 'Take what a provider sends to a source',
  description:
    'Any body of any content type. It is verified as the preset of the source says, and published to the subscriptions of its tenant that want it. ' +
    'Questions by which providers find out whether an address is yours are answered, with GET and OPTIONS, too. ' +
    'What cannot be verified is answered with 401, as is an address that does not exist.',
  params: Type.Object({ token: Type.String({ description: 'As in the `url` of the source' }) }),
  response: {
    200: {
      description: 'Committed, and answered as `answer` of the source says',
      headers: {
        ...replayedHeaders,
        'x-webhook-id': { type: 'string', description: 'The id of the event' },
      },
      content: {
        'application/json': {
          schema: Type.Object({
            webhook_id: Type.String({ format: 'uuid' }),
            deliveries: Type.Integer({ minimum: 0 }),
          }),
        },
      },
    },
    '2XX': { description: 'As the source was told to answer' },
    ...problems(401, 413, 422),
  },
}
