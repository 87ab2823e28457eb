import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { reachOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, linkNextPage, pageHeaders, pageQuery } from '../http/paging.ts'
import {
  parseAttemptId,
  parseWebhookId,
  subscriptionIdParameter,
  tenantParameter,
  unknownEvent,
  unknownSubscription,
} from '../http/parameters.ts'
import { Problem, problemMediaType, problems } from '../http/problem.ts'
import { type AttemptStatus, attemptStatuses } from '../model/outcome.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { readAttemptDetails } from './attempt.ts'
import { FilterTest, FilterTestResult, testFilter } from './filter-test.ts'
import { type LogReader, parseLogCursor, readLogPage, readStatus } from './monitor.ts'
import { registerOrderingKeys } from './ordering-keys-routes.ts'
import { Attempt, AttemptDetails, EventStatus, Health } from './schema.ts'
import { readSystem } from './system.ts'
import { SystemReport } from './system-schema.ts'
import type { OwnSystem } from './troubles.ts'

export interface MonitorDeps extends LogReader {
  readonly subscriptions: Subscriptions
}

const tags = ['Monitoring']
const pageSize = 20

/** The routes that show what happened: status of an event, log of a subscription, one attempt. */
export function registerMonitor(scope: FastifyInstance, deps: MonitorDeps): void {
  registerStatus(scope, deps)
  registerLogs(scope, deps)
  registerAttempts(scope, deps)
  registerFilterTest(scope, deps)
  registerOrderingKeys(scope, deps)
}

function registerStatus(scope: FastifyInstance, deps: MonitorDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/status/:webhook_id',
    {
      schema: {
        operationId: 'getStatus',
        summary: 'The state of every delivery of an event',
        description: 'With its newest 1,000 attempts, and the time of the next one.',
        tags,
        params: Type.Object({
          webhook_id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
        }),
        response: {
          200: {
            description: 'The state now',
            content: { 'application/json': { schema: EventStatus } },
          },
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async request => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const status = await readStatus(deps, reachOf(request), webhookId)
      if (status !== undefined) return status
      throw unknownEvent(webhookId)
    },
  )
}

function registerLogs(scope: FastifyInstance, deps: MonitorDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/logs/:subscription_id',
    {
      schema: {
        operationId: 'listLogs',
        summary: 'Recent attempts of a subscription, newest first',
        description:
          'Also of a deleted one, until retention removes them. A request looks at a bounded number of attempts, so with `status` a page can be shorter than its limit, or empty, though there are more: go on while there is an `X-Next-Cursor`.',
        tags,
        params: Type.Object({ subscription_id: subscriptionIdParameter }),
        querystring: Type.Object(
          {
            ...pageQuery(pageSize),
            tenant: Type.Optional(tenantParameter),
            status: Type.Optional(
              Type.Unsafe<AttemptStatus>({
                type: 'string',
                enum: [...attemptStatuses],
                description: 'Only these',
              }),
            ),
            webhook_id: Type.Optional(
              Type.String({ format: 'uuid', description: 'Only attempts for this event' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Attempt) } },
          },
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, status, webhook_id: webhook, tenant } = request.query
      const reach = reachOf(request, tenant)
      const named = request.params.subscription_id
      const subscriptionId = await deps.subscriptions.idIn(reach, named, 'subscription_id')
      const webhookId = webhook === undefined ? undefined : parseWebhookId(webhook)
      const before = decodeCursor('logs', cursor, parseLogCursor)
      const page = await readLogPage(deps, reach, { subscriptionId, limit, before, status, webhookId })
      if (page === undefined && !(await deps.subscriptions.exists(reach, subscriptionId))) {
        throw unknownSubscription(named)
      }
      if (page?.next) linkNextPage(request, reply, limit, encodeCursor('logs', page.next))
      return [...(page?.attempts ?? [])]
    },
  )
}

function registerAttempts(scope: FastifyInstance, deps: MonitorDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/attempts/:id',
    {
      schema: {
        operationId: 'getAttempt',
        summary: 'One attempt: what was sent, what came back, and how long it took',
        description:
          'Request, answer and timings are kept for failed attempts, or as CAPTURE_RESPONSES says, for as long as DETAILS_RETENTION_HOURS says.',
        tags,
        params: Type.Object({
          id: Type.String({ format: 'uuid', description: 'The `id` of a row of `/logs/{subscription_id}`' }),
        }),
        response: {
          200: {
            description: 'The attempt',
            content: { 'application/json': { schema: AttemptDetails } },
          },
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const id = parseAttemptId(request.params.id)
      const attempt = await readAttemptDetails(deps, reachOf(request), id)
      if (attempt === undefined) {
        throw new AppError(
          'not_found',
          `There is no attempt ${id}, or its retention is over and it was removed.`,
        )
      }
      // It holds text of a foreign server, which a browser must not show as a page.
      reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store')
      return attempt
    },
  )
}

function registerFilterTest(scope: FastifyInstance, deps: MonitorDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/filters/test',
    {
      schema: {
        operationId: 'testFilter',
        summary: 'Hold a filter against an event, and see why it matches or not',
        description: 'Nothing is kept and nothing is sent.',
        tags: ['Subscriptions'],
        body: FilterTest,
        response: {
          200: {
            description: 'Whether it matches, and each clause by itself',
            content: { 'application/json': { schema: FilterTestResult } },
          },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store')
      const { matches, why } = await testFilter(deps.database, reachOf(request), request.body)
      return { matches, why: [...why] }
    },
  )
}

/** Whether this process can take requests, and the result of each check. */
export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, string>>
}

/** The routes for load balancers and orchestrators, which need no key. */
export function registerHealth(scope: FastifyInstance, readiness: () => Promise<Readiness>): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  const health = (description: string) => ({
    description,
    content: { 'application/json': { schema: Health } },
  })
  const schema = (operationId: string, summary: string) => ({
    operationId,
    summary,
    tags: ['Health'],
    security: [],
    response: {
      ...problems(),
      200: health('Yes'),
      503: {
        ...health('No; the checks say why'),
        content: { ...health('').content, [problemMediaType]: { schema: Problem } },
      },
    },
  })
  app.get('/livez', { schema: schema('livez', 'Is this process alive?') }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok' as const }
  })
  for (const [path, operationId, summary] of [
    ['/readyz', 'readyz', 'Can this process take requests?'],
    ['/healthz', 'healthz', 'The same as /readyz'],
  ] as const) {
    app.get(path, { schema: schema(operationId, summary) }, async (_request, reply) => {
      const { ready, checks } = await readiness()
      reply.code(ready ? 200 : 503).header('cache-control', 'no-store')
      if (!ready) reply.header('retry-after', '1')
      return { status: ready ? ('ok' as const) : ('unavailable' as const), checks: { ...checks } }
    })
  }
}

/** `GET /system`, for operators. Every process answers it, whatever its role, and all answer the same but without a database. */
export function registerSystem(scope: FastifyInstance, db: Queryable, own: OwnSystem): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/system',
    {
      schema: {
        operationId: 'getSystem',
        summary: 'The processes of this installation, their backlog, and what troubles them',
        description:
          'Read from PostgreSQL, so any process shows all of them. Cheap enough to be asked every few seconds. While PostgreSQL cannot be asked it answers all the same, with what this one process knows.',
        tags: ['Monitoring'],
        response: {
          200: { description: 'As it is now', content: { 'application/json': { schema: SystemReport } } },
          ...problems(401, 403, 422),
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return await readSystem(db, own)
    },
  )
}
