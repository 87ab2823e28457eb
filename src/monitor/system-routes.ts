import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { problems } from '../http/problem.ts'
import type { Queryable } from '../platform/postgres.ts'
import { readSystem } from './system.ts'
import { SystemReport } from './system-schema.ts'

/** `GET /system`: for operators; every process answers it, whatever its role, and says the same. */
export function registerSystem(scope: FastifyInstance, db: Queryable): void {
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/system',
    {
      schema: {
        operationId: 'getSystem',
        summary: 'The processes of this installation, and what they have to do',
        description:
          'From PostgreSQL, so any process tells of all. Cheap enough to be asked every few seconds.',
        tags: ['Monitoring'],
        response: {
          200: { description: 'As it is now', content: { 'application/json': { schema: SystemReport } } },
          ...problems(401, 503),
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return await readSystem(db)
    },
  )
}
