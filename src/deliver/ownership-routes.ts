import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerFor } from '../http/access.ts'
import { subscriptionIdParameter, tenantParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { OwnershipChecks } from './ownership-checks.ts'

export interface OwnershipRoutesDeps {
  readonly subscriptions: Pick<Subscriptions, 'idIn'>
  readonly ownershipChecks: OwnershipChecks
}

/** `POST /subscriptions/{id}/verify`: asks a receiver again whether it wants what is sent to it. */
export function registerOwnership(
  scope: FastifyInstance,
  { subscriptions, ownershipChecks }: OwnershipRoutesDeps,
): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().post(
    '/subscriptions/:id/verify',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'verifySubscription',
        summary: 'Ask the receiver again whether it wants the events of this subscription',
        description:
          'Where an ownership check is asked for, the receiver is asked by itself when the subscription is made and when its address changes. ' +
          'This asks once more, and answers when the receiver has. Nothing is asked of one that is verified, or need not be. ' +
          'At most each 5 seconds for a subscription; for a tenant 30 at once and one more each 20 seconds.',
        tags: ['Subscriptions'],
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: Type.Object({ tenant: Type.Optional(tenantParameter) }, { additionalProperties: false }),
        response: {
          200: Type.Ref('Subscription', { description: 'As it is now; `verification` says what came of it' }),
          ...problems(401, 403, 404, 413, 415, 422, 429),
        },
      },
    },
    async request => {
      const caller = callerFor(request, request.query.tenant)
      const id = await subscriptions.idIn(caller.reach, request.params.id)
      const subscription = await ownershipChecks.check(caller, id)
      if (subscription === undefined) throw unknownSubscription(request.params.id)
      return subscription
    },
  )
}
