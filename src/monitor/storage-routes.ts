import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { problems } from '../http/problem.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type RetentionReport, readStorage, SettingReport, StorageReport } from './storage.ts'

export interface StorageDeps {
  /** Of this process, without secrets. */
  readonly settings: readonly SettingReport[]
  readonly retention: RetentionReport
}

const tags = ['Monitoring']

/** `GET /system/settings` and `GET /system/storage`, for operators. Every process answers them, whatever its role. */
export function registerStorage(scope: FastifyInstance, db: Queryable, deps: StorageDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.get(
    '/system/settings',
    {
      schema: {
        operationId: 'listSettings',
        summary: 'The settings in force',
        description:
          'Of the process that answers; others may have been started with other ones. Secrets are masked, as in `webhooks config show`.',
        tags,
        response: {
          200: {
            description: 'All of them, in the order of the reference',
            content: { 'application/json': { schema: Type.Array(SettingReport) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    (_request, reply) => {
      reply.header('cache-control', 'no-store').send([...deps.settings])
    },
  )
  app.get(
    '/system/storage',
    {
      schema: {
        operationId: 'getStorage',
        summary: 'What is stored, and for how long it is kept',
        description:
          'The sizes of all tables and of their partitions. What is older than its retention goes by dropping whole partitions, every hour.',
        tags,
        response: {
          200: {
            description: 'As it is now',
            content: { 'application/json': { schema: StorageReport } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return await readStorage(db, deps.retention)
    },
  )
}
