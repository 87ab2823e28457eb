import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { recordChange } from '../audit/audit.ts'
import { AppError } from '../errors.ts'
import { callerOf } from '../http/access.ts'
import { parseWebhookId } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { cancelEvent } from '../lanes/cancel.ts'
import type { Database } from '../platform/postgres.ts'

/** `DELETE /events/{webhook_id}`: cancels an event of which nothing was sent yet. */
export function registerCancelling(scope: FastifyInstance, database: Database): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().delete(
    '/events/:webhook_id',
    {
      schema: {
        operationId: 'cancelEvent',
        summary: 'Cancel an event of which nothing was sent yet',
        description:
          'For events that are scheduled, or that wait for a subscription that is paused. Its deliveries end as cancelled, each in the log; the event itself stays until retention. ' +
          'Once anything of it was sent, or may be under way, nothing is changed.',
        tags: ['Events'],
        params: Type.Object({
          webhook_id: Type.String({ format: 'uuid', description: 'As the 202 answer gave it' }),
        }),
        response: {
          204: { description: 'Cancelled; also when it had been before', type: 'null' },
          ...problems(401, 403, 404, 409, 413, 415, 422),
        },
      },
    },
    async (request, reply) => {
      const webhookId = parseWebhookId(request.params.webhook_id)
      const { reach, actor } = callerOf(request)
      await database.transaction(async tx => {
        const done = await cancelEvent(tx, reach, webhookId)
        switch (done.kind) {
          case 'unknown':
            throw new AppError('not_found', `There is no event ${webhookId}.`)
          case 'sent':
            throw new AppError(
              'already_sent',
              'The event was sent to a subscription, or is being sent at this moment. It can be cancelled no more.',
            )
          case 'cancelled':
            if (done.deliveries === 0) return
            await recordChange(tx, actor, {
              action: 'event.cancelled',
              subjectId: webhookId,
              tenant: done.tenant,
            })
        }
      })
      return reply.code(204).send(null)
    },
  )
}
