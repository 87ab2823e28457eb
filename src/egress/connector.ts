import { isIP, type LookupFunction, Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { buildConnector, errors } from 'undici'
import { addressNotAllowed, blocked, EgressError } from './egress-error.ts'
import type { Guard } from './guard.ts'
import type { Resolver } from './resolver.ts'

/** What undici asks for a connection. It may answer the socket at once, while that is being connected. */
export type Connector = (options: buildConnector.Options, callback: buildConnector.Callback) => unknown

/** What a request wants to know of how its connection comes about. Times are those of `performance.now()`. */
export interface ConnectionTrace {
  /** How long it may take, in milliseconds, if the request has said so. */
  readonly timeoutMs: number | undefined
  connectedAt: number | undefined
  securedAt: number | undefined
}

/** What a connector is given. */
export interface TracedConnectOptions extends buildConnector.Options {
  readonly trace?: ConnectionTrace
}

/**
 * The same options, with the name for TLS as it has to be: a name that ends with a dot is sent and verified without it
 * (RFC 6066, 3). Many servers know no host of the name with the dot.
 */
export function withServerName(options: buildConnector.Options): buildConnector.Options {
  const name = options.servername || options.hostname
  return options.protocol === 'https:' && name.endsWith('.')
    ? { ...options, servername: name.slice(0, -1) }
    : options
}

export interface GuardedConnectorDeps {
  readonly guard: Guard
  readonly resolver: Resolver
  /** Told of every address that was refused, for the log of the service; owners of subscriptions never are. */
  readonly onRefused: (refused: { readonly host: string; readonly address: string }) => void
  /** From the look-up of the name to the end of the TLS handshake, for requests that do not say it themselves. */
  readonly connectTimeoutMs: number
  /** Certificates to trust instead of the system's; for tests. */
  readonly ca?: string
  /** What is shown and trusted instead of the usual (`secureContextOf`); `ca` is of no effect beside it. */
  readonly secureContext?: SecureContext | undefined
}

/** TLS as every receiver gets it. Said in full, so that no environment variable can switch verification off. */
export const tlsOptions = { minVersion: 'TLSv1.2', rejectUnauthorized: true, maxCachedSessions: 100 } as const

/**
 * Makes a connector that many pools can share; the TLS sessions that they resume are kept in it. It connects to addresses
 * the guard allows and to no other: for a name, Node asks the look-up below, which answers nothing but judged addresses,
 * so there is no second look-up whose answer could differ; for an address Node asks nobody, so that is judged here.
 */
export function guardedConnector(deps: GuardedConnectorDeps): Connector {
  const { guard, onRefused, connectTimeoutMs, ca, secureContext } = deps
  const connect: Connector = buildConnector({
    ...tlsOptions,
    ...(ca !== undefined && { ca }),
    ...(secureContext !== undefined && { secureContext }),
    lookup: guardedLookup(deps),
    allowH2: false,
    timeout: 0, // undici knows one for all, see `limitConnecting`
    // An address that takes longer than this to answer is passed over for the next one of the name.
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: 1000,
  })
  return (options: TracedConnectOptions, callback) => {
    const { hostname, trace } = options
    if (isIP(hostname) !== 0 && !guard(hostname)) {
      onRefused({ host: hostname, address: hostname })
      process.nextTick(callback, blocked(addressNotAllowed), null)
      return undefined
    }
    const socket = connect(withServerName(options), callback)
    if (!(socket instanceof Socket)) throw new TypeError('undici no longer answers with the socket')
    limitConnecting(socket, options, trace?.timeoutMs ?? connectTimeoutMs)
    endByAlert(socket)
    socket.once('connect', () => {
      const { remoteAddress = '' } = socket
      if (guard(remoteAddress)) return // always so, unless Node has gone elsewhere than it was told
      onRefused({ host: hostname, address: remoteAddress })
      socket.destroy(blocked(addressNotAllowed))
    })
    return socket
  }
}

function guardedLookup(deps: GuardedConnectorDeps): LookupFunction {
  return (host, options, callback) => {
    allowedAddresses(host, deps).then(
      addresses => {
        const [first] = addresses
        if (options.all) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      error => callback(error, ''),
    )
  }
}

/**
 * The addresses of a name. One that is not allowed refuses the whole name: to mix them is an attempt to get in.
 *
 * @throws EgressError of class dns or blocked
 */
async function allowedAddresses(host: string, { guard, resolver, onRefused }: GuardedConnectorDeps) {
  const resolution = await resolver.resolve(host)
  if (resolution.kind === 'failed') throw resolution.error
  const { addresses } = resolution
  const refused = addresses.find(address => !guard(address))
  if (refused !== undefined) {
    onRefused({ host, address: refused })
    throw blocked(addressNotAllowed)
  }
  return addresses.map(address => ({ address, family: isIP(address) }))
}

/** Ends a connection that does not come about in time, counted from when it is asked for. */
function limitConnecting(
  socket: Socket,
  { protocol, hostname }: buildConnector.Options,
  timeoutMs: number,
): void {
  let isKnown = isIP(hostname) !== 0
  socket.once('lookup', () => {
    isKnown = true
  })
  const timer = setTimeout(
    () => socket.destroy(isKnown ? noConnection(timeoutMs) : noAddress(timeoutMs)),
    timeoutMs,
  )
  socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(timer))
  socket.once('close', () => clearTimeout(timer))
}

/**
 * Ends a connection with the first thing that TLS says of it. With TLS 1.3 a receiver refuses a client certificate when the
 * connection stands already; undici would tell of the end that follows, and not of the reason.
 */
export function endByAlert(socket: Socket): void {
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code?.startsWith('ERR_SSL_')) socket.destroy(error)
  })
}

export function noConnection(timeoutMs: number): Error {
  return new errors.ConnectTimeoutError(`no connection within ${timeoutMs} ms`)
}

/** The look-up goes on, and the next attempt may find what came of it. */
function noAddress(timeoutMs: number): Error {
  const message = `the name of this host could not be looked up within ${timeoutMs} ms`
  return new EgressError('dns', 'ETIMEOUT', message)
}
