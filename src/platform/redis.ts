import { every, type Repeated } from './every.ts'
import type { Logger } from './logger.ts'
import {
  type ConnectionOptions,
  failFast,
  patient,
  type RedisClient,
  RedisConnection,
  redisReasonOf,
  troubleOf,
} from './redis-connection.ts'
import type { Troubles, TroubleWords } from './troubles.ts'

export type { RedisClient } from './redis-connection.ts'

/** `full`: Redis answers, but refuses writes (out of memory). */
export type RedisState = 'ok' | 'unavailable' | 'full'

export interface RedisLinkOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. */
  readonly url: string
  /** Before every key and channel, so that several installations can share one Redis. */
  readonly prefix: string
  readonly logger: Logger
  readonly troubles: Troubles
  /** How long to wait for an answer; 1 s unless given. */
  readonly commandTimeoutMs?: number
  /** Time between probes, which are small writes; 1 s unless given. */
  readonly probeEveryMs?: number | undefined
}

/** The key of the probe expires after this long, also when this process is gone. */
const probeKeepsMs = 60_000

/** Starts a link to Redis. Never throws, and does not wait for the connection: see `state`. */
export function openRedis(options: RedisLinkOptions): RedisLink {
  return new RedisLink(options)
}

/**
 * The connections of this process to Redis, and what it knows of Redis' state. Redis is never the only holder of
 * anything, so nothing here throws because Redis is away. Ask `isUsable` first, and do without Redis when it is false.
 */
