import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { Type } from 'typebox'
import { AppError, validationFailed } from '../errors.ts'
import { callerFor, callerOf, reachOf } from '../http/access.ts'
import { askedAt } from '../http/asked-at.ts'
import { readRawBodies } from '../http/json-body.ts'
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
import type { BodyRules } from '../http/read-body.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { KnownReceiver } from './own-addresses.ts'
import { Receiving, type ReceivingDeps, unknownReceiver } from './receive.ts'
import {
  ReceivedRequest,
  receiverLimits,
  TestReceiver,
  TestReceiverCreate,
  TestReceiverPatch,
} from './schema.ts'
import type { TestReceivers } from './test-receivers.ts'

const tags = ['Testing']
const pageSize = 50
/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands
const idMax = 2_147_483_647

const idParameter = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: idMax, description: 'The id of a test receiver' }),
})

/** The routes that manage test receivers, and show what they got. */
export function registerTestReceivers(scope: FastifyInstance, receivers: TestReceivers): void {
  registerCollection(scope, receivers)
  registerOne(scope, receivers)
  registerRequests(scope, receivers)
}

function registerCollection(scope: FastifyInstance, receivers: TestReceivers): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/test-receivers',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'createTestReceiver',
        summary: 'Make a receiver to try deliveries with',
        description:
          'Its `url` is on this service, and takes requests without a key for a day. Give it to a subscription as `target_url`: it may be delivered to ' +
          'whatever the rules for addresses are, since it is this very receiver. It answers as `answer` says, keeps the last ' +
          `${receiverLimits.requests} requests, and verifies their signatures.`,
        tags,
        body: TestReceiverCreate,
        response: {
          201: {
            description: 'Created',
            headers: { Location: { type: 'string', description: 'Its path' } },
            content: { 'application/json': { schema: TestReceiver } },
          },
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const caller = callerFor(request, request.body.tenant)
      const made = await receivers.create(caller, request.body, askedAt(request))
      return reply.code(201).header('location', `/test-receivers/${made.id}`).send(made)
    },
  )
  app.get(
    '/test-receivers',
    {
      schema: {
        operationId: 'listTestReceivers',
        summary: 'List test receivers, newest first',
        tags,
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(TestReceiver) } },
          },
          ...problems(400, 401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('test_receivers', cursor, parseIdCursor) ?? idMax
      const rows = await receivers.list(reachOf(request, tenant), { before, limit: limit + 1 })
      return sendPage(request, reply, rows, limit, row => encodeCursor('test_receivers', row.id))
    },
  )
}

function registerOne(scope: FastifyInstance, receivers: TestReceivers): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  const one = (description: string) => Type.Ref('TestReceiver', { description })
  app.get(
    '/test-receivers/:id',
    {
      schema: {
        operationId: 'getTestReceiver',
        summary: 'Read one test receiver',
        tags,
        params: idParameter,
        response: { 200: one('The receiver'), ...problems(401, 403, 404, 422) },
      },
    },
    async request => (await receivers.read(reachOf(request), idOf(request))) ?? unknown(request),
  )
  app.patch(
    '/test-receivers/:id',
    {
      schema: {
        operationId: 'patchTestReceiver',
        summary: 'Change how a test receiver answers',
        description:
          'What is left out stays as it is. The next request is answered so, whichever process gets it.',
        tags,
        consumes: ['application/json', 'application/merge-patch+json'],
        params: idParameter,
        body: TestReceiverPatch,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 413, 415, 422) },
      },
    },
    async request =>
      (await receivers.patch(callerOf(request), idOf(request), request.body)) ?? unknown(request),
  )
  app.delete(
    '/test-receivers/:id',
    {
      schema: {
        operationId: 'deleteTestReceiver',
        summary: 'End a test receiver',
        description:
          'What it got goes with it. A subscription that still leads there is not let through any more: the rules for addresses hold for it as for any other.',
        tags,
        params: idParameter,
        response: {
          204: { description: 'It is gone', type: 'null' },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      if (!(await receivers.remove(callerOf(request), idOf(request)))) unknown(request)
      return reply.code(204).send(null)
    },
  )
}

function registerRequests(scope: FastifyInstance, receivers: TestReceivers): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/test-receivers/:id/requests',
    {
      schema: {
        operationId: 'listReceivedRequests',
        summary: 'What a test receiver got, newest first',
        description:
          `The last ${receiverLimits.requests} requests, whole: as many of them as fit into ${receiverLimits.keptBytes / 1_048_576} MiB, each with up to ` +
          `${receiverLimits.bodyBytes / 1_048_576} MiB of its body. \`signature\` says whether it was made with the secret of the subscription that leads here, ` +
          'or with `signing_secret` of the receiver.',
        tags,
        params: idParameter,
        querystring: Type.Object(pageQuery(pageSize), { additionalProperties: false }),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(ReceivedRequest) } },
          },
          ...problems(400, 401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor } = request.query
      const before = decodeCursor('received', cursor, parseUuid) ?? lastId
      const rows = await receivers.requests(reachOf(request), idOf(request), { before, limit: limit + 1 })
      if (rows === undefined) return unknown(request)
      return sendPage(request, reply, rows, limit, row => encodeCursor('received', row.id))
    },
  )
}

