import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { validationFailed } from '../errors.ts'
import { callerFor } from '../http/access.ts'
import type { Callers } from '../http/auth.ts'
import {
  subscriptionIdParameter,
  tenantParameter,
  unknownSubscription,
  wordsParameter,
} from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { sentenceKey } from '../http/validation.ts'
import type { Caller, Reach } from '../model/caller.ts'
import { type LiveKind, liveKinds } from '../model/live-source.ts'
import { type AttemptStatus, attemptStatuses } from '../model/outcome.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import { eventTypePattern, eventTypePatternSentence } from '../subscriptions/event-type-pattern.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { retryMs } from './event-stream.ts'
import { retryFrame } from './frames.ts'
import type { Live } from './live.ts'

export interface LiveRoutesDeps {
  readonly live: Live
  readonly subscriptions: Subscriptions
  /** Undefined: no API keys are needed. */
  readonly callers: Callers | undefined
}

const query = Type.Object(
  {
    tenant: Type.Optional(tenantParameter),
    subscription_id: Type.Optional(
      Type.Unsafe<number | string>({
        ...subscriptionIdParameter,
        description: 'Only what is about this subscription: its id, or `uid:` and its uid',
      }),
    ),
    event_type: Type.Optional(
      Type.String({
        pattern: eventTypePattern,
        [sentenceKey]: eventTypePatternSentence,
        description:
          'Only events of this type and their attempts; a pattern as subscriptions have it, such as `order.*`. Leaves out all that has no event type',
        examples: ['order.paid'],
      }),
    ),
    kind: Type.Optional(
      wordsParameter(liveKinds, 'One or several, with commas between; left out: all', 'attempt'),
    ),
    status: Type.Optional(
      Type.Unsafe<AttemptStatus>({
        type: 'string',
        enum: [...attemptStatuses],
        description: 'Only attempts that ended so, and nothing else',
      }),
    ),
    last_event_id: Type.Optional(
      Type.String({
        format: 'uuid',
        [sentenceKey]: 'Give the id of a message of this stream, which is a UUID.',
        description:
          'The same as the header `Last-Event-ID`, which goes before, for clients that cannot set one',
      }),
    ),
  },
  { additionalProperties: false },
)

/** `GET /stream`: what happens, as it happens. */
export function registerLive(scope: FastifyInstance, { live, subscriptions, callers }: LiveRoutesDeps): void {
  scope.addHook('preClose', () => live.close())
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/stream',
    {
      exposeHeadRoute: false,
      schema: {
        operationId: 'stream',
        summary: 'What happens, as it happens',
        description:
          'Server-sent events: `accepted`, `attempt`, `subscription`, `received`, each with the `id` of what it tells of, in the order of these ids, ' +
          'from whichever process they come; a client that connects again with the last one (`Last-Event-ID`) gets all that it has missed and nothing twice, ' +
          'for as long as the log is kept. `gap` says that something was left out. Comments keep a silent connection open. ' +
          'The schemas of the data are `StreamAccepted`, `StreamAttempt`, `StreamSubscription`, `StreamReceived`, `StreamGap`.',
        tags: ['Monitoring'],
        querystring: query,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({
              description: 'The `id` of the last event that the client has; left out: from now on',
            }),
          ),
        }),
        response: {
          200: {
            description: 'The stream; it does not end by itself',
            headers: {
              'Cache-Control': { type: 'string', description: '`no-store`' },
              'X-Accel-Buffering': {
                type: 'string',
                description: '`no`: proxies are to pass on each piece at once',
              },
            },
            content: {
              'text/event-stream': {
                schema: Type.String({
                  description: 'Blocks of `event`, `id` and `data`, where `data` is JSON on one line',
                }),
              },
            },
          },
          ...problems(401, 403, 404, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { tenant, status, event_type: eventType, kind, subscription_id: named } = request.query
      const caller = callerFor(request, tenant)
      const { reach } = caller
      const lastId = lastIdOf(request.headers['last-event-id'], request.query.last_event_id)
      const subscriptionId = named === undefined ? undefined : await idOf(subscriptions, reach, String(named))
      const oldest = lastId === undefined ? 0 : await live.oldest(reach.tenant)
      live.check({ caller, lastId })
      reply.hijack()
      const response = reply.raw
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) response.setHeader(name, value)
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        ...(live.isClosed && { connection: 'close' }),
      })
      if (live.isClosed) {
        response.end(retryFrame(retryMs)) // anything but a stream would keep a browser from coming back
        return
      }
      const kinds = kind === undefined ? liveKinds : (kind.split(',') as LiveKind[]) // as the pattern says
      const filter = { reach, kinds, subscriptionId, eventType, status }
      live.open(response, {
        caller,
        filter,
        lastId,
        oldest,
        isAllowed: () => mayStillRead(callers, request, reach),
      })
    },
  )
}

async function idOf(subscriptions: Subscriptions, reach: Reach, named: string): Promise<number> {
  const id = await subscriptions.idIn(reach, named, 'subscription_id')
  if (!(await subscriptions.exists(reach, id))) throw unknownSubscription(named)
  return id
}

function lastIdOf(header: string | undefined, parameter: string | undefined): Uuid | undefined {
  const text = header === undefined || header === '' ? parameter : header
  if (text === undefined) return undefined
  const id = parseUuid(text)
  if (id !== undefined) return id
  throw validationFailed([
    {
      pointer: 'last-event-id',
      detail: 'Give the `id` of an event of this stream, which is a UUID, or leave it out.',
    },
  ])
}

/** Whether the key is still valid, and for the same tenant. */
async function mayStillRead(
  callers: Callers | undefined,
  { raw }: Pick<FastifyRequest, 'raw'>,
  reach: Reach,
): Promise<boolean> {
  if (callers === undefined) return true
  const caller: Caller | undefined = await callers.identify(raw)
  return caller !== undefined && (caller.reach.tenant === null || caller.reach.tenant === reach.tenant)
}
