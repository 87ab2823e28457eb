import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { validationFailed } from '../errors.ts'
import { reachOf } from '../http/access.ts'
import { subscriptionIdParameter, tenantParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { sentenceKey } from '../http/validation.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { timeZoneParameter, windowParameter } from './schema.ts'
import type { Stats } from './stats.ts'

export interface StatsRoutesDeps {
  readonly stats: Stats
  readonly subscriptions: Subscriptions
}

const tags = ['Monitoring']
const windowUnlessGiven = '24h'

/** How many subscriptions a list of figures may ask for by id; and how many of those that fail most, unless it says so. */
const idsMax = 100
const failingMax = 50
const failingUnlessGiven = 5

/** What subscriptions may have most of. */
const mosts = ['failed', 'retrying'] as const
type Most = (typeof mosts)[number]

/** The routes of figures: of one subscription, of all, of several. */
export function registerStats(scope: FastifyInstance, deps: StatsRoutesDeps): void {
  registerOfSubscription(scope, deps)
  registerOfAll(scope, deps)
  registerOfSeveral(scope, deps)
}

const windowQuery = Type.Object(
  { window: windowParameter, time_zone: timeZoneParameter, tenant: Type.Optional(tenantParameter) },
  { additionalProperties: false },
)

function registerOfSubscription(scope: FastifyInstance, { stats, subscriptions }: StatsRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/subscriptions/:id/stats',
    {
      schema: {
        operationId: 'getSubscriptionStats',
        summary: 'How deliveries to a subscription go: counts, latency and what waits',
        description:
          'Over a window that ends now, and in parts of it. Attempts are counted, replays included and tests left out. The answer comes from roll-ups, so its cost does not depend on how long the log is.',
        tags,
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: windowQuery,
        response: {
          200: Type.Ref('SubscriptionStats', { description: 'As it is now' }),
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const { window = windowUnlessGiven, time_zone: zone, tenant } = request.query
      const reach = reachOf(request, tenant)
      const id = await subscriptions.idIn(reach, request.params.id)
      if (!(await subscriptions.exists(reach, id))) throw unknownSubscription(request.params.id)
      reply.header('cache-control', 'no-store')
      return stats.ofSubscription(id, window, zone)
    },
  )
}

function registerOfAll(scope: FastifyInstance, { stats }: StatsRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/stats',
    {
      schema: {
        operationId: 'getStats',
        summary: 'How all deliveries go: counts, latency and what waits',
        description:
          'Of all tenants for an operator, else of the tenant of the key; `tenant` asks for one. Otherwise as `/subscriptions/{id}/stats`.',
        tags,
        querystring: windowQuery,
        response: {
          200: Type.Ref('Stats', { description: 'As it is now' }),
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { window = windowUnlessGiven, time_zone: zone, tenant } = request.query
      reply.header('cache-control', 'no-store')
      return stats.ofAll(reachOf(request, tenant), window, zone)
    },
  )
}

function registerOfSeveral(scope: FastifyInstance, { stats }: StatsRoutesDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/stats/subscriptions',
    {
      schema: {
        operationId: 'listSubscriptionStats',
        summary: 'The figures of several subscriptions: those of a page, or those that fail most',
        description:
          'With `ids`, of these, in their order; those that there are not, or that the key is not for, are left out. Without, of those with most failed attempts in the window, or with most deliveries that are retried now (`most`).',
        tags,
        querystring: Type.Object(
          {
            window: windowParameter,
            tenant: Type.Optional(tenantParameter),
            ids: Type.Optional(
              Type.String({
                pattern: `^[0-9]{1,10}(,[0-9]{1,10}){0,${idsMax - 1}}$`,
                description: `Ids of subscriptions with commas between, at most ${idsMax}`,
                examples: ['1,2'],
                [sentenceKey]: `Give ids of subscriptions with commas between, at most ${idsMax}, such as 1,2,3.`,
              }),
            ),
            most: Type.Optional(
              Type.Unsafe<Most>({
                type: 'string',
                enum: [...mosts],
                default: 'failed',
                description:
                  'Without `ids`: those with most of what. `failed`: attempts of the window; `retrying`: deliveries that have failed and wait for their next attempt now, paused subscriptions left out',
              }),
            ),
            limit: Type.Optional(
              Type.Integer({
                minimum: 1,
                maximum: failingMax,
                default: failingUnlessGiven,
                description: 'Without `ids`: at most this many',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'As it is now',
            content: { 'application/json': { schema: Type.Array(Type.Ref('SubscriptionFigures')) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { window = windowUnlessGiven, tenant, ids, limit, most } = request.query
      const reach = reachOf(request, tenant)
      reply.header('cache-control', 'no-store')
      if (ids === undefined) {
        const count = limit ?? failingUnlessGiven
        if (most === 'retrying') return [...(await stats.ofRetrying(reach, count, window))]
        return [...(await stats.ofFailing(reach, count, window))]
      }
      if (limit !== undefined) {
        throw validationFailed([{ pointer: 'limit', detail: 'Give ids or a limit, not both.' }])
      }
      if (most !== undefined) {
        throw validationFailed([{ pointer: 'most', detail: 'Give ids or most, not both.' }])
      }
      return [...(await stats.ofSubscriptions(reach, ids.split(',').map(Number), window))]
    },
  )
}
