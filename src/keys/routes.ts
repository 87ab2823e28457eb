import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import { callerFor, callerOf, reachOf } from '../http/access.ts'
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
import type { ManagedKeys } from './managed-keys.ts'
import type { PortalTokens } from './portal-tokens.ts'
import { Key, KeyCreate, Me, NewKey, PortalToken, PortalTokenCreate } from './schema.ts'

/** The schemas that the OpenAPI document names. */
export const keySchemas = [Key, NewKey, KeyCreate, PortalToken, PortalTokenCreate, Me]

export interface KeysDeps {
  readonly keys: ManagedKeys
  readonly portalTokens: PortalTokens
}

const tags = ['Keys']
const pageSize = 50
const idMax = 2 ** 31 - 1

const idParameter = (of: string) =>
  Type.Object({
    id: Type.Unsafe<string>({
      type: 'integer',
      minimum: 1,
      maximum: idMax,
      description: `The id of ${of}`,
      examples: [1],
    }),
  })

/** The routes that manage API keys and portal tokens, and `GET /me`. */
export function registerKeys(scope: FastifyInstance, deps: KeysDeps): void {
  registerMe(scope, deps)
  registerCollection(scope, deps)
  registerOne(scope, deps)
  registerPortalTokens(scope, deps)
}

function registerMe(scope: FastifyInstance, { portalTokens }: KeysDeps): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/me',
    {
      schema: {
        operationId: 'getMe',
        summary: 'Who the caller is, and what they may do',
        tags,
        response: {
          200: { description: 'The caller', content: { 'application/json': { schema: Me } } },
          ...problems(401, 403, 422),
        },
      },
    },
    (request, reply) => {
      reply.header('cache-control', 'no-store')
      return portalTokens.describe(callerOf(request))
    },
  )
}

function registerCollection(scope: FastifyInstance, { keys }: KeysDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/keys',
    {
      schema: {
        operationId: 'createKey',
        summary: 'Create an API key',
        description:
          'The answer shows the key; no other answer ever does. Nobody can make a key that may do more than their own, or that is ' +
          'valid for longer.',
        tags,
        body: KeyCreate,
        response: {
          201: {
            description: 'Created',
            headers: { Location: { type: 'string', description: 'Its path' } },
            content: { 'application/json': { schema: NewKey } },
          },
          ...problems(401, 403, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const caller = callerFor(request, request.body.tenant ?? undefined)
      // The reach of an admin stays: whether the key may have a tenant depends on its scope.
      const maker = caller.scope === 'admin' ? callerOf(request) : caller
      const made = await keys.create(maker, request.body)
      return reply
        .code(201)
        .header('location', `/keys/${made.id}`)
        .header('cache-control', 'no-store')
        .send(made)
    },
  )
  app.get(
    '/keys',
    {
      schema: {
        operationId: 'listKeys',
        summary: 'List API keys, newest first',
        description: 'A key of one tenant sees the keys of that tenant.',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Key) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('keys', cursor, parseIdCursor)
      const rows = await keys.list(reachOf(request, tenant), { limit: limit + 1, before })
      return sendPage(request, reply, rows, limit, row => encodeCursor('keys', row.id))
    },
  )
}

function registerOne(scope: FastifyInstance, { keys }: KeysDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/keys/:id',
    {
      schema: {
        operationId: 'getKey',
        summary: 'Read one API key, without its secret text',
        tags,
        params: idParameter('a key'),
        response: {
          200: { description: 'The key', content: { 'application/json': { schema: Key } } },
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async request => {
      const id = parseId(request.params.id, 'key')
      const key = await keys.read(reachOf(request), id)
      if (key === undefined) throw unknown('key', id)
      return key
    },
  )
  app.delete(
    '/keys/:id',
    {
      schema: {
        operationId: 'revokeKey',
        summary: 'Revoke an API key',
        description:
          'It is refused at once by the process that answers, and by all others within a second. The last valid key with scope ' +
          '`admin` stays: make another one first.',
        tags,
        params: idParameter('a key'),
        response: {
          204: { description: 'Revoked', type: 'null' },
          ...problems(401, 403, 404, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const id = parseId(request.params.id, 'key')
      if (!(await keys.revoke(callerOf(request), id))) throw unknown('key', id)
      return reply.code(204).send(null)
    },
  )
}

function registerPortalTokens(scope: FastifyInstance, { portalTokens }: KeysDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/portal-tokens',
    {
      schema: {
        operationId: 'createPortalToken',
        summary: 'Let a customer into what a tenant has',
        description:
          'Send the customer to `url`. The token can do what a key of scope `tenant` can (or `read`), but manages no keys and ' +
          'tokens, and reveals no secrets. The answer shows it; no other answer ever does.',
        tags,
        body: PortalTokenCreate,
        response: {
          201: { description: 'Created', content: { 'application/json': { schema: PortalToken } } },
          ...problems(401, 403, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const caller = callerFor(request, request.body.tenant)
      const askedAt = `${request.protocol}://${request.host}`
      const made = await portalTokens.create(caller, request.body, askedAt)
      return reply.code(201).header('cache-control', 'no-store').send(made)
    },
  )
  app.delete(
    '/portal-tokens/:id',
    {
      schema: {
        operationId: 'revokePortalToken',
        summary: 'Revoke a portal token',
        tags,
        params: idParameter('a portal token'),
        response: {
          204: { description: 'Revoked', type: 'null' },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const id = parseId(request.params.id, 'portal token')
      if (!(await portalTokens.revoke(callerOf(request), id))) throw unknown('portal token', id)
      return reply.code(204).send(null)
    },
  )
}

/** @throws AppError not_found for what can be no id */
function parseId(text: string, what: string): number {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0
  if (id < 1 || id > idMax) throw unknown(what, text)
  return id
}

function unknown(what: string, id: number | string): AppError {
  return new AppError('not_found', `There is no ${what} ${id}.`)
}
