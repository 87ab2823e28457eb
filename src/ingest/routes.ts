import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import {
  idempotencyKeyParameter,
  readIdempotencyKey,
  replayedHeader,
  replayedHeaders,
} from '../http/idempotency-key.ts'
import { readRawBodies } from '../http/json-body.ts'
import { subscriptionIdParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { BodyRules } from '../http/read-body.ts'
import type { DeliveryContent } from '../model/delivery.ts'
import type { HasLine } from '../model/event-lines.ts'
import { traceIdOf } from '../model/traceparent.ts'
import type { Logger } from '../platform/logger.ts'
import { wants, wantsType } from '../subscriptions/matching.ts'
import { orderingKeysOf } from '../subscriptions/ordering-key.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { Admission, type AdmissionDeps, hasInbound, type Sender } from './admission.ts'
import { envelopeLimits, readContentHeaders, readEnvelope } from './envelope.ts'
import { eventChannelsMax, readChannels, readMetadata } from './event-labels.ts'
import type { AcceptedEvent, IncomingEvent, Ingest } from './ingest.ts'
import { hashOfName, hashOfRequest, type Names, namesOf } from './names.ts'
import type { Once } from './once.ts'

export interface IngestRoutesDeps extends AdmissionDeps {
  readonly ingest: Ingest
  readonly once: Once
  /** Says whether a payload fits its event type. */
  readonly eventTypes: Pick<EventTypes, 'check'>
  readonly bodies: BodyRules
  readonly logger: Logger
  /** Which events have a line; all unless given. */
  readonly hasLine?: HasLine
}

interface Deps extends IngestRoutesDeps {
  readonly admission: Admission
}

type IngestRequest = FastifyRequest<{ Params: { id: string } }> & {
  /** Set before the body is read. */
  sender?: Sender
}

const noBody = Buffer.alloc(0)

/** `POST /ingest/{id}`: accepts events. */
export function ingestRoutes(app: FastifyInstance, routesDeps: IngestRoutesDeps): void {
  const deps = { ...routesDeps, admission: new Admission(routesDeps) }
  app.register(async scope => {
    readRawBodies(scope, deps.bodies)
    scope.decorateRequest('sender')
    // Of the one route of this scope.
    scope.addHook('onError', async (request, _reply, error) =>
      tellInboundOwner(deps, request as IngestRequest, error),
    )
    scope.post<{ Params: { id: string } }>(
      '/ingest/:id',
      {
        schema: ingestSchema,
        onRequest: (request, reply, done) => admitByHeaders(deps, request, reply, done),
      },
      (request, reply) => accept(deps, request, reply),
    )
  })
}

/** Who may not send is refused before the body is read. Waits only for the database, for a count of requests, or for a refusal. */
function admitByHeaders(
  { admission, callers }: Deps,
  request: IngestRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const go = (sender: Sender): void => {
    request.sender = sender
    done()
  }
  let sender: Sender | Promise<Sender>
  try {
    sender = admission.byHeaders(request.params.id, request.raw, caller =>
      callers?.count(request, reply, caller),
    )
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)))
    return
  }
  if (sender instanceof Promise) sender.then(go, done)
  else go(sender)
}

async function accept(deps: Deps, request: IngestRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { sender } = request
  if (sender === undefined) throw new Error('a request came by without the hook onRequest')
  const payload = Buffer.isBuffer(request.body) ? request.body : noBody
  const inbound = deps.admission.inbound(request.params.id, sender)
  if (inbound !== undefined) return acceptInbound(deps, request, reply, { subscription: inbound, payload })
  const admitted = deps.admission.withBody(request.params.id, request.raw, sender, payload)
  const subscription = admitted instanceof Promise ? await admitted : admitted
  if (hasInbound(subscription)) return acceptInbound(deps, request, reply, { subscription, payload })
  const content = readEnvelope(request.headers, payload)
  reply.header('content-type', 'application/json; charset=utf-8')
  if (!isWanted(subscription, content, request.headers)) return reply.code(200).send('{}')
  const { tenant, extras, orderingKey } = subscription
  const event: OneEvent = {
    ...{ ...content, tenant, subscriptions: [subscription] },
    ...(extras?.usesMetadata && { metadata: readMetadata(request.headers) }),
    ...(orderingKey && { orderingKeys: keysOf(subscription, content, request.headers) }),
  }
  if (request.headers['idempotency-key'] !== undefined) return acceptOnce(deps, request, reply, event)
  return accepted(deps, reply, event, await checkAndAccept(deps, event))
}

