import type { Client } from 'undici'
import type { Connector } from '../../egress/connector.ts'
import { type ConnectionCount, OriginPool } from './origin-pool.ts'

/** All that a connection depends on: requests that agree in it share connections, others never do. */
export interface Route {
  /** Scheme, host and port. */
  readonly origin: string
  /**
   * What makes the connections. It stands for the rest that they depend on (proxy, rules of TLS, client certificate),
   * since it is made with those, and keeps the TLS sessions that are resumed. So requests that differ in any of it need
   * different connectors.
   */
  readonly connector: Connector
  /** Differs between messages with different credentials, also where these are in headers alone; undefined: there are none. */
  readonly credentials?: string | undefined
}

/** At most this many routes keep a pool; the one unused for longest goes. With an open socket each takes about 190 KB. */
const poolsMax = 1024

/** When there is no room for a new connection, this part of all gives way if it is idle: one at a time would be a search each. */
const givingWayPart = 1 / 8

/**
 * The pools of connections to receivers, one for each route. Where there are as many connections as there may be, idle ones
 * make room for a new one. It is the dispatcher that keeps more from being in use at a time.
 */
export class ConnectionPools {
  readonly #connectionsMax: number
  #open = 0
  /** In order of last use: a Map remembers insertion, and each use inserts anew. */
  readonly #pools = new Map<string, OriginPool>()
  readonly #connectorNumbers = new WeakMap<Connector, number>()
  #lastNumber = 0

  /** @param connectionsMax of all pools together; unlimited when not given */
  constructor(connectionsMax = Number.POSITIVE_INFINITY) {
    this.#connectionsMax = connectionsMax
  }

  /** Connections that are open or being made. */
  get open(): number {
    return this.#open
  }

  /** @throws TypeError when the origin is no URL */
  poolFor(route: Route): OriginPool {
    const key = this.#keyOf(route)
    const known = this.#pools.get(key)
    if (known) {
      // Moving to the end on every use costs a hash insert; only worth it when eviction is near.
      if (this.#pools.size > poolsMax / 2) {
        this.#pools.delete(key)
        this.#pools.set(key, known)
      }
      return known
    }
    const pool = new OriginPool(route.origin, clientOptions(route.connector), this.#count)
    this.#pools.set(key, pool)
    this.#evict()
    return pool
  }

  /** Closes connections on which nothing runs, at most `most`; their descriptors are free a turn of the event loop later. */
  closeIdle(most = Number.POSITIVE_INFINITY): void {
    let left = most
    for (const pool of this.#pools.values()) {
      if (left <= 0) return
      left -= pool.closeIdle(left)
    }
  }

  /** Cuts what runs, and closes every connection. */
  async destroy(): Promise<void> {
    await Promise.allSettled([...this.#pools.values()].map(pool => pool.destroy()))
    this.#pools.clear()
  }

  #count: ConnectionCount = {
    opened: () => {
      if (this.#open >= this.#connectionsMax) this.closeIdle(Math.ceil(this.#connectionsMax * givingWayPart))
      this.#open++
    },
    closed: () => {
      this.#open--
    },
  }

  /** The one place where routes are told apart. */
  #keyOf({ origin, connector, credentials }: Route): string {
    let number = this.#connectorNumbers.get(connector)
    if (number === undefined) {
      number = ++this.#lastNumber
      this.#connectorNumbers.set(connector, number)
    }
    return credentials === undefined ? `${number} ${origin}` : `${number} ${origin} ${credentials}`
  }

  #evict(): void {
    if (this.#pools.size <= poolsMax) return
    const [oldest] = this.#pools
    if (!oldest) return
    this.#pools.delete(oldest[0])
    oldest[1].close() // what runs on it ends first
  }
}

/**
 * How long a connection is kept while nothing is sent on it. Servers close theirs after 2 s (gunicorn) or 5 s (Apache,
 * Node, uvicorn) without saying so, and a request that is under way just then is lost. A receiver that names its time in
 * `Keep-Alive` gets that, less the margin for the way there and back.
 */
const idleMs = { usual: 1500, most: 60_000, margin: 500 } as const

/**
 * Settings differ from undici's defaults where those are made for clients of few, known servers: no HTTP/2, and no
 * timeouts between chunks, which a dripping receiver never reaches; the total deadline of each request covers both.
 */
function clientOptions(connect: Connector): Client.Options {
  return {
    connect,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: idleMs.usual,
    keepAliveMaxTimeout: idleMs.most,
    keepAliveTimeoutThreshold: idleMs.margin,
    maxHeaderSize: 16_384,
  }
}
