import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { callerFor, callerOf, mayCall, reachOf } from '../http/access.ts'
import { askedAt } from '../http/asked-at.ts'
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
import { parseUuid, type Uuid } from '../platform/id.ts'
import { SourceCreate, SourcePatch, SourceRefusal, SourceSecretRotation, sourceLimits } from './schema.ts'
import type { Sources } from './sources.ts'

const tags = ['Sources']
const pageSize = 50
/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands
const idMax = 2_147_483_647

const idParameter = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: idMax, description: 'The id of a source' }),
})
const one = (description: string) => Type.Ref('Source', { description })

/** The routes that manage sources, and show what they refused. */
export function registerManagedSources(scope: FastifyInstance, sources: Sources): void {
  registerCollection(scope, sources)
  registerOne(scope, sources)
  registerRotation(scope, sources)
  registerRefusals(scope, sources)
}

function registerCollection(scope: FastifyInstance, sources: Sources): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/sources',
    {
      schema: {
        operationId: 'createSource',
        summary: 'Make an address that a provider sends to',
        description:
          'Its `url` is to be given to the provider. What comes there is verified as `preset` says, with one of `secrets`, and published to the subscriptions of ' +
          'the tenant that want it, byte for byte. What the provider sends again is answered as the first time, and published once. ' +
          'What cannot be verified is kept at `GET /sources/{id}/refusals`, and never delivered.',
        tags,
        body: SourceCreate,
        response: {
          201: {
            description: 'Created',
            headers: { Location: { type: 'string', description: 'Its path' } },
            content: { 'application/json': { schema: Type.Ref('Source') } },
          },
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const caller = callerFor(request, request.body.tenant)
      const made = await sources.create(caller, request.body, askedAt(request))
      return reply.code(201).header('location', `/sources/${made.id}`).send(sources.view(made, true))
    },
  )
  app.get(
    '/sources',
    {
      schema: {
        operationId: 'listSources',
        summary: 'List sources, newest first',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Type.Ref('Source')) } },
          },
          ...problems(400, 401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('sources', cursor, parseIdCursor) ?? idMax
      const rows = await sources.list(reachOf(request, tenant), { before, limit: limit + 1 })
      const views = rows.map(row => sources.view(row, maySeeUrl(request)))
      return sendPage(request, reply, views, limit, row => encodeCursor('sources', row.id))
    },
  )
}

function registerOne(scope: FastifyInstance, sources: Sources): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/sources/:id',
    {
      schema: {
        operationId: 'getSource',
        summary: 'Read one source',
        tags,
        params: idParameter,
        response: { 200: one('The source'), ...problems(401, 403, 404, 422) },
      },
    },
    async request => {
      const row = await sources.read(reachOf(request), idOf(request))
      return row === undefined ? unknown(request) : sources.view(row, maySeeUrl(request))
    },
  )
  app.patch(
    '/sources/:id',
    {
      schema: {
        operationId: 'patchSource',
        summary: 'Change a source',
        description:
          'What is left out stays as it is. The next request is taken so, in this process; in others within a quarter of a second.',
        tags,
        consumes: ['application/json', 'application/merge-patch+json'],
        params: idParameter,
        body: SourcePatch,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 409, 413, 415, 422) },
      },
    },
    async request => {
      const row = await sources.patch(callerOf(request), idOf(request), request.body)
      return row === undefined ? unknown(request) : sources.view(row, true)
    },
  )
  app.delete(
    '/sources/:id',
    {
      schema: {
        operationId: 'deleteSource',
        summary: 'Delete a source',
        description: 'What it refused goes with it. Events that it has published stay.',
        tags,
        params: idParameter,
        response: {
          204: { description: 'It is gone', type: 'null' },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      if (!(await sources.remove(callerOf(request), idOf(request)))) unknown(request)
      return reply.code(204).send(null)
    },
  )
}

function registerRotation(scope: FastifyInstance, sources: Sources): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/sources/:id/rotate-secret',
    {
      schema: {
        operationId: 'rotateSourceSecret',
        summary: 'Add a new secret, and let those before it end',
        description: `At most ${sourceLimits.secrets} are good at a time.`,
        tags,
        params: idParameter,
        body: SourceSecretRotation,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 409, 413, 415, 422) },
      },
    },
    async request => {
      const row = await sources.rotateSecret(callerOf(request), idOf(request), request.body)
      return row === undefined ? unknown(request) : sources.view(row, true)
    },
  )
}

function registerRefusals(scope: FastifyInstance, sources: Sources): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/sources/:id/refusals',
    {
      schema: {
        operationId: 'listSourceRefusals',
        summary: 'What a source refused, newest first',
        description:
          `The last ${sourceLimits.refusals} requests, as many of them as fit into ${sourceLimits.keptBytes / 1_048_576} MiB, each with its \`reason\`. ` +
          'They are here a second or two after they came.',
        tags,
        params: idParameter,
        querystring: Type.Object(pageQuery(pageSize), { additionalProperties: false }),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(SourceRefusal) } },
          },
          ...problems(400, 401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor } = request.query
      const before = decodeCursor('refusals', cursor, parseUuid) ?? lastId
      const rows = await sources.refusals(reachOf(request), idOf(request), { before, limit: limit + 1 })
      if (rows === undefined) return unknown(request)
      return sendPage(request, reply, rows, limit, row => encodeCursor('refusals', row.id as Uuid)) // of a row
    },
  )
}

/** Who knows the address of a source without a signature may send: that is not for who may only read. */
function maySeeUrl(request: FastifyRequest): boolean {
  return mayCall(callerOf(request), 'write')
}

interface OneRequest {
  readonly params: { readonly id: number }
}

/** Parameters are not validated by their schema, see `validatorCompiler`. @throws AppError validation_failed */
function idOf(request: OneRequest): number {
  const text = String(request.params.id)
  if (!/^[0-9]{1,20}$/.test(text))
    throw validationFailed([{ pointer: 'id', detail: 'The id of a source is a whole number, such as 1.' }])
  return Math.min(Number(text), idMax)
}

function unknown(request: OneRequest): never {
  throw new AppError('not_found', `There is no source ${request.params.id}.`)
}
