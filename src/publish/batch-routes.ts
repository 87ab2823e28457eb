import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { callerFor } from '../http/access.ts'
import { identifyCaller } from '../http/auth.ts'
import { idempotencyKeyParameter, readIdempotencyKey } from '../http/idempotency-key.ts'
import { refuseCoding } from '../http/json-body.ts'
import { Problem, problems } from '../http/problem.ts'
import { validatorCompiler } from '../http/validation.ts'
import type { Answered } from '../ingest/once.ts'
import { defaultTenant } from '../model/caller.ts'
import { readTraceparent, traceIdOf } from '../model/traceparent.ts'
import { type BatchResult, publishBatch } from './batch.ts'
import { readBatch } from './batch-body.ts'
import { itemBytesMax } from './batch-events.ts'
import { batchItemsMax, batchMediaTypes, itemReader, type RawItem } from './batch-items.ts'
import { publishLimits } from './fields.ts'
import { publishOnce } from './publish-once.ts'
import { fanOutMax } from './publisher.ts'
import type { PublishRoutesDeps } from './routes.ts'

export interface BatchRoutesDeps extends PublishRoutesDeps {
  /** Of the whole body; each event in it has the limit of `bodies`. */
  readonly batchBytesMax: number
}

/** `POST /events/batch`: publishes up to 1,000 events, each by itself. */
export function batchRoutes(app: FastifyInstance, deps: BatchRoutesDeps): void {
  app.register(async scope => {
    readBatches(scope, deps)
    scope.post(
      '/events/batch',
      {
        schema: batchSchema,
        // Of the body each item is checked by itself (`readBatchEvent`).
        validatorCompiler: part => (part.httpPart === 'querystring' ? validatorCompiler(part) : () => true),
        onRequest: identifyCaller(deps.callers),
      },
      (request, reply) => publishAll(deps, request, reply),
    )
  })
}

/** The items are found while the body comes in; it is not held as a whole. */
function readBatches(scope: FastifyInstance, { bodies, batchBytesMax }: BatchRoutesDeps): void {
  const rules = { ...bodies, bytesMax: batchBytesMax }
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', async ({ headers }: FastifyRequest, payload: FastifyRequest['raw']) => {
    const [mediaType = ''] = (headers['content-type'] ?? '').split(';')
    const format = batchMediaTypes[mediaType.trim().toLowerCase()]
    if (format === undefined) throw unknownType()
    refuseCoding(headers['content-encoding'])
    return readBatch(rules, payload, itemReader(format, itemBytesMax(bodies.bytesMax)))
  })
}

async function publishAll(
  deps: BatchRoutesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { body, id, headers } = request
  if (!Array.isArray(body)) throw unknownType()
  checkNothingBeside(headers)
  const items: readonly RawItem[] = body // as the parser of this scope has read them
  const { bodies, clock, logger } = deps
  const traceparent = readTraceparent(headers)
  const results = await publishBatch(
    {
      ...{ clock, requestId: id, payloadBytesMax: bodies.bytesMax },
      batchKey: readIdempotencyKey(headers),
      tenantFor: named => callerFor(request, named).reach.tenant ?? defaultTenant,
      publish: async (event, said) => {
        const answered = await publishOnce(deps, { ...event, traceparent }, said)
        tellAccepted(deps, answered)
        return answered
      },
      refused: code => deps.onRefusedEvent?.(code),
      failed: err => logger.error({ err, request_id: id }, 'an event of a batch failed'),
    },
    items,
  )
  logger.info(
    { request_id: id, ...countsOf(results), ms: Math.round(reply.elapsedTime * 10) / 10 },
    'accepted a batch',
  )
  return reply.code(202).send({ results })
}

/** What is said of one event by headers; @throws AppError validation_failed for each, as it would be said of none. */
function checkNothingBeside(headers: FastifyRequest['headers']): void {
  const beside = Object.keys(headers).flatMap(name => {
    const field = name.startsWith('x-metadata-') ? 'metadata' : fieldOfHeader[name]
    return field === undefined ? [] : [{ name, field }]
  })
  if (beside.length === 0) return
  throw validationFailed(
    beside.map(({ name, field }) => ({
      pointer: name,
      detail: `Say it of each event of the batch, in its field ${field}.`,
    })),
  )
}

