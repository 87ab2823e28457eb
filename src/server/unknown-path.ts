import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/**
 * Tells what is wrong with a request without a route: 405, with `Allow`, where the path has other methods, else 404.
 * Fastify's router does not distinguish the two, so routes are recorded as they are registered.
 */
export function unknownPath(
  app: FastifyInstance,
): (request: FastifyRequest, reply: FastifyReply) => AppError {
  const methodsOf = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = segments(url).join('/')
    const methods = methodsOf.get(pattern) ?? new Set()
    for (const name of [method].flat()) methods.add(name)
    methodsOf.set(pattern, methods)
  })
  return (request, reply) => {
    const path = segments(request.url.split('?', 1)[0] ?? '')
    const allowed = new Set(
      [...methodsOf].flatMap(([pattern, methods]) => (matches(pattern.split('/'), path) ? [...methods] : [])),
    )
    if (allowed.size === 0 || allowed.has(request.method))
      return new AppError('not_found', 'There is nothing at this path. See /docs for what is.')
    const list = [...allowed].sort().join(', ')
    reply.header('allow', list)
    return new AppError('method_not_allowed', `This path does not take ${request.method}; it takes ${list}.`)
  }
}

function segments(path: string): readonly string[] {
  return path.replace(/^\/+|\/+$/g, '').split('/')
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  if (pattern.at(-1) === '*') {
    return path.length >= pattern.length && matches(pattern.slice(0, -1), path.slice(0, pattern.length - 1))
  }
  return (
    pattern.length === path.length &&
    pattern.every((part, index) => (part.startsWith(':') ? path[index] !== '' : part === path[index]))
  )
}