export class RedisLink {
  /** For commands. They fail at once without a connection, and after `commandTimeoutMs` without an answer. */
  readonly client: RedisClient
  readonly prefix: string
  readonly #options: RedisLinkOptions
  readonly #connections = new Set<RedisClient>()
  readonly #changeListeners = new Set<(state: RedisState) => void>()
  readonly #channels = new Map<string, Set<(message: string) => void>>()
  readonly #probing: Repeated
  #subscriber: RedisClient | undefined
  #state: RedisState | undefined
  #usable = false
  #policyTold = false
  #closed = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.prefix = options.prefix
    this.client = this.duplicate('commands')
    this.client.on('ready', () => void this.#probe())
    this.client.on('close', () => this.#become('unavailable', 'the connection was closed'))
    this.#probing = every(options.probeEveryMs ?? 1000, 'probe of Redis', options.logger, () => this.#probe())
  }

  /** The state of Redis. `unavailable` until it has taken the first write. */
  get state(): RedisState {
    return this.#state ?? 'unavailable'
  }

  /** False after a lost connection, a timed-out command or a refused write, until the next probe succeeds. */
  get isUsable(): boolean {
    return this.#usable
  }

  /** `prefix:part:part`. */
  key(...parts: readonly (string | number)[]): string {
    return `${this.prefix}:${parts.join(':')}`
  }

  /** Calls the listener after each change of `state`. @returns a function that ends this */
  onChange(listener: (state: RedisState) => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  /** Reports an error from elsewhere, such as BullMQ. Errors of this link's own commands are reported already. */
  report(error: unknown): void {
    const trouble = troubleOf(error)
    if (trouble !== 'none') this.#become(trouble, redisReasonOf(error))
  }

  /** Another connection that fails fast. It is closed with the link. */
  duplicate(name: string): RedisClient {
    const { commandTimeoutMs = 1000 } = this.#options
    return this.#open({ ...failFast(commandTimeoutMs), connectionName: name })
  }

  /**
   * A connection for BullMQ. A producer's fails fast, as `client` does; a worker's waits until Redis is there. BullMQ
   * makes more of them with `duplicate()` and closes those itself, but not always while Redis is away; what is left of
   * them is closed with the link, as this one is.
   */
  bullConnection(role: 'producer' | 'worker'): RedisClient {
    return role === 'producer'
      ? this.duplicate('producer')
      : this.#open({ ...patient, connectionName: 'worker' })
  }

  /** Publishes to all who listen now. Best effort: the message is lost while Redis is away. */
  publish(channel: string, message: string): void {
    if (!this.#usable) return
    this.client.publish(this.key(channel), message).catch(() => {}) // the connection has reported it
  }

  /**
   * Listens to a channel, over later connections too; what is published between two connections is missed.
   *
   * @returns a function that ends this
   */
  subscribe(channel: string, listener: (message: string) => void): () => void {
    const name = this.key(channel)
    const subscriber = this.#subscriber ?? this.#openSubscriber()
    const listeners = this.#channels.get(name) ?? new Set()
    this.#channels.set(name, listeners.add(listener))
    if (listeners.size === 1 && subscriber.status === 'ready') this.#listen([name])
    return () => {
      listeners.delete(listener)
      if (listeners.size > 0 || !this.#channels.delete(name)) return
      if (subscriber.status === 'ready') subscriber.unsubscribe(name).catch(() => {})
    }
  }

  /** Closes every connection. Takes at most a second, whatever Redis does. */
  async close(): Promise<void> {
    this.#closed = true
    this.#usable = false
    const ends = [...this.#connections].filter(({ status }) => status !== 'end').map(ended)
    for (const connection of this.#connections) connection.disconnect()
    await Promise.all([...ends, this.#probing.stop()])
  }

  #open(options: ConnectionOptions): RedisClient {
    return new RedisConnection(this.#options.url, options, {
      failed: error => this.report(error),
      opened: connection => {
        this.#connections.add(connection)
        connection.once('end', () => this.#connections.delete(connection))
      },
    })
  }

  #openSubscriber(): RedisClient {
    const subscriber = this.duplicate('subscriber')
    this.#subscriber = subscriber
    subscriber.on('ready', () => this.#listen([...this.#channels.keys()]))
    subscriber.on('message', (channel: string, message: string) => {
      for (const listener of this.#channels.get(channel) ?? []) this.#tell(listener, channel, message)
    })
    return subscriber
  }

  /** Anybody may publish, so a message that a listener cannot read must not end the process. */
  #tell(listener: (message: string) => void, channel: string, message: string): void {
    try {
      listener(message)
    } catch (error) {
      this.#options.logger.error({ err: error, channel }, 'a message over Redis could not be understood')
    }
  }

  #listen(channels: readonly string[]): void {
    if (channels.length === 0) return
    // A connection that could not subscribe hears nothing, so it is replaced.
    this.#subscriber?.subscribe(...channels).catch(() => this.#subscriber?.disconnect(true))
  }

  /** One small write. The connection reports its failure. */
  async #probe(): Promise<void> {
    if (this.#closed || this.client.status !== 'ready') return
    // Nothing else is sent over the subscriber's connection, so only this notices a peer that vanished.
    if (this.#subscriber?.status === 'ready') this.#subscriber.ping().catch(() => {})
    try {
      await this.client.set(this.key('probe'), '1', 'PX', probeKeepsMs)
    } catch {
      return
    }
    this.#become('ok', 'it takes writes')
    await this.#lookAtPolicy().catch(() => {})
  }

  #become(state: RedisState, reason: string): void {
    if (this.#closed) return
    if (state !== 'ok') this.#options.troubles.hit('redis', 1, state === 'full' ? 'memory' : undefined)
    if (state === this.#state) return
    this.#state = state
    this.#usable = state === 'ok'
    this.#tellState(state, reason)
    for (const listener of this.#changeListeners) listener(state)
  }

  #tellState(state: RedisState, reason: string): void {
    const { logger, troubles } = this.#options
    if (state !== 'ok') {
      troubles.began(state === 'full' ? full(reason) : away(reason))
      return
    }
    if (!troubles.has('redis') && !troubles.has('redis', 'memory')) logger.info('Redis is in use')
    troubles.ended('redis', 'memory')
    troubles.ended('redis')
  }

  async #lookAtPolicy(): Promise<void> {
    if (this.#policyTold) return
    // By INFO, because many providers refuse CONFIG.
    const policy = /^maxmemory_policy:(\S+)/m.exec(await this.client.info('memory'))?.[1]
    this.#policyTold = true
    if (policy === undefined || policy === 'noeviction') return
    this.#options.logger.warn(
      { policy },
      'Redis may throw away keys when it is full; set maxmemory-policy to noeviction',
    )
  }
}

const away = (cause: string): TroubleWords => ({
  kind: 'redis',
  level: 'warn',
  message: 'Redis is not available; goes on without it, more slowly',
  cause,
  over: 'Redis is in use again',
  counts: 'errors',
})

const full = (cause: string): TroubleWords => ({
  ...away(cause),
  subject: 'memory',
  message: 'Redis is full and takes no writes; goes on without it, more slowly',
  over: 'Redis takes writes again',
})

/** Resolves when a connection has ended, or after a second. */
function ended(connection: RedisClient): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, 1000)
    connection.once('end', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
