import type { Subscription } from '../subscriptions/subscription.ts'

export type RateLimit = NonNullable<Subscription['rateLimit']>

/**
 * Keeps a rate limit: each attempt takes a token, of which there are `requests` at first, and as many again every
 * `perSeconds`, evenly. The limit is given each time, since a change of the subscription may have changed it. Times are
 * Unix milliseconds.
 */
export class TokenBucket {
  #tokens = Number.POSITIVE_INFINITY // as many as the limit allows, once it is known
  #filledAt = 0

  /** When there is a token; not after `now`: there is one. */
  nextAt(limit: RateLimit, now: number): number {
    this.#fill(limit, now)
    return this.#tokens >= 1 ? now : Math.ceil(now + (1 - this.#tokens) / tokensPerMs(limit))
  }

  /** Takes one, also when there is none: those that follow then wait the longer. */
  take(limit: RateLimit, now: number): void {
    this.#fill(limit, now)
    this.#tokens -= 1
  }

  /** When all of them will be there again. */
  fullAt(limit: RateLimit, now: number): number {
    this.#fill(limit, now)
    return now + (limit.requests - this.#tokens) / tokensPerMs(limit)
  }

  /** Another process has used them: all will be there again at `fullAt`. Infinity: none is left. */
  continueFrom(fullAt: number, limit: RateLimit, now: number): void {
    this.#fill(limit, now)
    const left = limit.requests - Math.max(0, fullAt - now) * tokensPerMs(limit)
    this.#tokens = Math.max(0, Math.min(this.#tokens, left))
  }

  #fill(limit: RateLimit, now: number): void {
    this.#tokens = Math.min(limit.requests, this.#tokens + (now - this.#filledAt) * tokensPerMs(limit))
    this.#filledAt = now
  }
}

function tokensPerMs({ requests, perSeconds }: RateLimit): number {
  return requests / (perSeconds * 1000)
}
