import { Redis, type RedisOptions } from 'ioredis'

/** Options of ioredis. `legacy`: replies have the same shapes under every version of the protocol. */
export type ConnectionOptions = RedisOptions & { replyMapping?: 'legacy' }

/** One connection to Redis, as ioredis makes it. */
export type RedisClient = Redis

/** What the error of a command tells about the whole server. */
export type RedisTrouble = 'unavailable' | 'full' | 'none'

/** Errors after which this server cannot be used now, whatever the command. */
const useless = new Set([
  'BUSY',
  'CLUSTERDOWN',
  'DENIED',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'READONLY',
  'WRONGPASS',
])

/** How long a close waits for the other side; then the socket is destroyed. */
const disconnectMs = 500
const connectMs = 5000

/** A worker waits at most 10 s for a job (BullMQ's own bound), so after this long without an answer the peer is dead. */
const workerSilenceMs = 15_000

/** Delays grow from 50 ms to 2 s, without a last try. Jitter keeps many processes from connecting at the same moment. */
const retryStrategy = (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 1800) + Math.random() * 200

const common: ConnectionOptions = {
  retryStrategy,
  connectTimeout: connectMs,
  disconnectTimeout: disconnectMs,
  keepAlive: 10_000,
  // `RedisLink` subscribes by itself at each new connection: ioredis forgets what was subscribed while there was none.
  autoResubscribe: false,
}

/** Commands fail at once without a connection, and after `commandTimeoutMs` without an answer. None is sent again. */
export function failFast(commandTimeoutMs: number): ConnectionOptions {
  return {
    ...common,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  }
}

/** Commands wait for a connection. BullMQ requires it of connections that wait for jobs. */
export const patient: ConnectionOptions = {
  ...common,
  maxRetriesPerRequest: null,
  socketTimeout: workerSilenceMs,
}

/** What a link hears of its connections. */
export interface RedisConnectionListeners {
  /** There is one more: this one, or one that BullMQ made of it. */
  readonly opened: (connection: RedisConnection) => void
  /** Hears of every failure, of commands and of the connection itself. */
  readonly failed: (error: unknown) => void
}

/**
 * A connection that reports each command that failed, and drops the socket when an answer did not come in time.
 * Otherwise a peer that vanished would be noticed only when TCP gives up, many minutes later.
 */
export class RedisConnection extends Redis {
  readonly #url: string
  readonly #options: ConnectionOptions
  readonly #listeners: RedisConnectionListeners
  #dropping = false

  constructor(url: string, options: ConnectionOptions, listeners: RedisConnectionListeners) {
    super(url, options)
    this.#url = url
    this.#options = options
    this.#listeners = listeners
    listeners.opened(this)
    // Without a listener an 'error' would be printed, or end the process.
    this.on('error', listeners.failed)
    this.on('close', () => {
      this.#dropping = false
    })
  }

  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    const answer = super.sendCommand(...args)
    if (answer instanceof Promise) answer.catch(error => this.#commandFailed(error))
    return answer
  }

  /** Another connection of the same kind. BullMQ calls this for the connection on which it waits. */
  override duplicate<Changes extends Partial<RedisOptions> | undefined>(
    changes?: Changes,
  ): ReturnType<typeof Redis.prototype.duplicate<Changes>> {
    const options = { ...this.#options, ...changes, replyMapping: 'legacy' as const }
    const further: unknown = new RedisConnection(this.#url, options, this.#listeners)
    return further as ReturnType<typeof Redis.prototype.duplicate<Changes>> // replies are never mapped otherwise here
  }

  #commandFailed(error: unknown): void {
    hideArguments(error)
    if (isRefusedDatabase(error)) {
      this.#listeners.failed(new Error(`it refuses the database in REDIS_URL: ${error.message}`))
      // Else it would go on in database 0, which nobody asked for.
      this.disconnect(true)
      return
    }
    this.#listeners.failed(error)
    const lost = isTimeout(error) || redisReasonOf(error) === 'READONLY' // now a replica
    if (!lost || this.#dropping || this.status !== 'ready') return
    this.#dropping = true
    this.disconnect(true)
  }
}

/** What the error tells about the whole server; `none` when only the command was wrong. */
export function troubleOf(error: unknown): RedisTrouble {
  if (!(error instanceof Error)) return 'none'
  if (error.name !== 'ReplyError') return 'unavailable'
  const word = firstWord(error.message)
  if (word === 'OOM') return 'full'
  return useless.has(word) ? 'unavailable' : 'none'
}

/** The error in one word or one line, without the arguments that were sent. */
export function redisReasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'ReplyError') return firstWord(error.message)
  return error.message.slice(0, 200)
}

function isRefusedDatabase(error: unknown): error is Error {
  if (!(error instanceof Error) || error.name !== 'ReplyError' || !('command' in error)) return false
  const { name } = Object(error.command) as { readonly name?: unknown } // set by ioredis
  return name === 'select' && troubleOf(error) === 'none'
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out'
}

function firstWord(message: string): string {
  return /^[A-Z]+/.exec(message)?.[0] ?? 'ERR'
}

/** ioredis adds the command with its arguments to the error. The arguments of HELLO and AUTH hold the password. */
function hideArguments(error: unknown): void {
  if (!(error instanceof Error) || !('command' in error)) return
  const { name } = Object(error.command) as { readonly name?: unknown } // set by ioredis
  error.command = { name }
  // Old servers quote what they did not understand: "unknown command 'HELLO', with args beginning with …".
  if (name === 'hello' || name === 'auth') error.message = error.message.replace(/[,(] ?with args.*$/s, '')
}
