import type { onRequestHookHandler } from 'fastify'
import { AppError } from '../errors.ts'

export function unauthorized(): AppError {
  return new AppError('unauthorized', 'Send a valid API key: Authorization: Bearer whk_…')
}

/** Checks an `Authorization` header: at once, or by a promise when the database has to be asked. */
export interface KeyCheck {
  accepts(authorization: string | undefined): boolean | Promise<boolean>
}

/** A hook for the routes that need a key. It waits only when `KeyCheck` returns a promise. */
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
