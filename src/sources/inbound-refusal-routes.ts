import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerFor } from '../http/access.ts'
import { decodeCursor, encodeCursor, pageHeaders, pageQuery, sendPage } from '../http/paging.ts'
import { subscriptionIdParameter, tenantParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { InboundRefusals } from './inbound-refusals.ts'
import { SourceRefusal, sourceLimits } from './schema.ts'

export interface InboundRefusalRoutesDeps {
  readonly subscriptions: Pick<Subscriptions, 'idIn' | 'exists'>
  readonly inboundRefusals: Pick<InboundRefusals, 'list'>
}

const pageSize = 50
/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

/** `GET /subscriptions/{id}/inbound-refusals`. */
export function registerInboundRefusals(
  scope: FastifyInstance,
  { subscriptions, inboundRefusals }: InboundRefusalRoutesDeps,
): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/subscriptions/:id/inbound-refusals',
    {
      schema: {
        operationId: 'listInboundRefusals',
        summary: 'What was refused at POST /ingest/{id} of a subscription with `inbound`, newest first',
        description:
          `The last ${sourceLimits.refusals} requests, as many of them as fit into ${sourceLimits.keptBytes / 1_048_576} MiB, each with its \`reason\`. ` +
          'They are here a second or two after they came.',
        tags: ['Sources'],
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: Type.Object(
          { ...pageQuery(pageSize), tenant: Type.Optional(tenantParameter) },
          { additionalProperties: false },
        ),
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
      const { limit = pageSize, cursor, tenant } = request.query
      const before = decodeCursor('inbound refusals', cursor, parseUuid) ?? lastId
      const { reach } = callerFor(request, tenant)
      const id = await subscriptions.idIn(reach, request.params.id)
      if (!(await subscriptions.exists(reach, id))) throw unknownSubscription(request.params.id)
      const rows = await inboundRefusals.list(id, { before, limit: limit + 1 })
      return sendPage(request, reply, rows, limit, row => encodeCursor('inbound refusals', row.id as Uuid)) // of a row
    },
  )
}
