import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { callerOf, reachOf } from '../http/access.ts'
import {
  decodeCursor,
  encodeCursor,
  pageHeaders,
  pageQuery,
  parseIdCursor,
  sendPage,
} from '../http/paging.ts'
import { problems } from '../http/problem.ts'
import { Tenant, type TenantAnswer, TenantCreate, TenantPatch, tenantIdPattern } from './schema.ts'
import { listedAnswer, type Tenants } from './tenants.ts'

/** The schemas that the OpenAPI document names. */
export const tenantSchemas = [Tenant, TenantCreate, TenantPatch]

const tags = ['Tenants']
const pageSize = 50
const idParameter = Type.Object({
  id: Type.String({ pattern: tenantIdPattern, description: 'The id of a tenant', examples: ['acme'] }),
})
const one = (description: string) => ({ description, content: { 'application/json': { schema: Tenant } } })

/** The routes that manage tenants. */
export function registerTenants(scope: FastifyInstance, tenants: Tenants): void {
  registerCollection(scope, tenants)
  registerOne(scope, tenants)
}

function registerCollection(scope: FastifyInstance, tenants: Tenants): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/tenants',
    {
      schema: {
        operationId: 'createTenant',
        summary: 'Create a tenant',
        tags,
        body: TenantCreate,
        response: {
          201: { ...one('Created'), headers: { Location: { type: 'string', description: 'Its path' } } },
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const made = await tenants.create(callerOf(request), request.body)
      return reply.code(201).header('location', `/tenants/${made.id}`).send(made)
    },
  )
  app.get(
    '/tenants',
    {
      schema: {
        operationId: 'listTenants',
        summary: 'List tenants, newest first',
        description: 'A key of one tenant sees that one only.',
        tags,
        querystring: Type.Object(
          {
            ...pageQuery(pageSize),
            q: Type.Optional(
              Type.String({
                minLength: 1,
                maxLength: 100,
                description: 'Only those with this text in their id or name, whatever its case',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Tenant) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, q } = request.query
      const before = decodeCursor('tenants', cursor, parseIdCursor)
      const rows = await tenants.list(reachOf(request), { limit: limit + 1, before, q })
      const page = sendPage(request, reply, rows, limit, row => encodeCursor('tenants', row.serial))
      return page.map(listedAnswer)
    },
  )
}

function registerOne(scope: FastifyInstance, tenants: Tenants): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/tenants/:id',
    {
      schema: {
        operationId: 'getTenant',
        summary: 'Read one tenant',
        tags,
        params: idParameter,
        response: { 200: one('The tenant'), ...problems(401, 403, 404, 422) },
      },
    },
    async request => {
      const id = parseTenantId(request.params.id)
      return found(id, await tenants.read(reachOf(request), id))
    },
  )
  app.patch(
    '/tenants/:id',
    {
      schema: {
        operationId: 'patchTenant',
        summary: 'Change the name, the metadata, the retention or the look of a tenant',
        description:
          'A JSON merge patch: what is left out stays, null takes a field back to its default. The id never changes.',
        tags,
        consumes: ['application/json', 'application/merge-patch+json'],
        params: idParameter,
        body: TenantPatch,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 413, 415, 422) },
      },
    },
    async request => {
      const id = parseTenantId(request.params.id)
      return found(id, await tenants.patch(callerOf(request), id, request.body))
    },
  )
  app.delete(
    '/tenants/:id',
    {
      schema: {
        operationId: 'deleteTenant',
        summary: 'Delete a tenant, with all that it has',
        description:
          'From the answer on its keys and portal tokens are refused, and no event is accepted for it. Its subscriptions end, and ' +
          'what they are owed is cancelled, which the log says of each delivery; of very many this takes minutes. Events and log ' +
          'stay until retention, for operators only; until then the id cannot be given to another tenant. `default` and `system` stay.',
        tags,
        params: idParameter,
        response: {
          204: { description: 'Deleted', type: 'null' },
          ...problems(401, 403, 404, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const id = parseTenantId(request.params.id)
      if (!(await tenants.remove(callerOf(request), id))) throw unknownTenant(id)
      return reply.code(204).send(null)
    },
  )
}

function found(id: string, tenant: TenantAnswer | undefined): TenantAnswer {
  if (tenant === undefined) throw unknownTenant(id)
  return tenant
}

/** What can be the id of no tenant is that of none. @throws AppError not_found */
function parseTenantId(text: string): string {
  if (!new RegExp(tenantIdPattern).test(text)) throw unknownTenant(text)
  return text
}

function unknownTenant(id: string): AppError {
  return new AppError('not_found', `There is no tenant ${id}.`)
}