type OneRequest = FastifyRequest<{ Params: { id: number } }>

/** Parameters are not validated by their schema, see `validatorCompiler`. @throws AppError validation_failed */
function idOf(request: { readonly params: OneRequest['params'] }): number {
  const text = String(request.params.id)
  if (!/^[0-9]{1,20}$/.test(text))
    throw validationFailed([
      { pointer: 'id', detail: 'The id of a test receiver is a whole number, such as 1.' },
    ])
  return Math.min(Number(text), idMax)
}

function unknown(request: { readonly params: OneRequest['params'] }): never {
  throw new AppError('not_found', `There is no test receiver ${request.params.id}, or its time is over.`)
}

type Incoming = FastifyRequest<{ Params: { token: string } }> & {
  /** Found before the body is read. */
  receiver?: KnownReceiver
}

export interface ReceivingRoutesDeps extends ReceivingDeps {
  readonly bodies: BodyRules
  /** What a deleted tenant had takes nothing any more. */
  readonly isDeleted: (tenant: string) => boolean
}

/** One address takes all of these; others are answered with 405. */
const methods: readonly HTTPMethods[] = ['POST', 'PUT', 'PATCH', 'DELETE', 'GET']

/** `/t/{token}`, where test receivers get their requests: open to whoever knows the address. */
export function registerReceiving(app: FastifyInstance, deps: ReceivingRoutesDeps): void {
  const { receivers, isDeleted } = deps
  const receiving = new Receiving(deps)
  app.addHook('preClose', async () => receiving.stop())
  app.register(async scope => {
    readRawBodies(scope, deps.bodies)
    scope.decorateRequest('receiver')
    for (const method of methods) {
      scope.route<{ Params: { token: string } }>({
        method,
        url: '/t/:token',
        schema: method === 'POST' ? receivingSchema : { hide: true },
        onRequest: async (request: Incoming) => {
          const found = await receivers.addresses.ofToken(request.params.token)
          if (found === undefined || isDeleted(found.tenant)) throw unknownReceiver()
          request.receiver = found
        },
        handler: (request: Incoming, reply) => receive(receiving, request, reply),
      })
    }
  })
}

const noBody = Buffer.alloc(0)

async function receive(receiving: Receiving, request: Incoming, reply: FastifyReply): Promise<FastifyReply> {
  const { receiver, raw } = request
  if (receiver === undefined) throw unknownReceiver()
  const left = new AbortController()
  reply.raw.once('close', () => left.abort())
  const at = request.url.indexOf('?')
  const answer = await receiving.receive(receiver, {
    method: request.method,
    query: at < 0 ? null : request.url.slice(at + 1),
    headers: raw.headers,
    headersDistinct: raw.headersDistinct,
    body: Buffer.isBuffer(request.body) ? request.body : noBody,
  })
  await receiving.delay(answer.delayMs, left.signal)
  if (answer.kind === 'drop') {
    reply.hijack()
    raw.socket.destroy()
    return reply
  }
  return reply
    .code(answer.status)
    .headers({ 'content-type': 'text/plain; charset=utf-8', ...lowerCase(answer.headers), ...quiet })
    .send(Buffer.from(answer.body)) // as bytes: Fastify adds a charset to the type of a string
}

/**
 * No browser does anything with what a receiver was told to answer, though it comes from the address of this service. The
 * connection ends with each answer, so that one that is dropped is not taken for one that was idle for too long.
 */
const quiet = {
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  connection: 'close',
} as const

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

const receivingSchema = {
  operationId: 'receive',
  tags,
  summary: 'What a test receiver gets',
  description:
    'Any body of any content type, also with PUT, PATCH, DELETE and GET. It is answered as the receiver was told to.',
  params: Type.Object({ token: Type.String({ description: 'As in the `url` of the receiver' }) }),
  response: {
    default: { description: 'As the receiver was told to answer', type: 'string' },
    ...problems(404, 413),
  },
}