/** What a provider has sent and was refused after it was verified, or before it was read: its owner sees it among the others. */
function tellInboundOwner(
  { admission, onInboundRefused }: Deps,
  { params, sender, raw, body }: IngestRequest,
  error: Error,
): void {
  const isTold =
    error instanceof AppError && (error.code === 'body_too_large' || error.code === 'payload_refused')
  const subscription = isTold && sender ? admission.inbound(params.id, sender) : undefined
  if (isTold && subscription)
    onInboundRefused?.(subscription, raw, error.code, Buffer.isBuffer(body) ? body : noBody)
}

/** For a subscription with `inbound`: verified as its provider signs, which also says what the event is called. */
async function acceptInbound(
  deps: Deps,
  request: IngestRequest,
  reply: FastifyReply,
  { subscription, payload }: { readonly subscription: WithInbound; readonly payload: Buffer },
): Promise<FastifyReply> {
  const { sender, headers } = request
  if (sender === undefined) throw new Error('a request came by without the hook onRequest')
  const judged = await deps.admission.withInbound(subscription, request.raw, sender, payload)
  if (judged?.kind === 'challenge') {
    const { status, headers: said, body } = judged.answer
    return reply
      .code(status)
      .headers({ ...said, ...quiet })
      .send(Buffer.from(body)) // as bytes: Fastify adds a charset
  }
  // Its body is not looked at: a provider could not correct it.
  const { eventType, ...content } = readEnvelope({ ...headers, 'content-type': undefined }, payload)
  const { contentType, contentEncoding } = readContentHeaders(headers)
  const read = { ...content, contentType, contentEncoding, eventType: judged?.eventType ?? eventType }
  reply.header('content-type', 'application/json; charset=utf-8')
  if (!isWanted(subscription, read, headers)) return reply.code(200).send('{}')
  const { tenant } = subscription
  const event: OneEvent = { ...read, tenant, subscriptions: [subscription] }
  const name = judged?.repeatId
  if (name === undefined) return acceptNamed(deps, request, reply, event)
  const hash = hashOfName(tenant, 'source', `subscription ${subscription.id} ${name}`)
  return acceptWith(deps, reply, event, { idempotencyKey: hash, eventId: null, request: hash })
}

type WithInbound = Parameters<Admission['withInbound']>[0]

/** No browser does anything with what a provider is answered, though it comes from the address of this service. */
const quiet = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
} as const

function acceptNamed(
  deps: Deps,
  request: IngestRequest,
  reply: FastifyReply,
  event: OneEvent,
): Promise<FastifyReply> {
  if (request.headers['idempotency-key'] !== undefined) return acceptOnce(deps, request, reply, event)
  return checkAndAccept(deps, event).then(webhookId => accepted(deps, reply, event, webhookId))
}

/** For a sender that has given its request a name. */
async function acceptOnce(
  deps: Deps,
  request: IngestRequest,
  reply: FastifyReply,
  event: OneEvent,
): Promise<FastifyReply> {
  const idempotencyKey = readIdempotencyKey(request.headers)
  const { tenant, eventType, contentType, contentEncoding = null, payload, subscriptions } = event
  const names = namesOf(tenant, { idempotencyKey, eventId: null }, () =>
    hashOfRequest(
      ['POST /ingest', `${subscriptions[0].id}`, tenant, eventType, contentType, contentEncoding],
      payload,
    ),
  )
  return acceptWith(deps, reply, event, names, idempotencyKey)
}

async function acceptWith(
  deps: Deps,
  reply: FastifyReply,
  event: OneEvent,
  names: Names | undefined,
  idempotencyKey: string | null = null,
): Promise<FastifyReply> {
  const published = { channels: [], eventId: null, idempotencyKey, deliverAt: null, metadata: null }
  const answered = await deps.once.accept(names, async () => ({
    ...(await checkAndAccept(deps, { ...event, published, ...(names && { names }) })),
    deliveries: 1,
  }))
  if (!answered.isReplayed) return accepted(deps, reply, event, answered)
  return reply.code(202).header(replayedHeader, 'true').send(`{"webhook_id":"${answered.webhookId}"}`)
}

