import { Socket } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { ConnectionTrace, TracedConnectOptions } from '../../egress/connector.ts'
import { roundedMs } from '../../model/exchange-details.ts'
import { passOverContinue } from './unasked-continue.ts'

/**
 * What is known of one connection, from the moment it is asked for. Times are those of `performance.now()`.
 * The socket that a connector gives back at once is followed. A connector that first does other work, such as asking a
 * proxy, finds this as `trace` in its options, and notes in it what it has done.
 */
export class ObservedConnection implements ConnectionTrace {
  readonly startedAt = performance.now()
  lookedUpAt: number | undefined
  connectedAt: number | undefined
  securedAt: number | undefined
  /** That of the last try, also when it failed. */
  remoteAddress: string | undefined
  /** A request on it was answered, so that the next one uses it again. */
  hasAnswered = false
  /** How long it may take to come about, in milliseconds, if who wants it has said so. */
  readonly timeoutMs: number | undefined

  constructor(timeoutMs?: number) {
    this.timeoutMs = timeoutMs
  }

  lookedUp(): void {
    this.lookedUpAt ??= performance.now()
  }

  /** Notes what the socket goes through; to be called before it is connected. */
  follow(socket: Socket): void {
    socket.once('lookup', () => this.lookedUp())
    socket.on('connectionAttempt', (address: string) => {
      this.remoteAddress = address
    })
    socket.once('connect', () => {
      this.connectedAt = performance.now()
      this.remoteAddress = socket.remoteAddress ?? this.remoteAddress
    })
    socket.once('secureConnect', () => {
      this.securedAt = performance.now()
    })
  }

  /** How long each phase took; null: it did not end, or there was none. An address needs no look-up, so that is 0. */
  timings(): { readonly dns: number | null; readonly connect: number | null; readonly tls: number | null } {
    const { startedAt, lookedUpAt, connectedAt, securedAt } = this
    const lookedUp = lookedUpAt ?? (connectedAt === undefined ? undefined : startedAt)
    return {
      dns: between(startedAt, lookedUp),
      connect: between(lookedUp, connectedAt),
      tls: between(connectedAt, securedAt),
    }
  }
}

function between(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : roundedMs(to - from)
}

/** The connection of a client now, or the one it is making. */
export interface ConnectionState {
  trace: ObservedConnection | undefined
  /** Of the request dispatched last, which is the one that waits when there is no connection (pipelining is off). */
  connectTimeoutMs: number | undefined
  /** A request is on its way, and nothing final has been answered to it yet. */
  awaitsStatus: boolean
  /** What has arrived since then, up to `headBytesMax`; undefined: not one byte, or the status is known. */
  head: Buffer | undefined
}

/** More than a head may be long, so that one that is longer is no longer kept. */
const headBytesMax = 32_768

/** The request is sent, or about to be. */
function beginAwaiting(state: ConnectionState): void {
  state.awaitsStatus = true
  state.head = undefined
}

/** A final status has come. What was read is let go: it is a window on a read buffer of 64 KiB. */
export function endAwaiting(state: ConnectionState): void {
  state.awaitsStatus = false
  state.head = undefined
  if (state.trace) state.trace.hasAnswered = true
}

function keepHead(state: ConnectionState, bytes: Buffer): void {
  if (state.head === undefined) state.head = bytes
  else if (state.head.length < headBytesMax) state.head = Buffer.concat([state.head, bytes])
}

/** A request that wants to know on which connection it runs. */
export interface TracedHandler extends Dispatcher.DispatchHandler {
  connection: ConnectionState | undefined
  /** How long it waits for a connection, in milliseconds; undefined: as the connector has it. */
  readonly connectTimeoutMs: number | undefined
}

/**
 * undici's client for one connection, which tells an exchange on which connection it runs. undici itself says this
 * only over a diagnostics channel, to all of the process and at a cost per request; here it is one assignment. In the
 * other direction it tells the connector how long this very request waits for a connection: undici knows one time for
 * all, but subscriptions that share an origin, and so a pool, may differ in it.
 */
export class TracedClient extends Client {
  readonly #state: ConnectionState

  /** @param options as undici's; its connector may be one that takes `TracedConnectOptions` */
  constructor(origin: URL, options: Client.Options) {
    const state: ConnectionState = {
      trace: undefined,
      connectTimeoutMs: undefined,
      awaitsStatus: false,
      head: undefined,
    }
    const { connect } = options
    const connector = typeof connect === 'function' ? connect : buildConnector(connect ?? {})
    super(origin, {
      ...options,
      connect(to, callback) {
        const trace = new ObservedConnection(state.connectTimeoutMs)
        state.trace = trace
        const traced: TracedConnectOptions = { ...to, trace }
        const socket: unknown = connector(traced, (...result) => {
          if (result[1] instanceof Socket) {
            passOverContinue(
              result[1],
              () => state.awaitsStatus,
              bytes => keepHead(state, bytes),
            )
          }
          callback(...result)
        })
        if (socket instanceof Socket) trace.follow(socket)
      },
    })
    this.#state = state
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (isTraced(handler)) {
      handler.connection = this.#state
      this.#state.connectTimeoutMs = handler.connectTimeoutMs
      beginAwaiting(this.#state)
    }
    return super.dispatch(options, handler)
  }
}

function isTraced(handler: Dispatcher.DispatchHandler): handler is TracedHandler {
  return 'connectTimeoutMs' in handler
}
