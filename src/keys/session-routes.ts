import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../errors.ts'
import type { Callers } from '../http/auth.ts'
import { checkOwnPage, sessionOf, setCookie } from '../http/session-cookie.ts'
import type { BrowserAddress, Sessions } from './sessions.ts'

export interface SessionsRoutesDeps {
  readonly sessions: Sessions
  readonly callers: Callers
  /** Below which path browsers see this service: the cookie is for that. */
  readonly basePath: string
}

const Credentials = Type.Object(
  { key: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)

/** How the dashboard signs in and out. It is no part of the API: a program sends its key with each request. */
export function registerSessions(scope: FastifyInstance, deps: SessionsRoutesDeps): void {
  const { sessions, callers, basePath } = deps
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store')
    checkOwnPage(request.raw)
    done()
  })
  app.post('/ui/session', { schema: { hide: true, body: Credentials } }, async (request, reply) => {
    const caller = await callers.identifyKey(request.body.key)
    if (caller === undefined) {
      const error = new AppError('unauthorized', 'This API key is not valid.')
      throw await callers.refusal(request.raw, error, true)
    }
    const { text, expiresAt } = await sessions.open(caller, addressOf(request.raw))
    const seconds = Math.max(1, Math.floor((expiresAt.getTime() - sessions.now()) / 1000))
    return reply
      .header('set-cookie', setCookie(text, seconds, request.raw, basePath))
      .code(204)
      .send(null)
  })
  app.delete('/ui/session', { schema: { hide: true } }, async (request, reply) => {
    const text = sessionOf(request.raw)
    if (text !== undefined) await sessions.close(text, addressOf(request.raw))
    return reply
      .header('set-cookie', setCookie('', 0, request.raw, basePath))
      .code(204)
      .send(null)
  })
}

function addressOf({ socket, headers }: IncomingMessage): BrowserAddress {
  const claimed = headers['x-forwarded-for']
  return { address: socket.remoteAddress, forwarded_for: claimed === undefined ? undefined : String(claimed) }
}