/** @throws AppError payload_refused, and what `Ingest.accept` throws */
async function checkAndAccept({ eventTypes, ingest }: Deps, event: OneEvent): Promise<AcceptedEvent> {
  const refusal = eventTypes.check(event.tenant, event.eventType, event.payload)
  const refused = refusal instanceof Promise ? await refusal : refusal
  if (refused !== undefined) throw refused
  return ingest.accept(event)
}

type OneEvent = IncomingEvent & { readonly subscriptions: readonly [Subscription] }

function accepted(
  deps: Deps,
  reply: FastifyReply,
  event: OneEvent,
  { webhookId, traceparent }: AcceptedEvent,
): FastifyReply {
  const { eventType, payload, subscriptions } = event
  if (deps.hasLine?.(webhookId, false) ?? true) {
    deps.logger.info(
      {
        webhook_id: webhookId,
        subscription_id: subscriptions[0].id,
        event_type: eventType,
        size_bytes: payload.length,
        trace_id: traceIdOf(traceparent),
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'accepted',
    )
  }
  return reply.code(202).send(`{"webhook_id":"${webhookId}"}`)
}

/** Channels, metadata and payload are read only for a subscription that asks for them. */
function isWanted(
  subscription: Subscription,
  content: DeliveryContent,
  headers: FastifyRequest['headers'],
): boolean {
  if (!wantsType(subscription, content.eventType)) return false
  if (subscription.channels === null && subscription.filter === null) return true
  return wants(subscription, {
    tenant: subscription.tenant,
    eventType: content.eventType,
    channels: readChannels(headers['x-channels']?.toString()),
    payload: content.payload,
    headers,
    metadata: readMetadata(headers),
  })
}

function keysOf(subscription: Subscription, content: DeliveryContent, headers: FastifyRequest['headers']) {
  return orderingKeysOf([subscription], () => ({ ...content, headers, metadata: readMetadata(headers) }))
}

const ingestSchema = {
  operationId: 'ingest',
  tags: ['Events'],
  summary: 'Accept an event for one subscription',
  description:
    'The raw body is what will be delivered, byte for byte, with its content type. 202 means that the event is committed to disk. ' +
    'Where the subscription has a `secret`, a signature of the raw body is required. ' +
    'What `X-Metadata-*` says of it is kept where a template of the subscription has a place for it. ' +
    'What it does not want by its `event_types`, `channels` or `filter` is answered with 200 and `{}`, and is not queued.',
  params: Type.Object({
    id: {
      ...subscriptionIdParameter,
      description:
        'The id of a subscription, or `uid:` and its uid: one of the tenant that the key is for, else of the tenant `default`',
    },
  }),
  headers: Type.Object({
    'x-event-type': Type.Optional(
      Type.String({
        maxLength: envelopeLimits.eventTypeChars,
        pattern: '^[\\x21-\\x7e]*$',
        description: 'The type of the event, such as `order.created`',
      }),
    ),
    'x-channels': Type.Optional(
      Type.String({
        description: `The channels of the event, at most ${eventChannelsMax}, with commas between them; read where the subscription lists channels`,
        examples: ['project-7'],
      }),
    ),
    'content-encoding': Type.Optional(
      Type.String({
        maxLength: envelopeLimits.contentEncodingChars,
        pattern: '^[\\x20-\\x7e]*$',
        description: 'The codings of the body, such as `gzip`; it is delivered with the same',
      }),
    ),
    'idempotency-key': idempotencyKeyParameter,
    'x-hub-signature-256': Type.Optional(
      Type.String({
        description:
          '`sha256=<hex>`: HMAC-SHA256 of the raw body with the secret of the subscription. Also read from `X-Hub-Signature-25` and `signature`.',
      }),
    ),
  }),
  response: {
    202: {
      description: 'Committed; it will be delivered',
      headers: replayedHeaders,
      content: {
        'application/json': { schema: Type.Object({ webhook_id: Type.String({ format: 'uuid' }) }) },
      },
    },
    200: Type.Object(
      {},
      {
        description:
          'Not wanted: the subscription lists other event types or channels, or its filter does not match',
      },
    ),
    ...problems(401, 403, 404, 409, 413, 422),
  },
}
