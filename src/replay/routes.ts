import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { callerFor, callerOf, reachOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, linkNextPage, pageHeaders, pageQuery, sendPage } from '../http/paging.ts'
import {
  parseReplayId,
  parseWebhookId,
  subscriptionIdParameter,
  tenantParameter,
  timeParameter,
  unknownSubscription,
} from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { cursorOf, listDeliveries, parseCursor } from './deliveries.ts'
import type { DeliveryRow } from './deliveries-store.ts'
import { deliveryFilters, isNarrow, nothingChosen, queryOf } from './delivery-filters.ts'
import { registerDiscard } from './discard-routes.ts'
import type { Replays } from './replays.ts'
import { Delivery, type DeliveryAnswer, EventReplay, EventTryNow, Replay, ReplayCreate } from './schema.ts'

export interface ReplayRoutesDeps {
  readonly replays: Replays
  readonly subscriptions: Subscriptions
  readonly database: Database
}

/** The schemas that the OpenAPI document names. */
export const replaySchemas = [ReplayCreate, Replay, EventReplay, EventTryNow, Delivery]

const tags = ['Replay']
const pageSize = 50
/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

/** The routes that send again, and those that show and end what is owed. */
export function registerReplay(scope: FastifyInstance, deps: ReplayRoutesDeps): void {
  registerEventReplay(scope, deps)
  registerTryNow(scope, deps)
  registerMaking(scope, deps)
  registerProgress(scope, deps)
  registerRecover(scope, deps)
  registerDeliveries(scope, deps)
  registerDiscard(scope, deps)
}

function registerEventReplay(scope: FastifyInstance, { replays }: ReplayRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/events/:webhook_id/replay',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'replayEvent',
        summary: 'Send an event again',
        description:
          'To all subscriptions that it was for, or to some of them: with the same `webhook-id`, a new timestamp and signature, to the present target. ' +
          'What is still owed is left alone, and not counted. The attempts say `trigger: manual`.',
        tags,
        params: Type.Object({
          webhook_id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
        }),
        body: EventReplay,
        response: {
          202: Type.Object(
            { deliveries: Type.Integer({ minimum: 0 }) },
            { description: 'How many deliveries are owed now that were not' },
          ),
          ...problems(401, 403, 404, 410, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const ids = request.body?.subscription_ids
      const deliveries = await replays.replayEvent(callerOf(request), webhookId, ids)
      return reply.code(202).send({ deliveries })
    },
  )
}

function registerTryNow(scope: FastifyInstance, { replays }: ReplayRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/events/:webhook_id/try-now',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'tryEventNow',
        summary: 'Try at once what waits for its retry',
        description:
          'The next attempt is made now instead of at its time, and says `trigger: manual`. It is one of those that the retry policy allows: if it fails, the next one waits as usual. ' +
          'Where a subscription is paused or disabled, its circuit is open, its receiver wants nothing for a while, or the delivery waits behind another one of its order, it is refused, and the sentence says what to do. ' +
          'What has ended is sent again with `replay`.',
        tags,
        params: Type.Object({
          webhook_id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
        }),
        body: EventTryNow,
        response: {
          202: Type.Object(
            { deliveries: Type.Integer({ minimum: 0 }) },
            {
              description:
                'How many are tried now that would have waited; what is due already or being sent is not counted',
            },
          ),
          ...problems(401, 403, 404, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const ids = request.body?.subscription_ids
      const deliveries = await replays.tryNow(callerOf(request), webhookId, ids)
      return reply.code(202).send({ deliveries })
    },
  )
}

