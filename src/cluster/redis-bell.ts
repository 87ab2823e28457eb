import type { RedisLink, RedisState } from '../platform/redis.ts'
import type { Bell } from './bell.ts'

const lanesChannel = 'lanes'

/** Redis as the messenger between processes, and PostgreSQL for as long as Redis is away. */
export class RedisBell implements Bell {
  readonly name = 'redis'
  readonly #link: RedisLink
  readonly #fallback: Bell
  #ringing = false

  constructor(link: RedisLink, fallback: Bell) {
    this.#link = link
    this.#fallback = fallback
  }

  get state(): RedisState {
    return this.#link.state
  }

  ring(): void {
    if (!this.#link.isUsable) {
      this.#fallback.ring()
      return
    }
    if (this.#ringing) return
    this.#ringing = true
    setImmediate(() => {
      this.#ringing = false
      this.#link.publish(lanesChannel, '')
    })
  }

  /** Calls the listener when another process rings. */
  onRing(listener: () => void): void {
    this.#link.subscribe(lanesChannel, listener)
  }
}
