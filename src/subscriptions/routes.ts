import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { callerFor, reachOf } from '../http/access.ts'
import {
  decodeCursor,
  encodeCursor,
  linkNextPage,
  pageHeaders,
  pageQuery,
  parseIdCursor,
} from '../http/paging.ts'
import {
  ifMatchHeader,
  parseIfMatch,
  subscriptionIdParameter,
  tenantParameter,
  unknownSubscription,
} from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { Caller } from '../model/caller.ts'
import { RevealedSecrets } from './reveal-secret.ts'
import { RotatedSecret, SecretRotation } from './rotate-secret.ts'
import {
  Subscription,
  type SubscriptionAnswer,
  SubscriptionCreate,
  SubscriptionPatch,
  SubscriptionReplace,
  SubscriptionResume,
  type SubscriptionState,
  subscriptionStates,
} from './schema.ts'
import { lookedAtMax } from './search.ts'
import type { Subscriptions } from './subscriptions.ts'

/** The schemas that the OpenAPI document names. */
export const subscriptionSchemas = [
  Subscription,
  SubscriptionCreate,
  SubscriptionReplace,
  SubscriptionPatch,
  SubscriptionResume,
  SecretRotation,
  RotatedSecret,
  RevealedSecrets,
]

const tags = ['Subscriptions']
const pageSize = 50

const idParameter = Type.Object({ id: subscriptionIdParameter })
const tenantQuery = Type.Object({ tenant: Type.Optional(tenantParameter) }, { additionalProperties: false })

const listQuery = Type.Object(
  {
    ...pageQuery(pageSize),
    tenant: Type.Optional(tenantParameter),
    state: Type.Optional(
      Type.Unsafe<SubscriptionState>({
        type: 'string',
        enum: [...subscriptionStates],
        description: 'Only those in this state',
      }),
    ),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: '^[^\\u0000]*$',
        description:
          'Only those with this text in their uid, address or description, whatever its case; or of this id',
      }),
    ),
    event_type: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        pattern: '^[^\\u0000]*$',
        description: 'Only those that want events of this type',
        examples: ['order.paid'],
      }),
    ),
  },
  { additionalProperties: false },
)

type OneRequest = FastifyRequest<{ Params: { id: string }; Querystring: { tenant?: string } }>

/** Who asks about which subscription. @throws AppError forbidden, not_found, validation_failed */
async function subscriptionIn(
  request: OneRequest,
  subscriptions: Subscriptions,
): Promise<{ readonly caller: Caller; readonly id: number }> {
  const caller = callerFor(request, request.query.tenant)
  return { caller, id: await subscriptions.idIn(caller.reach, request.params.id) }
}
const etagHeader = { ETag: { type: 'string', description: 'The version, for If-Match' } }

/** The routes that manage subscriptions: collection, one subscription, its secret, pause and resume. */
export function registerSubscriptions(scope: FastifyInstance, subscriptions: Subscriptions): void {
  registerCollection(scope, subscriptions)
  registerReading(scope, subscriptions)
  registerChanging(scope, subscriptions)
  registerRotation(scope, subscriptions)
  registerReveal(scope, subscriptions)
  registerHolding(scope, subscriptions)
}

