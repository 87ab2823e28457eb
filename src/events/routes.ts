import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { reachOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, linkNext, pageHeaders, pageQuery } from '../http/paging.ts'
import {
  parseSubscriptionId,
  parseTime,
  subscriptionIdParameter,
  tenantParameter,
  timeParameter,
} from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { parseUuid } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import { EventSummary, eventState } from './schema.ts'
import { type EventQuery, EventSearch, searchBounds } from './search.ts'

export interface EventsDeps {
  readonly database: Database
}

const tags = ['Events']
const pageSize = 50

/** The routes that show events: which there are, what became of one and why, and its payload. */
export function registerEvents(scope: FastifyInstance, deps: EventsDeps): void {
  registerSearch(scope, deps)
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
      Type.Unsafe<number>({ ...subscriptionIdParameter, description: 'Only events that went to it' }),
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

function registerSearch(scope: FastifyInstance, { database }: EventsDeps): void {
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
          'Found at once, however many events there are: the newest of a tenant, those of a time, `q` with a `webhook_id`, and those that are `pending`, `failed` or `cancelled`.',
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
      const query = readQuery(request.query)
      const { events, next } = await search.page(reachOf(request, tenant), query, limit, before)
      if (next !== undefined) linkNext(request, reply, limit, encodeCursor('events', next))
      return [...events]
    },
  )
}

/** @throws AppError validation_failed */
function readQuery(given: Static<typeof SearchParameters>): EventQuery {
  const { q, since, until, subscription_id: subscriptionId } = given
  const id = q === undefined ? undefined : parseUuid(q)
  return {
    eventType: given.event_type,
    status: given.status,
    subscriptionId:
      subscriptionId === undefined
        ? undefined
        : parseSubscriptionId(String(subscriptionId), 'subscription_id'),
    channel: given.channel,
    eventId: given.event_id,
    idempotencyKey: given.idempotency_key,
    since: since === undefined ? undefined : parseTime(since, 'since'),
    until: until === undefined ? undefined : parseTime(until, 'until'),
    ...(id === undefined ? { eventTypePrefix: q } : { ids: [id] }),
  }
}