function registerMaking(scope: FastifyInstance, { replays }: ReplayRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/replays',
    {
      schema: {
        operationId: 'createReplay',
        summary: 'Send many deliveries again',
        description:
          'In the background, a few hundred at a time, so that fresh events and retries do not wait for them. With `dry_run` it only counts. ' +
          'An empty filter, which would be all dead letters there are, is taken for a dry run only: say `state`. ' +
          'It is of events that were accepted before now and that retention has not taken.',
        tags,
        body: ReplayCreate,
        response: {
          200: Type.Object(
            { count: Type.Integer({ minimum: 0 }) },
            { description: 'What matches now; nothing was made' },
          ),
          202: Type.Ref('Replay', { description: 'Begun' }),
          ...problems(401, 403, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const { filter, rate_per_second: rate, dry_run: isDryRun = false } = request.body
      const caller = callerFor(request, filter.tenant)
      if (!isDryRun && !isNarrow(filter)) throw nothingChosen('/filter', 'Name at least one field')
      if (isDryRun) return reply.code(200).send({ count: await replays.count(caller, filter) })
      const made = await replays.create(caller, filter, rate)
      return reply.code(202).header('location', `/replays/${made.id}`).send(made)
    },
  )
}

function registerProgress(scope: FastifyInstance, { replays }: ReplayRoutesDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  const params = Type.Object({ id: Type.String({ format: 'uuid', description: 'The id of a replay' }) })
  app.get(
    '/replays',
    {
      schema: {
        operationId: 'listReplays',
        summary: 'List replays, newest first',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Replay) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('replays', cursor, parseUuid) ?? lastId
      const rows = await replays.list(reachOf(request, tenant), before, limit + 1)
      return sendPage(request, reply, rows, limit, row => encodeCursor('replays', row.id))
    },
  )
  app.get(
    '/replays/:id',
    {
      schema: {
        operationId: 'getReplay',
        summary: 'How far a replay has come',
        tags,
        params,
        response: {
          200: Type.Ref('Replay', { description: 'As it is now' }),
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async request => {
      const id = parseReplayId(request.params.id)
      return (await replays.read(reachOf(request), id)) ?? unknownReplay(id)
    },
  )
  app.post(
    '/replays/:id/cancel',
    {
      schema: {
        operationId: 'cancelReplay',
        summary: 'End a replay',
        description:
          'Nothing more is queued. What is queued already is delivered all the same, and no longer counted. One that has ended stays as it is.',
        tags,
        params,
        response: {
          200: Type.Ref('Replay', { description: 'As it is now' }),
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async request => {
      const id = parseReplayId(request.params.id)
      return (await replays.cancel(callerOf(request), id)) ?? unknownReplay(id)
    },
  )
}

function registerRecover(scope: FastifyInstance, { replays, subscriptions }: ReplayRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/subscriptions/:id/recover',
    {
      schema: {
        operationId: 'recoverSubscription',
        summary: 'Send again what has failed since a moment',
        description:
          'A replay of the dead letters of one subscription, of events that were accepted since then.',
        tags,
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: Type.Object({ tenant: Type.Optional(tenantParameter) }, { additionalProperties: false }),
        body: Type.Object(
          { since: timeParameter('Of the acceptance of their events') },
          { additionalProperties: false, examples: [{ since: '2026-01-01T00:00:00Z' }] },
        ),
        response: {
          202: Type.Ref('Replay', { description: 'Begun' }),
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const caller = callerFor(request, request.query.tenant)
      const id = await subscriptions.idIn(caller.reach, request.params.id)
      if (!(await subscriptions.exists(caller.reach, id))) throw unknownSubscription(request.params.id)
      const filter = { subscription_id: id, state: 'failed', since: request.body.since } as const
      const made = await replays.create(caller, filter, undefined, '/since')
      return reply.code(202).header('location', `/replays/${made.id}`).send(made)
    },
  )
}

function registerDeliveries(scope: FastifyInstance, { database, subscriptions }: ReplayRoutesDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/deliveries',
    {
      schema: {
        operationId: 'listDeliveries',
        summary: 'What is owed, and dead letters',
        description:
          'Those of the newest events first. A request looks at a bounded number of deliveries, so with filters a page can be shorter than its limit, or empty, though there are more: go on while there is an `X-Next-Cursor`.',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), ...deliveryFilters },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Delivery) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant, ...filters } = request.query
      const after = decodeCursor('deliveries', cursor, parseCursor)
      const reach = reachOf(request, tenant)
      const query = await queryOf(filters, reach, subscriptions)
      const { rows, next } = await listDeliveries(database, reach, query, limit, after)
      if (next) linkNextPage(request, reply, limit, encodeCursor('deliveries', cursorOf(next)))
      return rows.map(deliveryAnswer)
    },
  )
}

function deliveryAnswer(row: DeliveryRow): DeliveryAnswer {
  return {
    webhook_id: row.webhook_id,
    subscription_id: row.subscription_id,
    uid: row.uid,
    tenant: row.tenant,
    state: row.state,
    attempts: row.attempt ?? 0,
    trigger: row.trigger,
    last_attempt_at: row.last_attempt_at?.toISOString() ?? null,
    next_attempt_at: row.due_at?.toISOString() ?? null,
    ordering_key: row.ordering_key,
    http_status: row.http_status,
    error: row.error,
    error_class: row.error_class,
  }
}

function unknownReplay(id: string): never {
  throw new AppError('not_found', `There is no replay ${id}.`)
}