function registerCollection(scope: FastifyInstance, subscriptions: Subscriptions): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/subscriptions/',
    {
      schema: {
        operationId: 'createSubscription',
        summary: 'Create a subscription',
        description:
          'The answer shows `secret` and the generated `signing_secret` in full. The signing secret is shown again by `reveal-secret` only; `secret` is not.',
        tags,
        body: SubscriptionCreate,
        response: {
          201: {
            description: 'Created',
            headers: { Location: { type: 'string', description: 'Its path' }, ...etagHeader },
            content: { 'application/json': { schema: Subscription } },
          },
          ...problems(401, 403, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const made = await subscriptions.create(callerFor(request, request.body.tenant), request.body)
      reply.header('cache-control', 'no-store')
      return withVersion(reply.code(201).header('location', `/subscriptions/${made.id}`), made)
    },
  )
  app.get(
    '/subscriptions/',
    {
      schema: {
        operationId: 'listSubscriptions',
        summary: 'List all subscriptions, newest first',
        description: `With a filter a request looks at ${lookedAtMax.toLocaleString('en')} subscriptions at most: so a page may have fewer rows than \`limit\`, and yet lead to a next one.`,
        tags,
        querystring: listQuery,
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(Subscription) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, tenant, state, q, event_type: eventType } = request.query
      const before = decodeCursor('subscriptions', cursor, parseIdCursor)
      const filter = { state, q, eventType }
      const { rows, next } = await subscriptions.list(reachOf(request, tenant), { limit, before }, filter)
      if (next !== undefined) linkNextPage(request, reply, limit, encodeCursor('subscriptions', next))
      return [...rows]
    },
  )
}

function registerReading(scope: FastifyInstance, subscriptions: Subscriptions): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/subscriptions/:id',
    {
      schema: {
        operationId: 'getSubscription',
        summary: 'Read one subscription',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        response: { 200: one('The subscription'), ...problems(401, 403, 404, 422) },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      return withVersion(reply, found(request, await subscriptions.read(caller.reach, id)))
    },
  )
  app.delete(
    '/subscriptions/:id',
    {
      schema: {
        operationId: 'deleteSubscription',
        summary: 'Delete a subscription',
        description:
          'No further attempts are made; what it owes is cancelled. Its log stays until retention.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        headers: ifMatchHeader,
        response: {
          204: { description: 'Deleted', type: 'null' },
          ...problems(401, 403, 404, 412, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      const version = parseIfMatch(request.headers['if-match'])
      const removed = await subscriptions.remove(caller, id, version)
      if (!removed) throw unknownSubscription(request.params.id)
      return reply.code(204).send(null)
    },
  )
}

function registerChanging(scope: FastifyInstance, subscriptions: Subscriptions): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.put(
    '/subscriptions/:id',
    {
      schema: {
        operationId: 'replaceSubscription',
        summary: 'Replace a subscription',
        description:
          'What is left out goes back to its default; only `secret` is kept when it is left out or sent masked, and ' +
          'removed by null. The answer of a GET can be sent as it is.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        headers: ifMatchHeader,
        body: SubscriptionReplace,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 412, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      const version = parseIfMatch(request.headers['if-match'])
      return withVersion(
        reply,
        found(request, await subscriptions.replace(caller, id, request.body, version)),
      )
    },
  )
  app.patch(
    '/subscriptions/:id',
    {
      schema: {
        operationId: 'patchSubscription',
        summary: 'Change some fields of a subscription',
        description: 'A JSON merge patch: what is left out stays, null takes a field back to its default.',
        tags,
        consumes: ['application/json', 'application/merge-patch+json'],
        params: idParameter,
        querystring: tenantQuery,
        headers: ifMatchHeader,
        body: SubscriptionPatch,
        response: { 200: one('As it is now'), ...problems(401, 403, 404, 412, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      const version = parseIfMatch(request.headers['if-match'])
      return withVersion(reply, found(request, await subscriptions.patch(caller, id, request.body, version)))
    },
  )
}

function registerRotation(scope: FastifyInstance, subscriptions: Subscriptions): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/subscriptions/:id/rotate-secret',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'rotateSecret',
        summary: 'Replace the signing secret',
        description:
          'The new secret signs from now on, first in the list. The previous one also signs for the overlap, then ends ' +
          'by itself. Where a header has room for one signature only (`hub-sha256`, `shopify-sha256`), the previous one ' +
          'signs alone until it ends. A key pair for `v1a` is replaced in the same way, unless a `secret` is given. ' +
          'At most 3 secrets sign at a time.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        headers: ifMatchHeader,
        body: SecretRotation,
        response: {
          200: one('The new secret, shown here only', RotatedSecret),
          ...problems(401, 403, 404, 409, 412, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      const version = parseIfMatch(request.headers['if-match'])
      const rotated = await subscriptions.rotateSecret(caller, id, request.body, version)
      if (rotated === undefined) throw unknownSubscription(request.params.id)
      reply.header('cache-control', 'no-store').header('etag', `"${rotated.version}"`)
      return rotated
    },
  )
}

function registerReveal(scope: FastifyInstance, subscriptions: Subscriptions): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/subscriptions/:id/reveal-secret',
    {
      schema: {
        operationId: 'revealSecrets',
        summary: 'Show the signing secrets again',
        description:
          'Those in force, newest first. Each time is recorded in the audit log. Refused where REVEAL_SECRETS=false.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        response: {
          200: {
            description: 'The secrets; not to be kept by caches',
            content: { 'application/json': { schema: RevealedSecrets } },
          },
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      const revealed = await subscriptions.revealSecrets(caller, id)
      if (revealed === undefined) throw unknownSubscription(request.params.id)
      reply.header('cache-control', 'no-store')
      return revealed
    },
  )
}

function one(description: string, schema: TSchema = Subscription) {
  return { description, headers: etagHeader, content: { 'application/json': { schema } } }
}

function found(request: OneRequest, answer: SubscriptionAnswer | undefined): SubscriptionAnswer {
  if (answer === undefined) throw unknownSubscription(request.params.id)
  return answer
}

function withVersion(reply: FastifyReply, answer: SubscriptionAnswer): SubscriptionAnswer {
  reply.header('etag', `"${answer.version}"`)
  return answer
}

function registerHolding(scope: FastifyInstance, subscriptions: Subscriptions): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  const answers = (description: string) => ({
    200: Type.Ref('Subscription', { description }),
    ...problems(401, 403, 404, 413, 415, 422),
  })
  app.post(
    '/subscriptions/:id/pause',
    {
      schema: {
        operationId: 'pauseSubscription',
        summary: 'Pause a subscription',
        description:
          'Events are accepted and kept, and delivered once it is resumed. The same as `paused: true`.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        response: answers('Paused'),
      },
    },
    async request => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      return (await subscriptions.pause(caller, id)) ?? unknown(request)
    },
  )
  app.post(
    '/subscriptions/:id/resume',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'resumeSubscription',
        summary: 'Resume a subscription',
        description:
          'Ends a pause, an open circuit, and a disabling after 410 or after failing for too long. What waited is due at once; or, with `waiting: discard`, it ends as cancelled, in the background, and only what comes from now on is delivered. ' +
          'What is being sent at this moment may still arrive.',
        tags,
        params: idParameter,
        querystring: tenantQuery,
        body: SubscriptionResume,
        response: answers('Active; `waiting` says how much waited'),
      },
    },
    async request => {
      const { caller, id } = await subscriptionIn(request, subscriptions)
      return (await subscriptions.resume(caller, id, request.body?.waiting)) ?? unknown(request)
    },
  )
}

function unknown(request: OneRequest): never {
  throw unknownSubscription(request.params.id)
}