/** By which headers `POST /events` is told of an event, and where that stands in an item. */
const fieldOfHeader: Readonly<Record<string, string>> = {
  'x-tenant': 'tenant',
  'x-event-type': 'event_type',
  'x-channels': 'channels',
  'x-event-id': 'event_id',
  'x-deliver-at': 'deliver_at',
}

function tellAccepted({ logger, hasLine }: BatchRoutesDeps, event: Answered): void {
  const { webhookId, deliveries, traceparent, isReplayed } = event
  if (isReplayed || !(hasLine?.(webhookId, false) ?? true)) return
  logger.info({ webhook_id: webhookId, deliveries, trace_id: traceIdOf(traceparent) }, 'accepted')
}

function countsOf(results: readonly BatchResult[]) {
  const accepted = results.filter(({ status }) => status === 202).length
  return { events: results.length, accepted, refused: results.length - accepted }
}

function unknownType(): AppError {
  return new AppError(
    'unsupported_media_type',
    'A batch is a JSON array (Content-Type: application/json), or an event on each line (application/x-ndjson).',
  )
}

const BatchItem = Type.Object(
  {
    event_type: Type.Optional(Type.String({ maxLength: publishLimits.eventTypeChars })),
    tenant: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
    channels: Type.Optional(
      Type.Array(Type.String({ maxLength: publishLimits.channelChars }), {
        maxItems: publishLimits.channels,
      }),
    ),
    event_id: Type.Optional(Type.String({ minLength: 1, maxLength: publishLimits.eventIdChars })),
    idempotency_key: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    deliver_at: Type.Optional(Type.String({ format: 'date-time' })),
    metadata: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: publishLimits.metadataValueChars }), {
        maxProperties: publishLimits.metadataEntries,
      }),
    ),
    payload: Type.Optional(
      Type.Unknown({ description: 'JSON. Its bytes are delivered as they stand in the request' }),
    ),
    payload_base64: Type.Optional(
      Type.String({ contentEncoding: 'base64', description: 'Instead of `payload`: any bytes' }),
    ),
    content_type: Type.Optional(
      Type.String({
        maxLength: 256,
        description:
          'Of the payload: `application/json` for `payload`, `application/octet-stream` otherwise, unless given',
      }),
    ),
  },
  { additionalProperties: false },
)

const BatchAnswer = Type.Object({
  results: Type.Array(
    Type.Union([
      Type.Object({
        status: Type.Literal(202),
        webhook_id: Type.String({ format: 'uuid' }),
        deliveries: Type.Integer({ minimum: 0, maximum: fanOutMax }),
        idempotent_replayed: Type.Optional(
          Type.Literal(true, { description: 'The answer to an earlier request with this key' }),
        ),
      }),
      Type.Object({
        status: Type.Integer({ minimum: 400, maximum: 599 }),
        error: Type.Intersect([
          Problem,
          Type.Object({
            retry_after_seconds: Type.Optional(
              Type.Integer({ minimum: 1, description: 'Where sending the event again helps' }),
            ),
          }),
        ]),
      }),
    ]),
    { maxItems: batchItemsMax, description: 'One for each event, in their order' },
  ),
})

const batchSchema = {
  operationId: 'publishBatch',
  tags: ['Events'],
  summary: 'Publish up to 1,000 events',
  description:
    'A JSON array of events, or an event on each line (`application/x-ndjson`). Each is accepted or refused by itself, as if it were sent alone to `POST /events`; `results` has one entry for each, in their order, and says 202 for those that are committed to disk. ' +
    'An array that is not valid JSON is refused as a whole (400), and nothing of it is accepted; a line that is not valid JSON is refused alone. ' +
    'With an `Idempotency-Key` for the whole batch each event without a key of its own has one that is made of it and of its place.',
  headers: Type.Object({ 'idempotency-key': idempotencyKeyParameter }),
  body: {
    content: {
      'application/json': { schema: Type.Array(BatchItem, { maxItems: batchItemsMax }) },
      'application/x-ndjson': {
        schema: Type.String({ description: 'Such an object on each line; empty lines are left out' }),
      },
    },
  },
  response: {
    202: {
      description: 'Read; `results` says what became of each event',
      content: { 'application/json': { schema: BatchAnswer } },
    },
    ...problems(401, 403, 413, 415, 422),
  },
}
