import type { Client } from 'undici'
import type { Connector } from '../../egress/connector.ts'
import type { Capture } from '../../model/exchange-details.ts'
import type { Outcome } from '../../model/outcome.ts'
import { Exchange, type ExchangeOptions, type OutgoingRequest } from './exchange.ts'
import { OriginPool } from './origin-pool.ts'

export interface SenderOptions {
  /** So much of an answer is read; then the connection is closed. */
  readonly responseBytesMax: number
  /** What is remembered of attempts, besides their outcome; nothing by default. */
  readonly capture?: Capture
  /** Makes every connection; it alone decides where one may lead (egress.ts). */
  readonly connector: Connector
}

/** So many origins keep a pool; the one unused for longest goes. With an open socket each takes about 190 KB. */
const poolsMax = 1024

/**
 * Sends requests over connections that are used again, pooled per origin. Settings differ from undici's defaults where those are
 * made for clients of few, known servers: no HTTP/2, no unlimited answers, and one total deadline instead of
 * timeouts between chunks, which a dripping receiver never trips. Redirects are not followed (`dispatch` never does).
 */
export class Sender {
  readonly #clientOptions: Client.Options
  readonly #exchangeOptions: ExchangeOptions
  /** In order of last use: a Map remembers insertion, and each use inserts anew. */
  readonly #pools = new Map<string, OriginPool>()
  readonly #running = new Set<Exchange>()

  constructor(options: SenderOptions) {
    this.#clientOptions = clientOptions(options.connector)
    const { responseBytesMax, capture = { of: 'none', bodyBytesMax: 0 } } = options
    this.#exchangeOptions = { responseBytesMax, capture }
  }

  send(request: OutgoingRequest): Promise<Outcome> {
    return new Promise(resolve => {
      const exchange = new Exchange(request, this.#exchangeOptions, outcome => {
        this.#running.delete(exchange)
        resolve(outcome)
      })
      this.#running.add(exchange)
      try {
        this.#poolOf(request.origin).dispatch(
          { path: request.path, method: 'POST', headers: request.headers as string[], body: request.body },
          exchange,
        )
      } catch (error) {
        exchange.onResponseError(undefined, error)
      }
    })
  }

  /** Ends what still runs (their outcome is a failure of class `timeout`) and closes all sockets. */
  async close(): Promise<void> {
    for (const exchange of [...this.#running]) exchange.expire('the service is stopping')
    await Promise.allSettled([...this.#pools.values()].map(pool => pool.destroy()))
    this.#pools.clear()
  }

  #poolOf(origin: string): OriginPool {
    const known = this.#pools.get(origin)
    if (known) {
      // Moving to the end on every use costs a hash insert; only worth it when eviction is near.
      if (this.#pools.size > poolsMax / 2) {
        this.#pools.delete(origin)
        this.#pools.set(origin, known)
      }
      return known
    }
    const pool = new OriginPool(origin, this.#clientOptions)
    this.#pools.set(origin, pool)
    this.#evict()
    return pool
  }

  #evict(): void {
    if (this.#pools.size <= poolsMax) return
    const [oldest] = this.#pools
    if (!oldest) return
    this.#pools.delete(oldest[0])
    oldest[1].close() // what runs on it ends first
  }
}

function clientOptions(connect: Connector): Client.Options {
  return {
    connect,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0, // the total deadline covers both
    bodyTimeout: 0,
    keepAliveTimeout: 10_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 16_384,
  }
}
