import { isIPv6, Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { buildConnector, Pool } from 'undici'
import {
  type Connector,
  endByAlert,
  noConnection,
  type TracedConnectOptions,
  tlsOptions,
  withServerName,
} from './connector.ts'
import { EgressError, proxyUnavailable } from './egress-error.ts'
import { ownLackIn } from './own-lack.ts'

export interface ProxyConnector {
  readonly connect: Connector
  /** The same way, with another identity at its end. */
  connectWith(secureContext: SecureContext): Connector
  close(): Promise<void>
}

/**
 * A connector that reaches every receiver through an HTTP proxy, by CONNECT, http receivers too. A connector rather
 * than undici's ProxyAgent: pools, limits and outcomes stay the ones that direct deliveries have, and what fails on the
 * way to the proxy can be told from what fails behind it. The proxy resolves the names; nothing here sees an address.
 *
 * @param proxy user name and password, if any, are sent as Basic authentication
 * @param usualTimeoutMs for the tunnel and the TLS handshake in it, for requests that do not say it themselves
 */
export function proxyConnector(proxy: URL, usualTimeoutMs: number): ProxyConnector {
  const pool = new Pool(proxy.origin, {
    connections: null,
    allowH2: false,
    connectTimeout: usualTimeoutMs, // to the proxy; each request brings its own for the whole way, below
    headersTimeout: 0,
  })
  const credentials = basic(proxy)

  const tunnel = async (
    { protocol, hostname, port }: buildConnector.Options,
    timeoutMs: number,
  ): Promise<Socket> => {
    const host = isIPv6(hostname) ? `[${hostname}]` : hostname
    const authority = `${host}:${port || (protocol === 'https:' ? 443 : 80)}`
    const signal = AbortSignal.timeout(timeoutMs)
    const answer = await pool
      .connect({
        path: authority,
        headers: { host: authority, ...credentials },
        signal,
      })
      .catch(error => {
        throw signal.aborted ? tooLate(timeoutMs, error) : unavailable(error)
      })
    const { statusCode } = answer
    const socket = answer.socket as Socket // undici types it as any Duplex
    if (statusCode === 200) return socket
    socket.on('error', () => {}).destroy()
    const code = statusCode === 407 ? proxyUnavailable : 'PROXY_REFUSED' // 407: our own name or password is wrong
    throw new EgressError('proxy', code, `the egress proxy answered ${statusCode}`)
  }

  const through =
    (secure: Connector): Connector =>
    (options: TracedConnectOptions, callback) => {
      const { trace } = options
      const startedAt = performance.now()
      const timeoutMs = trace?.timeoutMs ?? usualTimeoutMs
      tunnel(options, timeoutMs).then(
        socket => {
          if (trace) trace.connectedAt = performance.now()
          if (options.protocol !== 'https:') return callback(null, socket)
          const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAt))
          const timer = setTimeout(() => {
            if (secured instanceof Socket) secured.destroy(noConnection(timeoutMs))
          }, leftMs)
          const secured = secure({ ...withServerName(options), httpSocket: socket }, (...result) => {
            clearTimeout(timer)
            if (trace && result[0] === null) trace.securedAt = performance.now()
            callback(...result)
          })
          if (secured instanceof Socket) endByAlert(secured)
        },
        error => callback(error, null),
      )
    }
  const usual = { ...tlsOptions, allowH2: false, timeout: 0 } as const
  return {
    connect: through(buildConnector(usual)),
    connectWith: secureContext => through(buildConnector({ ...usual, secureContext })),
    close: () => pool.destroy(),
  }
}

function unavailable(cause: unknown): EgressError {
  const lack = ownLackIn(cause)
  if (lack !== undefined) {
    return new EgressError('proxy', lack, `no connection to the egress proxy could be made (${lack})`, {
      cause,
    })
  }
  return new EgressError('proxy', proxyUnavailable, 'the egress proxy cannot be reached', { cause })
}

/** It may be the proxy that is slow, or the receiver that it waits for. */
function tooLate(timeoutMs: number, cause: unknown): EgressError {
  const message = `no connection through the egress proxy within ${timeoutMs} ms`
  return new EgressError('proxy', 'PROXY_TIMEOUT', message, { cause })
}

function basic({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
