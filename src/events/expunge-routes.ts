import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { callerFor, reachOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, pageHeaders, pageQuery, sendPage } from '../http/paging.ts'
import { parseTime, tenantParameter, timeParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { Expunges } from './expunges.ts'
import { Expunge } from './schema.ts'

const tags = ['Events']
const pageSize = 50
/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

/** The routes that take out of events what they hold. */
export function registerExpunges(scope: FastifyInstance, expunges: Expunges): void {
  registerMaking(scope, expunges)
  registerProgress(scope, expunges)
}

function registerMaking(scope: FastifyInstance, expunges: Expunges): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/events/expunge',
    {
      schema: {
        operationId: 'expungeEvents',
        summary: 'Expunge the payloads of all events before a moment',
        description:
          'In the background: payloads, what attempts have kept besides their lines in the log, and what test receivers got of them. ' +
          'The events and their log stay; what is still owed ends as `cancelled`. It cannot be undone: count with `dry_run` first.',
        tags,
        body: Type.Object(
          {
            tenant: Type.Optional(tenantParameter),
            before: timeParameter('Events that were accepted before then'),
            dry_run: Type.Optional(Type.Boolean({ description: 'Only counts, and changes nothing' })),
          },
          {
            additionalProperties: false,
            examples: [{ tenant: 'default', before: '2026-01-01T00:00:00Z' }],
          },
        ),
        response: {
          200: Type.Object(
            { count: Type.Integer({ minimum: 0 }) },
            { description: 'How many events have a payload that would go; nothing was changed' },
          ),
          202: Type.Ref('Expunge', { description: 'Begun' }),
          ...problems(401, 403, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const { tenant, before: text, dry_run: isDryRun = false } = request.body
      const caller = callerFor(request, tenant)
      const before = parseTime(text, '/before')
      if (isDryRun) return reply.code(200).send({ count: await expunges.count(caller.reach, before) })
      const made = await expunges.create(caller, before)
      return reply.code(202).header('location', `/events/expunges/${made.id}`).send(made)
    },
  )
}

function registerProgress(scope: FastifyInstance, expunges: Expunges): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/events/expunges',
    {
      schema: {
        operationId: 'listExpunges',
        summary: 'List expungings of many events, newest first',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Expunge) } },
          },
          ...problems(400, 401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('expunges', cursor, parseUuid) ?? lastId
      const rows = await expunges.list(reachOf(request, tenant), before, limit + 1)
      return sendPage(request, reply, [...rows], limit, row => encodeCursor('expunges', row.id))
    },
  )
  app.get(
    '/events/expunges/:id',
    {
      schema: {
        operationId: 'getExpunge',
        summary: 'How far an expunging has come',
        tags,
        params: Type.Object({
          id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
        }),
        response: {
          200: Type.Ref('Expunge', { description: 'As it is now' }),
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async request => {
      const id = parseUuid(request.params.id)
      if (id === undefined)
        throw validationFailed([
          { pointer: 'id', detail: 'The id of an expunging is a UUID, as the 202 answer gave it.' },
        ])
      return (await expunges.read(reachOf(request), id)) ?? unknownExpunge(id)
    },
  )
}

function unknownExpunge(id: string): never {
  throw new AppError('not_found', `There is no expunging ${id}.`)
}
