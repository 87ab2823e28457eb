import type { IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { AppError, overloaded } from '../errors.ts'
import { type Caller, localOperator } from '../model/caller.ts'
import { mayCall, notForThisKey } from './access.ts'
import { clientOf } from './client-address.ts'
import type { KeyLimit } from './key-limit.ts'
import { checkOwnPage, sessionOf } from './session-cookie.ts'
import { WrongKeys } from './wrong-keys.ts'

/** Who gave an `Authorization` header: at once, or by a promise when the database has to be asked. */
export interface KeyCheck {
  /** @returns undefined when it holds no valid key */
  identify(authorization: string | undefined): Caller | undefined | Promise<Caller | undefined>
}

/** Whose session a browser has. */
export interface SessionCheck {
  /** @returns undefined when it has ended */
  identify(text: string): Promise<Caller | undefined>
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
  readonly #limit: KeyLimit | undefined
  readonly #sessions: SessionCheck | undefined
  readonly #wrongKeys = new WrongKeys()
  #refusals = 0
  #checks = 0

  /**
   * @param limit undefined: callers may send as many requests as they like
   * @param sessions undefined: a key is all that counts
   */
  constructor(keys: KeyCheck, limit?: KeyLimit, sessions?: SessionCheck) {
    this.#keys = keys
    this.#limit = limit
    this.#sessions = sessions
  }

  /**
   * Counts the request of a caller with a valid key, before its body is read. It sets `request.caller`.
   *
   * @returns undefined where there is no limit; else a promise, which rejects with an `AppError` when there were too many
   */
  count(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<void> | undefined {
    request.caller = caller
    return this.#limit?.(request, reply)
  }

  /**
   * Whose key the request has; undefined when it has no valid one. A promise only when the database has to be asked; it
   * rejects with an `AppError` when that fails.
   */
  identify(request: IncomingMessage): Caller | undefined | Promise<Caller | undefined> {
    const { authorization } = request.headers
    if (authorization === undefined) return this.#identifySession(request)
    const caller = this.#keys.identify(authorization)
    return caller instanceof Promise ? this.#awaited(caller) : caller
  }

  /** The same of a key that did not come as a header. */
  identifyKey(key: string): Caller | undefined | Promise<Caller | undefined> {
    const caller = this.#keys.identify(`Bearer ${key}`)
    return caller instanceof Promise ? this.#awaited(caller) : caller
  }

  /** A browser with a session sends its cookie with each request; each is looked up, so that an end holds at once. */
  #identifySession(request: IncomingMessage): Promise<Caller | undefined> | undefined {
    const text = this.#sessions && sessionOf(request)
    if (text === undefined || this.#sessions === undefined) return undefined
    try {
      checkOwnPage(request)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#awaited(this.#sessions.identify(text))
  }

  async #awaited(caller: Promise<Caller | undefined>): Promise<Caller | undefined> {
    if (this.#checks >= checksMax) {
      caller.catch(() => {}) // the others hear of it
      throw overloaded('Too many unknown keys are being looked up; try again shortly.')
    }
    this.#checks++
    try {
      return await caller
    } finally {
      this.#checks--
    }
  }

  /**
   * What a caller without a valid key is told: `error`, or 429 when its client has given too many wrong ones. Then the
   * answer comes late, and what arrives of the body meanwhile is discarded.
   */
  refusal(
    request: IncomingMessage,
    error: AppError,
    gaveOne: boolean = request.headers.authorization !== undefined,
  ): AppError | Promise<AppError> {
    if (!gaveOne) return error
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

/**
 * A hook for the routes that ask who calls: it sets `request.caller`, and refuses who may not call the route. It waits only
 * where `Callers` returns a promise.
 *
 * @param callers undefined: no keys are asked for, and everyone is the operator
 */
export function identifyCaller(callers: Callers | undefined): onRequestHookHandler {
  return (request, reply, done) => {
    const decide = (caller: Caller | undefined): void => {
      const { access } = request.routeOptions.config
      if (caller !== undefined && access !== undefined) {
        request.caller = caller
        const answer = () => done(mayCall(caller, access) ? undefined : notForThisKey(caller, access))
        const counted = callers?.count(request, reply, caller)
        if (counted === undefined) answer()
        else counted.then(answer, done)
        return
      }
      const refusal = callers?.refusal(request.raw, unauthorized()) ?? unauthorized()
      if (refusal instanceof AppError) done(refusal)
      else refusal.then(done, done)
    }
    const caller = callers === undefined ? localOperator : callers.identify(request.raw)
    if (caller instanceof Promise) caller.then(decide, done)
    else decide(caller)
  }
}

function unauthorized(): AppError {
  return new AppError('unauthorized', 'Send a valid API key: Authorization: Bearer whk_…')
}
