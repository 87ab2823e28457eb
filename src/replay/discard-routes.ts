import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { validationFailed } from '../errors.ts'
import { callerFor } from '../http/access.ts'
import { decodeCursor, encodeCursor } from '../http/paging.ts'
import { parseWebhookId, wordsParameter } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { cursorOf, type DeliveryKey } from './deliveries.ts'
import { deliveryFilters, isNarrow, nothingChosen, queryOf } from './delivery-filters.ts'
import { chosenMax, discardChosen, discardCursor, discardDeliveries, parseDiscardCursor } from './discard.ts'

/** How long a discard may take that someone waits for. */
const discardMsMax = 20_000

/** What can be discarded: the rest has ended. */
const discardFilters = {
  ...deliveryFilters,
  state: Type.Optional(
    wordsParameter(
      ['pending', 'failed'],
      '`pending`, `failed` or both with a comma between; left out: both',
      'failed',
    ),
  ),
}

const chosenDeliveries = Type.Array(
  Type.Object(
    {
      webhook_id: Type.String({ format: 'uuid' }),
      subscription_id: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
    },
    { additionalProperties: false },
  ),
  {
    minItems: 1,
    maxItems: chosenMax,
    description:
      'Exactly these, instead of filters. All of them have to be there, else none ends; of these, what has ended already stays as it is and is not counted',
  },
)

/** `POST /deliveries/discard`: ends what is owed, and dead letters. */
export function registerDiscard(
  scope: FastifyInstance,
  { database, subscriptions }: { readonly database: Database; readonly subscriptions: Subscriptions },
): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/deliveries/discard',
    {
      schema: {
        operationId: 'discardDeliveries',
        summary: 'End what is owed, or dead letters',
        description:
          'All that the filters match, or the deliveries that are named, end as cancelled, with a row in the log each. What is being sent at this moment may still arrive. ' +
          'Without any filter nothing ends, unless the body says `all`.',
        tags: ['Replay'],
        body: Type.Object(
          {
            ...discardFilters,
            deliveries: Type.Optional(chosenDeliveries),
            all: Type.Optional(
              Type.Boolean({ description: 'True, and no filter: all that is owed, and all dead letters' }),
            ),
            dry_run: Type.Optional(Type.Boolean({ description: 'Only counts, and changes nothing' })),
            cursor: Type.Optional(
              Type.String({
                maxLength: 200,
                description: '`next_cursor` of a request that was not complete',
              }),
            ),
          },
          { additionalProperties: false, examples: [{ state: 'failed', subscription_id: 1 }] },
        ),
        response: {
          200: Type.Object(
            {
              count: Type.Integer({ minimum: 0 }),
              is_complete: Type.Boolean({
                description: 'False: there is more than fits into one request; send it again with the cursor',
              }),
              next_cursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
            },
            { description: 'How many matched, and have ended unless it was a dry run' },
          ),
          ...problems(401, 403, 404, 413, 415, 422),
        },
      },
    },
    async request => {
      const { tenant, cursor, dry_run: isDryRun = false, deliveries, all: isAll, ...filters } = request.body
      const caller = callerFor(request, tenant)
      if (deliveries !== undefined) {
        const chosen = chosenOf(deliveries, { ...filters, cursor, all: isAll })
        const ended = await discardChosen(database, caller, chosen, isDryRun)
        return { count: ended, is_complete: true, next_cursor: null }
      }
      const end = performance.now() + discardMsMax
      const query = await queryOf(filters, caller.reach, subscriptions)
      const after = decodeCursor('discard', cursor, parseDiscardCursor)
      checkChoice({ ...filters, tenant }, isAll ?? false, isDryRun)
      const mayGoOn = () => performance.now() < end
      const { count, next } = await discardDeliveries(database, caller, query, isDryRun, mayGoOn, after)
      const next_cursor = next === undefined ? null : encodeCursor('discard', discardCursor(next))
      return { count, is_complete: next === undefined, next_cursor }
    },
  )
}

/** The deliveries that a request names, each once. @throws AppError validation_failed beside filters */
function chosenOf(
  deliveries: Static<typeof chosenDeliveries>,
  others: Readonly<Record<string, unknown>>,
): readonly DeliveryKey[] {
  const beside = Object.keys(others).filter(name => others[name] !== undefined)
  if (beside.length > 0) {
    throw validationFailed(
      beside.map(name => ({
        pointer: `/${name}`,
        detail: 'Leave it out beside deliveries: they are named one by one.',
      })),
    )
  }
  const keys = deliveries.map(({ webhook_id: id, subscription_id: subscriptionId }) => ({
    webhookId: parseWebhookId(id),
    subscriptionId,
  }))
  return [...new Map(keys.map(key => [cursorOf(key), key])).values()]
}

/** @throws AppError validation_failed where it is not said what is to end, or said twice */
function checkChoice(filters: Readonly<Record<string, unknown>>, isAll: boolean, isDryRun: boolean): void {
  if (isAll && isNarrow(filters))
    throw validationFailed([{ pointer: '/all', detail: 'Leave it out beside filters.' }])
  if (!isAll && !isDryRun && !isNarrow(filters)) throw nothingChosen('', 'Give a filter')
}
