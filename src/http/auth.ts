import type { onRequestHookHandler } from 'fastify'
import { AppError } from '../errors.ts'

export function unauthorized(): AppError {
  return new AppError('unauthorized', 'Send a valid API key: Authorization: Bearer whk_…')
}

/** Who says whether an `Authorization` header is good: at once, or after a look into the database. */
export interface KeyCheck {
  accepts(authorization: string | undefined): boolean | Promise<boolean>
}

/** A hook for the routes that need a key. Answers at once while the keys are in memory, which they nearly always are. */
export function requireKey(keys: KeyCheck): onRequestHookHandler {
  return (request, _reply, done) => {
    const verdict = keys.accepts(request.headers.authorization)
    if (typeof verdict === 'boolean') {
      done(verdict ? undefined : unauthorized())
    } else {
      verdict.then(accepted => done(accepted ? undefined : unauthorized()), done)
    }
  }
}
