import fastifyRateLimit, { type RateLimitPluginOptions } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { callerOf } from './access.ts'

/** How many requests callers may send, and where they are counted. */
export interface KeyLimitRules {
  /** Of each key, and of each portal token. */
  readonly requestsPerSecond: number
  /** Where all processes count together; undefined: each counts for itself. */
  readonly link: SharedCount | undefined
}

/** What counting needs of `RedisLink`. */
export interface SharedCount {
  readonly isUsable: boolean
  readonly client: object
  key(...parts: readonly string[]): string
}

/**
 * Counts a request for its caller (`request.caller`), and gives its answer the headers `RateLimit-Limit`,
 * `RateLimit-Remaining` and `RateLimit-Reset`. Rejects with an `AppError` (`rate_limited`) when the caller has sent too
 * many.
 */
export type KeyLimit = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

const windowMs = 1000
/** At most this many keys are counted at a time in one process; of more, those that sent last. */
const keysMax = 100_000

/**
 * The limit of requests for each key. It counts in Redis where there is one, with one command for each request. While Redis
 * is away each process counts for itself: a service that limits nobody then would be least protected when it is slowest.
 */
export async function openKeyLimit(app: FastifyInstance, rules: KeyLimitRules): Promise<KeyLimit> {
  const { requestsPerSecond: max, link } = rules
  const options: RateLimitPluginOptions = {
    max,
    timeWindow: windowMs,
    global: false, // `Callers` asks, once it knows the caller; no route is limited otherwise
    enableDraftSpec: true,
    keyGenerator: request => {
      const { kind, id } = callerOf(request).actor
      return `${kind}:${id}`
    },
    errorResponseBuilder: (request, { max, ttl }) => tooMany(request, max, ttl),
  }
  const alone = await handler(app, { ...options, cache: keysMax })
  if (link === undefined) return alone
  const together = await handler(app, {
    ...options,
    redis: link.client,
    nameSpace: link.key('rate-limit', ''),
  })
  return async (request, reply) => {
    if (!link.isUsable) return alone(request, reply)
    try {
      await together(request, reply)
    } catch (error) {
      if (error instanceof AppError) throw error
      await alone(request, reply) // the link has reported why Redis did not count
    }
  }
}

/** Each registration of the plugin has a scope and a store of its own. */
async function handler(app: FastifyInstance, options: RateLimitPluginOptions): Promise<KeyLimit> {
  let limit: KeyLimit | undefined
  await app.register(async scope => {
    await scope.register(fastifyRateLimit, options)
    const hook = scope.rateLimit()
    limit = async (request, reply) => {
      await hook.call(scope, request, reply)
    }
  })
  if (limit === undefined) throw new Error('the plugin was not loaded')
  return limit
}

function tooMany(request: FastifyRequest, max: number, leftMs: number): AppError {
  const what = callerOf(request).actor.kind === 'portal_token' ? 'portal token' : 'key'
  return new AppError(
    'rate_limited',
    `This ${what} may send ${max} ${max === 1 ? 'request' : 'requests'} a second. Wait for as many seconds as Retry-After says; many events fit in one request (POST /events/batch).`,
    { retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)) },
  )
}
