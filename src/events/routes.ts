import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { AppError } from '../errors.ts'
import { callerOf, reachOf } from '../http/access.ts'
import {
  decodeCursor,
  encodeCursor,
  linkNextPage,
  pageHeaders,
  pageQuery,
  parseIdCursor,
} from '../http/paging.ts'
import {
  parseRange,
  parseWebhookId,
  subscriptionIdParameter,
  tenantParameter,
  timeParameter,
} from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { type EventReader, type Part, readEventDetails } from './event.ts'
import type { Expunges } from './expunges.ts'
import { expunge, readPayloadOf, type StoredPayload } from './payload.ts'
import { EventDetails, EventSummary, eventState } from './schema.ts'
import { type EventQuery, EventSearch, searchBounds } from './search.ts'

export type EventsDeps = EventReader & {
  readonly database: Database
  readonly subscriptions: Subscriptions
  readonly expunges: Pick<Expunges, 'takenOut'>
}

const tags = ['Events']
const pageSize = 50

/** The routes that show events: which there are, what became of one and why, and its payload. */
export function registerEvents(scope: FastifyInstance, deps: EventsDeps): void {
  registerSearch(scope, deps)
  registerEvent(scope, deps)
  registerPayload(scope, deps)
}

const text = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000]*$', description }))

const SearchParameters = Type.Object(
  {
    ...pageQuery(pageSize),
    tenant: Type.Optional(tenantParameter),
    event_type: text(128, 'Only events of exactly this type'),
    status: Type.Optional(eventState('Only events in this state')),
    subscription_id: Type.Optional(
      Type.Unsafe<number | string>({
        ...subscriptionIdParameter,
        description: 'Only events that went to it: its id, or `uid:` and its uid',
      }),
    ),
    channel: text(128, 'Only events in this channel'),
    event_id: text(255, 'Only the event to which its sender gave this id'),
    idempotency_key: text(255, 'Only the event that was sent with this Idempotency-Key'),
    since: Type.Optional(timeParameter('Only events that were accepted at this time or later')),
    until: Type.Optional(timeParameter('Only events that were accepted before this time')),
    q: text(255, 'The `webhook_id` of an event; any other text: the beginning of its type'),
  },
  { additionalProperties: false },
)

function registerSearch(scope: FastifyInstance, { database, subscriptions }: EventsDeps): void {
  const search = new EventSearch(database)
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/events',
    {
      schema: {
        operationId: 'listEvents',
        summary: 'Search events, newest first',
        description:
          'All filters that are given must fit. A request looks at a bounded number of events ' +
          `(${searchBounds.rows.toLocaleString('en')}; ${searchBounds.counted.toLocaleString('en')} where a \`status\` is asked for), so a page can have fewer events than \`limit\`, or none, ` +
          'and still lead to a next one: the last page is the one without `Link`. ' +
          'Found at once, however many events there are: the newest of a tenant, those of a time, `q` with a `webhook_id`, an `event_id` or `idempotency_key` of one tenant, and those that are `pending` or `failed`.',
        tags,
        querystring: SearchParameters,
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(EventSummary) } },
          },
          ...problems(400, 401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('events', cursor, parseUuid)
      const reach = reachOf(request, tenant)
      const { subscription_id: named } = request.query
      const subscriptionId =
        named === undefined ? undefined : await subscriptions.idIn(reach, String(named), 'subscription_id')
      const query = { ...readQuery(request.query), subscriptionId }
      const { events, next } = await search.page(reach, query, limit, before)
      if (next !== undefined) linkNextPage(request, reply, limit, encodeCursor('events', next))
      return [...events]
    },
  )
}

/** @throws AppError validation_failed */
function readQuery(given: Static<typeof SearchParameters>): EventQuery {
  const { q } = given
  const id = q === undefined ? undefined : parseUuid(q)
  return {
    eventType: given.event_type,
    status: given.status,
    channel: given.channel,
    eventId: given.event_id,
    idempotencyKey: given.idempotency_key,
    ...parseRange(given),
    ...(id === undefined ? { eventTypePrefix: q } : { ids: [id] }),
  }
}

const webhookIdParameter = Type.Object({
  webhook_id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
})

