import type { onRequestHookHandler } from 'fastify'
import { AppError } from '../errors.ts'
import type { ApiKeys } from '../keys/keys.ts'

export function unauthorized(): AppError {
  return new AppError('unauthorized', 'Send a valid API key: Authorization: Bearer whk_…')
}

/** A hook for the routes that need a key. Answers at once while the keys are in memory, which they nearly always are. */
export function requireKey(keys: ApiKeys): onRequestHookHandler {
  return (request, _reply, done) => {
    const verdict = keys.accepts(request.headers.authorization)
    if (typeof verdict === 'boolean') {
      done(verdict ? undefined : unauthorized())
    } else {
      verdict.then(accepted => done(accepted ? undefined : unauthorized()), done)
    }
  }
}
