import { isIPv6, type Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { TracedConnectOptions } from './connection.ts'
import { type Connector, tlsOptions } from './connector.ts'
import { EgressError } from './egress-error.ts'

export interface ProxyConnector {
  readonly connect: Connector
  close(): Promise<void>
}

/**
 * A connector that reaches every receiver through an HTTP proxy, by CONNECT, http receivers too. A connector rather
 * than undici's ProxyAgent: pools, limits and outcomes stay the ones that direct deliveries have, and what fails on the
 * way to the proxy can be told from what fails behind it. The proxy resolves the names; nothing here sees an address.
 *
 * @param proxy user name and password, if any, are sent as Basic authentication
 */
export function proxyConnector(proxy: URL, timeoutMs: number): ProxyConnector {
  const pool = new Pool(proxy.origin, {
    connections: null,
    allowH2: false,
    connectTimeout: timeoutMs,
    headersTimeout: timeoutMs,
  })
  const secure = buildConnector({ ...tlsOptions, allowH2: false, timeout: timeoutMs })
  const credentials = basic(proxy)

  const tunnel = async ({ protocol, hostname, port }: buildConnector.Options): Promise<Socket> => {
    const host = isIPv6(hostname) ? `[${hostname}]` : hostname
    const authority = `${host}:${port || (protocol === 'https:' ? 443 : 80)}`
    const answer = await pool
      .connect({
        path: authority,
        headers: { host: authority, ...credentials },
        signal: AbortSignal.timeout(timeoutMs),
      })
      .catch(error => {
        throw new EgressError('proxy', 'PROXY_UNAVAILABLE', 'the egress proxy cannot be reached', {
          cause: error,
        })
      })
    const { statusCode } = answer
    const socket = answer.socket as Socket // undici types it as any Duplex
    if (statusCode === 200) return socket
    socket.on('error', () => {}).destroy()
    throw new EgressError('proxy', 'PROXY_REFUSED', `the egress proxy answered ${statusCode}`)
  }

  const connect: Connector = (options: TracedConnectOptions, callback) => {
    tunnel(options).then(
      socket => {
        const { trace } = options
        if (trace) trace.connectedAt = performance.now()
        if (options.protocol !== 'https:') return callback(null, socket)
        secure({ ...options, httpSocket: socket }, (...result) => {
          if (trace && result[0] === null) trace.securedAt = performance.now()
          callback(...result)
        })
      },
      error => callback(error, null),
    )
  }
  return { connect, close: () => pool.destroy() }
}

function basic({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
