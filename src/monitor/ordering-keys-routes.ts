import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { reachOf } from '../http/access.ts'
import { decodeCursor, encodeCursor, pageHeaders, pageQuery, sendPage } from '../http/paging.ts'
import { subscriptionIdParameter, tenantParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { type OrderingKeyRow, readOrderingKeys } from './ordering-keys-store.ts'

const nullableTime = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

/** More than this are not counted for one key. */
const waitingMax = 1000

const OrderingKey = Type.Object(
  {
    ordering_key: Type.String(),
    webhook_id: Type.String({
      format: 'uuid',
      description: 'The event whose delivery is the first of those that wait',
    }),
    attempts: Type.Integer({
      description: 'How many attempts that has had; 0: others of its key are being sent',
    }),
    held_since: nullableTime('When the first attempt of these failed; null: none has'),
    next_attempt_at: nullableTime('When it is tried next; null: behind others that are being sent'),
    waiting: Type.Integer({
      description: `How many deliveries of the same key wait behind it; ${waitingMax} stands for more, too`,
    }),
  },
  {
    description: 'A key of a subscription with `ordering_key`, of which deliveries wait',
  },
)

export interface OrderingKeysDeps {
  readonly database: Queryable
  readonly subscriptions: Pick<Subscriptions, 'idIn' | 'exists'>
}

const pageSize = 50

/** `GET /subscriptions/{id}/ordering-keys`. */
export function registerOrderingKeys(
  scope: FastifyInstance,
  { database, subscriptions }: OrderingKeysDeps,
): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/subscriptions/:id/ordering-keys',
    {
      schema: {
        operationId: 'listOrderingKeys',
        summary: 'The keys of a subscription of which deliveries wait, and for what',
        description:
          'With `ordering_key`, a delivery that fails holds those behind it that have the same key. This says which keys are held, since when, and how much waits. In the order of the keys.',
        tags: ['Monitoring'],
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: Type.Object(
          {
            limit: pageQuery(pageSize).limit,
            // A key is longer than what other lists go on from.
            cursor: Type.Optional(
              Type.String({ maxLength: 600, description: '`X-Next-Cursor` of the previous page' }),
            ),
            tenant: Type.Optional(tenantParameter),
            key: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, description: 'Only this one' })),
          },
          { additionalProperties: false },
        ),
        response: {
          200: {
            description: 'One page',
            headers: pageHeaders,
            content: { 'application/json': { schema: Type.Array(OrderingKey) } },
          },
          ...problems(401, 403, 404, 422),
        },
      },
    },
    async (request, reply) => {
      const { limit = pageSize, cursor, key = null, tenant } = request.query
      const reach = reachOf(request, tenant)
      const subscriptionId = await subscriptions.idIn(reach, request.params.id)
      if (!(await subscriptions.exists(reach, subscriptionId))) throw unknownSubscription(request.params.id)
      const after = decodeCursor('ordering_keys', cursor, parseKey) ?? ''
      const query = { subscriptionId, after, key, limit: limit + 1, countMax: waitingMax }
      const rows = await readOrderingKeys(database, query)
      const page = sendPage(request, reply, rows, limit, row =>
        encodeCursor('ordering_keys', row.ordering_key),
      )
      return page.map(asAnswer)
    },
  )
}

/** No key has what PostgreSQL does not take in a text. */
function parseKey(text: string): string | undefined {
  return text.includes('\0') ? undefined : text
}

function asAnswer(row: OrderingKeyRow): Static<typeof OrderingKey> {
  return {
    ordering_key: row.ordering_key,
    webhook_id: row.webhook_id,
    attempts: row.attempts,
    held_since: row.held_since?.toISOString() ?? null,
    next_attempt_at: row.due_at?.toISOString() ?? null,
    waiting: row.waiting,
  }
}
