import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { problems } from '../http/problem.ts'
import { describePreset } from './describe.ts'
import { presets } from './presets.ts'
import { registerManagedSources } from './source-routes.ts'
import type { Sources } from './sources.ts'

const described = presets.map(describePreset)

/** The routes of sources, and of how providers sign. */
export function registerSources(scope: FastifyInstance, sources: Sources): void {
  registerManagedSources(scope, sources)
  scope.withTypeProvider<TypeBoxTypeProvider>().get(
    '/sources/presets',
    {
      schema: {
        operationId: 'listSourcePresets',
        summary: 'List the providers whose signatures are known, and how they sign',
        description:
          'All of them, by their ids. The list is the same for everybody, and changes with versions only.',
        tags: ['Sources'],
        querystring: Type.Object({}, { additionalProperties: false }),
        response: {
          200: {
            description: 'The presets',
            content: { 'application/json': { schema: Type.Array(Type.Ref('SourcePreset')) } },
          },
          ...problems(401, 403, 422),
        },
      },
    },
    () => described,
  )
}
