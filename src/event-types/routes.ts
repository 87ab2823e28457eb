import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { callerFor } from '../http/access.ts'
import {
  decodeCursor,
  encodeCursor,
  pageHeaders,
  pageQuery,
  parseIdCursor,
  sendPage,
} from '../http/paging.ts'
import { tenantParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { type EventTypes, eventTypeAnswer } from './event-types.ts'
import {
  EventType,
  EventTypeDocument,
  EventTypeImport,
  EventTypeInput,
  eventTypeName,
  nameFault,
} from './schema.ts'

const tags = ['Event types']
const pageSize = 50

const nameParameter = Type.Object({ name: eventTypeName })
const tenantQuery = {
  tenant: Type.Optional(
    Type.Unsafe<string>({
      ...tenantParameter,
      description:
        'Whose catalogue; a key of one tenant needs none. Without it an operator means that of the installation, which ' +
        'holds for all tenants',
    }),
  ),
}
const onlyTenant = Type.Object(tenantQuery, { additionalProperties: false })

const one = (description: string) => ({
  description,
  content: { 'application/json': { schema: EventType } },
})

/** The routes of the catalogue of event types. */
export function registerEventTypes(scope: FastifyInstance, eventTypes: EventTypes): void {
  registerCatalogue(scope, eventTypes)
  registerDocument(scope, eventTypes)
  registerOne(scope, eventTypes)
}

function registerCatalogue(scope: FastifyInstance, eventTypes: EventTypes): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/event-types',
    {
      schema: {
        operationId: 'listEventTypes',
        summary: 'List the event types, newest first',
        description:
          'For a tenant: its own, and those of the installation that it has none of its own for. Events of types that are ' +
          'not listed are accepted as well.',
        tags,
        querystring: Type.Object({ ...pageQuery(pageSize), ...tenantQuery }, { additionalProperties: false }),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(EventType) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const { reach } = callerFor(request, tenant)
      const before = decodeCursor('event-types', cursor, parseIdCursor) ?? idMax
      const rows = await eventTypes.list(reach.tenant, { limit: limit + 1, before })
      const page = sendPage(request, reply, rows, limit, row => encodeCursor('event-types', row.id))
      return page.map(eventTypeAnswer)
    },
  )
}

function registerDocument(scope: FastifyInstance, eventTypes: EventTypes): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/event-types/openapi.json',
    {
      schema: {
        operationId: 'exportEventTypes',
        summary: 'The event types as an OpenAPI 3.1 document',
        description:
          'Each is an entry of `webhooks`; whether it is checked is its `x-validate`. What this answers can be imported.',
        tags,
        querystring: onlyTenant,
        response: {
          200: {
            description: 'The document',
            content: { 'application/json': { schema: EventTypeDocument } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async request => {
      const { reach } = callerFor(request, request.query.tenant)
      return await eventTypes.document(reach.tenant)
    },
  )
  app.post(
    '/event-types/import',
    {
      schema: {
        operationId: 'importEventTypes',
        summary: 'Make event types from an OpenAPI document',
        description:
          'Each entry of `webhooks` makes or replaces the type of its name, all in one transaction. Types that cannot be ' +
          'used are left out, and the answer says why; types that the document does not name stay. Without `x-validate` ' +
          'an entry leaves it as it was, and a new type is not checked.',
        tags,
        querystring: onlyTenant,
        body: EventTypeDocument,
        response: {
          200: {
            description: 'What was done',
            content: { 'application/json': { schema: EventTypeImport } },
          },
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    request => eventTypes.import(callerFor(request, request.query.tenant), request.body),
  )
}

function registerOne(scope: FastifyInstance, eventTypes: EventTypes): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  const path = '/event-types/:name'
  const common = { tags, params: nameParameter, querystring: onlyTenant }
  app.get(
    path,
    {
      schema: {
        ...common,
        operationId: 'getEventType',
        summary: 'Read one event type',
        description: 'For a tenant: its own, else that of the installation.',
        response: { 200: one('The event type'), ...problems(401, 403, 404, 422) },
      },
    },
    async request => {
      const name = parseName(request.params.name)
      const { reach } = callerFor(request, request.query.tenant)
      return (await eventTypes.read(reach.tenant, name)) ?? unknown(name)
    },
  )
  app.put(
    path,
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        ...common,
        operationId: 'putEventType',
        summary: 'Make or replace an event type',
        description:
          'What is left out goes back to its default. From the answer on this process checks by it, and all others within ' +
          'a second.',
        body: EventTypeInput,
        response: {
          200: one('Replaced'),
          201: one('Made'),
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const name = parseName(request.params.name)
      const caller = callerFor(request, request.query.tenant)
      const { type, isNew } = await eventTypes.put(caller, name, request.body)
      reply.code(isNew ? 201 : 200)
      return type
    },
  )
  app.delete(
    path,
    {
      schema: {
        ...common,
        operationId: 'deleteEventType',
        summary: 'Delete an event type',
        description: 'A tenant deletes its own; one of the installation then holds for it again.',
        response: {
          204: { description: 'Deleted', type: 'null' },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const name = parseName(request.params.name)
      const removed = await eventTypes.remove(callerFor(request, request.query.tenant), name)
      if (!removed) unknown(name)
      return reply.code(204).send(null)
    },
  )
}

/** @throws AppError validation_failed */
function parseName(name: string): string {
  const detail = nameFault(name)
  if (detail !== undefined) throw validationFailed([{ pointer: 'name', detail }])
  return name
}

function unknown(name: string): never {
  throw new AppError('not_found', `There is no event type ${name}.`)
}

const idMax = 2 ** 31 - 1