function unknownEvent(webhookId: Uuid): AppError {
  return new AppError(
    'not_found',
    `There is no event ${webhookId}, or its retention is over and it was removed.`,
  )
}

function registerEvent(scope: FastifyInstance, deps: EventsDeps): void {
  const { limit, cursor } = pageQuery(pageSize)
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/events/:webhook_id',
    {
      schema: {
        operationId: 'getEvent',
        summary: 'An event, who got it, and why others did not',
        description:
          'Both lists are in the order of subscription ids and have cursors of their own. A part of `unmatched` can have fewer entries than asked for, or none, and still lead to a next one.',
        tags,
        params: webhookIdParameter,
        querystring: Type.Object(
          { limit, cursor, unmatched_limit: limit, unmatched_cursor: cursor },
          { additionalProperties: false },
        ),
        response: {
          200: { description: 'As it is now', content: { 'application/json': { schema: EventDetails } } },
          ...problems(400, 401, 403, 404, 422),
        },
      },
    },
    async request => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const { query } = request
      const found = await readEventDetails(
        deps,
        reachOf(request),
        webhookId,
        partOf(deliveriesList, query.cursor, query.limit),
        partOf(unmatchedList, query.unmatched_cursor, query.unmatched_limit),
      )
      if (found === undefined) throw unknownEvent(webhookId)
      return {
        ...found.event,
        deliveries_next_cursor: cursorAt(deliveriesList, found.deliveriesEnd),
        unmatched_next_cursor: cursorAt(unmatchedList, found.unmatchedEnd),
      }
    },
  )
}

const deliveriesList = 'event_deliveries'
const unmatchedList = 'event_unmatched'

function partOf(list: string, cursor: string | undefined, limit = pageSize): Part {
  return { after: decodeCursor(list, cursor, parseIdCursor) ?? 0, limit }
}

function cursorAt(list: string, end: number | undefined): string | null {
  return end === undefined ? null : encodeCursor(list, end)
}

const octets = 'application/octet-stream'
const header = (description: string) => ({ type: 'string', description })

function registerPayload(scope: FastifyInstance, deps: EventsDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/events/:webhook_id/payload',
    {
      schema: {
        operationId: 'getPayload',
        summary: 'The payload of an event, byte for byte',
        description:
          'As a file to be saved, which no browser shows or decodes: its own type and coding are in headers of their own.',
        tags,
        params: webhookIdParameter,
        response: {
          200: {
            description: 'The bytes as they were accepted',
            headers: {
              'X-Event-Content-Type': header('The content type that the event was accepted with'),
              'X-Event-Content-Encoding': header(
                'The codings of the bytes, such as gzip; absent: none was said',
              ),
            },
            content: { [octets]: { schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }) } },
          },
          ...problems(401, 403, 404, 410, 422),
        },
      },
    },
    async (request, reply) => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const stored = await readPayloadOf(deps.database, reachOf(request), webhookId)
      if (stored === undefined) throw unknownEvent(webhookId)
      return reply.headers(downloadHeaders(webhookId, stored)).send(stored.bytes)
    },
  )
  app.delete(
    '/events/:webhook_id/payload',
    {
      schema: {
        operationId: 'expungePayload',
        summary: 'Expunge the payload of an event',
        description:
          'The event and its log stay, and what is still owed ends as `cancelled`. An attempt that has begun is not called back.',
        tags,
        params: webhookIdParameter,
        response: {
          204: { description: 'It is gone, or was already', type: 'null' },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      if (!(await expunge(deps.database, callerOf(request), webhookId))) throw unknownEvent(webhookId)
      deps.expunges.takenOut()
      return reply.code(204).send(null)
    },
  )
}

/** Foreign bytes: no browser may show them as a page of this service, whatever they say they are. */
function downloadHeaders(webhookId: Uuid, { contentType, contentEncoding }: StoredPayload) {
  return {
    'content-type': octets,
    'content-disposition': `attachment; filename="${webhookId}"`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'cache-control': 'no-store',
    'x-event-content-type': contentType,
    ...(contentEncoding !== null && { 'x-event-content-encoding': contentEncoding }),
  }
}
