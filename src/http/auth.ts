import type { IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { onRequestHookHandler } from 'fastify'
import { AppError, overloaded } from '../errors.ts'
import { clientOf } from './client-address.ts'
import { WrongKeys } from './wrong-keys.ts'

/** Checks an `Authorization` header: at once, or by a promise when the database has to be asked. */
export interface KeyCheck {
  accepts(authorization: string | undefined): boolean | Promise<boolean>
}

/** How long a wrong key waits for its answer, when its client has given too many. */
const refusalMs = 1000
/** At most this many of them wait; more are answered at once, and lose their connection. */
const refusalsMax = 1000
/** At most this many requests with unknown keys wait for the database. */
const checksMax = 100

/**
 * Tells callers with a valid key from others, and slows down who tries keys. A valid key is never slowed down, also where
 * another client behind the same address tries wrong ones.
 */
export class Callers {
  readonly #keys: KeyCheck
  readonly #wrongKeys = new WrongKeys()
  #refusals = 0
  #checks = 0

  constructor(keys: KeyCheck) {
    this.#keys = keys
  }

  /**
   * Whether the request has a valid key. A promise only when the database has to be asked; it rejects with an `AppError`
   * when that fails.
   */
  hasKey(request: IncomingMessage): boolean | Promise<boolean> {
    const { authorization } = request.headers
    if (authorization === undefined) return false
    const verdict = this.#keys.accepts(authorization)
    return typeof verdict === 'boolean' ? verdict : this.#awaited(verdict)
  }

  async #awaited(verdict: Promise<boolean>): Promise<boolean> {
    if (this.#checks >= checksMax) {
      verdict.catch(() => {}) // the others hear of it
      throw overloaded('Too many unknown keys are being looked up; try again shortly.')
    }
    this.#checks++
    try {
      return await verdict
    } finally {
      this.#checks--
    }
  }

  /**
   * What a caller without a valid key is told: `error`, or 429 when its client has given too many wrong ones. Then the
   * answer comes late, and what arrives of the body meanwhile is discarded.
   */
  refusal(request: IncomingMessage, error: AppError): AppError | Promise<AppError> {
    if (request.headers.authorization === undefined) return error
    const client = clientOf(request.socket.remoteAddress)
    const waitMs = this.#wrongKeys.waitMs(client)
    if (waitMs === 0) {
      this.#wrongKeys.count(client)
      return error
    }
    const tooMany = new AppError(
      'too_many_wrong_keys',
      'Too many wrong API keys came from this address. Send a valid one; it is accepted at once.',
      { retryAfterSeconds: Math.ceil(waitMs / 1000) },
    )
    return this.#refusals >= refusalsMax ? tooMany : this.#later(request, tooMany)
  }

  async #later(request: IncomingMessage, error: AppError): Promise<AppError> {
    this.#refusals++
    request.resume()
    try {
      await setTimeout(refusalMs)
    } finally {
      this.#refusals--
    }
    return error
  }
}

/** A hook for the routes that need a key. It waits only where `Callers` returns a promise. */
export function requireKey(callers: Callers): onRequestHookHandler {
  return (request, _reply, done) => {
    const decide = (accepted: boolean): void => {
      if (accepted) {
        done()
        return
      }
      const refusal = callers.refusal(request.raw, unauthorized())
      if (refusal instanceof AppError) done(refusal)
      else refusal.then(done, done)
    }
    const accepted = callers.hasKey(request.raw)
    if (typeof accepted === 'boolean') decide(accepted)
    else accepted.then(decide, done)
  }
}

function unauthorized(): AppError {
  return new AppError('unauthorized', 'Send a valid API key: Authorization: Bearer whk_…')
}
