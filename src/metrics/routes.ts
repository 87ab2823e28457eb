import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { problems } from '../http/problem.ts'
import type { Metrics } from './metrics.ts'

/** `GET /metrics`, for Prometheus. Every process answers it, whatever its role, for all behind its port. */
export function registerMetrics(scope: FastifyInstance, metrics: Pick<Metrics, 'expose'>): void {
  scope.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Figures for Prometheus',
        description:
          'The text format of Prometheus (0.0.4). Of all processes behind this port, whichever of them answers; ' +
          'those that ended are in the counters. What a metric means: docs/reference/metrics.md. ' +
          'While PostgreSQL does not answer, the figures that only it knows are left out.',
        tags: ['Monitoring'],
        response: {
          200: {
            description: 'As it is now',
            content: { 'text/plain': { schema: Type.String() } },
          },
          ...problems(401, 403),
        },
      },
    },
    async (_request, reply) => {
      const { contentType, text } = await metrics.expose()
      return reply.header('content-type', contentType).header('cache-control', 'no-store').send(text)
    },
  )
}
