import type { Connector } from '../../egress/connector.ts'
import type { Capture } from '../../model/exchange-details.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { Clock } from '../../platform/clock.ts'
import { UnorderedList } from '../../platform/unordered-list.ts'
import type { Subscription } from '../../subscriptions/subscription.ts'
import type { Destination, Message } from '../destination.ts'
import type { AccessTokens } from './access-tokens.ts'
import { ConnectionPools } from './connection-pools.ts'
import { Exchange, type ExchangeOptions, type OutgoingRequest, type WhySentAgain } from './exchange.ts'
import { deliverWithToken } from './with-token.ts'

/** Where access tokens of OAuth 2 come from. */
export { AccessTokens } from './access-tokens.ts'
/** Explains what fails over HTTP. */
export { httpHint } from './hint.ts'
export { TokenEndpoint } from './token-endpoint.ts'

export interface HttpDestinationOptions {
  readonly clock: Clock
  /** At most this much of an answer is read; then the connection is closed. */
  readonly responseBytesMax: number
  /** What is remembered of attempts, besides their outcome; nothing by default. */
  readonly capture?: Capture
  /**
   * Makes the connections to the receiver of a subscription; it alone decides where one may lead (egress.ts).
   * Subscriptions share connections to an origin if they have the same connector, and never else. A promise where it has to
   * be looked up; the time for the whole attempt runs meanwhile.
   */
  readonly connectorFor: ConnectorFor
  /** Connections to receivers, in all; unlimited when not given. Idle ones give way to new ones. */
  readonly connectionsMax?: number | undefined
  /** For subscriptions that authenticate by OAuth 2; left out: nothing is delivered to those. */
  readonly tokens?: AccessTokens
}

/** A connector that leads to this service itself, where the receiver has another path than from outside. */
export interface OwnWay {
  readonly connector: Connector
  readonly path: string
}

export type ConnectorFor = (to: Subscription) => Connector | OwnWay | Promise<Connector | OwnWay>

/** What an operator may want to know of the connections. */
export interface HttpFigures {
  /** Open, or being made. */
  readonly connections: number
  /** Messages that were sent twice within one attempt, since the kept connection ended under the first. */
  readonly repeated: number
}

/**
 * Delivers by POST over HTTP/1.1, on connections that are used again. One total deadline for each request; redirects are
 * not followed (undici's `dispatch` never does). 2xx is accepted at the headers; what other answers mean is in answer.ts.
 */
export class HttpDestination implements Destination {
  readonly #connectorFor: ConnectorFor
  readonly #exchangeOptions: ExchangeOptions
  readonly #pools: ConnectionPools
  readonly #running = new UnorderedList<Exchange>()
  readonly #tokens: AccessTokens | undefined
  #repeated = 0
  #isClosed = false

  constructor(options: HttpDestinationOptions) {
    const { clock, responseBytesMax, capture = { of: 'none', bodyBytesMax: 0 }, connectorFor } = options
    this.#connectorFor = connectorFor
    this.#tokens = options.tokens
    this.#pools = new ConnectionPools(options.connectionsMax)
    this.#exchangeOptions = { clock, responseBytesMax, capture }
  }

  get figures(): HttpFigures {
    return { connections: this.#pools.open, repeated: this.#repeated }
  }

  deliver(message: Message, timeoutMs: number): Promise<Outcome> {
    const oauth = message.to.credentials?.oauth
    if (!oauth) return this.#send(message, timeoutMs)
    const { capture } = this.#exchangeOptions
    const send = (authorized: Message, leftMs: number) => this.#send(authorized, leftMs)
    return deliverWithToken({ capture, tokens: this.#tokens, send }, message, oauth, timeoutMs)
  }

  #send(message: Message, timeoutMs: number): Promise<Outcome> {
    return new Promise(resolve => {
      const request = requestOf(message, timeoutMs)
      const exchange = new Exchange(
        request,
        this.#exchangeOptions,
        outcome => {
          this.#running.remove(exchange)
          if (outcome.isRepeated) this.#repeated++
          resolve(outcome)
        },
        why => this.#sendAgain(message.to, request, exchange, why),
      )
      this.#running.add(exchange)
      if (this.#isClosed) exchange.cutOff()
      else this.#dispatch(message.to, request, exchange)
    })
  }

  #dispatch(to: Subscription, request: OutgoingRequest, exchange: Exchange, onNew = false): void {
    let found: ReturnType<ConnectorFor>
    try {
      found = this.#connectorFor(to)
    } catch (error) {
      exchange.onResponseError(undefined, error) // such as a client certificate that OpenSSL no longer takes
      return
    }
    if (!(found instanceof Promise)) {
      this.#dispatchBy(found, request, exchange, onNew)
      return
    }
    found.then(
      way => {
        if (!exchange.isOver) this.#dispatchBy(way, request, exchange, onNew)
      },
      error => exchange.onResponseError(undefined, error),
    )
  }

  #dispatchBy(way: Connector | OwnWay, request: OutgoingRequest, exchange: Exchange, onNew: boolean): void {
    const { origin, method = 'POST', headers, body, credentials } = request
    const [connector, path] = typeof way === 'function' ? [way, request.path] : [way.connector, way.path]
    try {
      const pool = this.#pools.poolFor({ origin, connector, credentials })
      // undici's type wants a list that may be changed; it does not change it.
      const options = { path, method, headers: headers as string[], body }
      if (onNew) pool.dispatchOnNew(options, exchange)
      else pool.dispatch(options, exchange)
    } catch (error) {
      exchange.onResponseError(undefined, error)
    }
  }

  /** On a new connection, since the others that are kept may have been closed by the receiver, too. */
  #sendAgain(to: Subscription, request: OutgoingRequest, exchange: Exchange, why: WhySentAgain): void {
    switch (why) {
      case 'closed meanwhile':
        this.#dispatch(to, request, exchange, true)
        return
      case 'own lack':
        this.#pools.closeIdle()
        setImmediate(() => {
          if (!exchange.isOver) this.#dispatch(to, request, exchange, true)
        })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#tokens?.close() // what waits for one ends
    for (const exchange of this.#running.toArray()) exchange.cutOff()
    await this.#pools.destroy()
  }
}

function requestOf({ to, headers, body, isQuestion = false }: Message, timeoutMs: number): OutgoingRequest {
  const { origin, path, connectTimeoutMs, retry, signingHeaders, capture, credentials, extras } = to
  return {
    origin,
    path,
    ...(isQuestion && { method: 'OPTIONS' as const }),
    headers,
    body,
    timeoutMs,
    connectTimeoutMs,
    terminalStatuses: retry.terminalStatuses,
    names: signingHeaders,
    capture,
    credentials: credentials?.key,
    openHeaders: extras?.headers.map(({ name }) => name),
  }
}
