import { Redis, type RedisOptions } from 'ioredis'

/** Options of ioredis; replies keep the shapes that they have had in every version of the protocol. */
export type ConnectionOptions = RedisOptions & { replyMapping?: 'legacy' }

/** One connection to Redis, as ioredis makes it. */
export type RedisClient = Redis

/** What an error of a command says about Redis as a whole. */
export type RedisTrouble = 'unavailable' | 'full' | 'none'

/** Answers that mean that this server is of no use now, whatever it is asked. */
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

/** Until the peer has closed too; then the socket is destroyed. */
const disconnectMs = 500
const connectMs = 5000

/** A worker waits for a job for at most 10 s at a time (BullMQ's own bound), so silence beyond this is a dead peer. */
const workerSilenceMs = 15_000

/** Grows from 50 ms to 2 s, for ever. Jitter keeps many processes from coming back at the same moment. */
const retryStrategy = (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 1800) + Math.random() * 200

const common: ConnectionOptions = {
  retryStrategy,
  connectTimeout: connectMs,
  disconnectTimeout: disconnectMs,
  keepAlive: 10_000,
  // Done by hand at each new connection, for a subscription made while there was none is not in ioredis' own list.
  autoResubscribe: false,
}

/** Commands fail at once without a connection, and after `commandTimeoutMs` without an answer; nothing is repeated. */
export function failFast(commandTimeoutMs: number): ConnectionOptions {
  return {
    ...common,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  }
}

/** Commands wait for a connection, as BullMQ wants it of those that wait for jobs. */
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
 * A connection that tells of each command that failed, and drops the socket when an answer did not come in time: a
 * peer that vanished without a word would else be believed in until TCP gives up, many minutes later.
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
    // An 'error' that nobody listens to would be printed, or end the process.
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

  /** A further one of the same kind. BullMQ calls this for the connection on which it waits. */
  override duplicate<Changes extends Partial<RedisOptions> | undefined>(
    changes?: Changes,
  ): ReturnType<typeof Redis.prototype.duplicate<Changes>> {
    const options = { ...this.#options, ...changes, replyMapping: 'legacy' as const }
    const further: unknown = new RedisConnection(this.#url, options, this.#listeners)
    return further as ReturnType<typeof Redis.prototype.duplicate<Changes>> // replies are never mapped otherwise here
  }

  #commandFailed(error: unknown): void {
    hideArguments(error)
    this.#listeners.failed(error)
    const lost = isTimeout(error) || reasonOf(error) === 'READONLY' // a replica now: the name may lead elsewhere
    if (!lost || this.#dropping || this.status !== 'ready') return
    this.#dropping = true
    this.disconnect(true)
  }
}

/** What the error says of Redis as a whole; `none` when only the command was wrong. */
export function troubleOf(error: unknown): RedisTrouble {
  if (!(error instanceof Error)) return 'none'
  if (error.name !== 'ReplyError') return 'unavailable'
  const word = firstWord(error.message)
  if (word === 'OOM') return 'full'
  return useless.has(word) ? 'unavailable' : 'none'
}

/** The error in a word or a line, without anything that was sent. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'ReplyError') return firstWord(error.message)
  return error.message.slice(0, 200)
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out'
}

function firstWord(message: string): string {
  return /^[A-Z]+/.exec(message)?.[0] ?? 'ERR'
}

/** ioredis hangs the command with its arguments on the error: the password is among those of HELLO and AUTH. */
function hideArguments(error: unknown): void {
  if (!(error instanceof Error) || !('command' in error)) return
  const { name } = Object(error.command) as { readonly name?: unknown } // set by ioredis
  error.command = { name }
  // Old servers repeat what they did not understand: "unknown command 'HELLO', with args beginning with …".
  if (name === 'hello' || name === 'auth') error.message = error.message.replace(/[,(] ?with args.*$/s, '')
}
