import { isIPv6 } from 'node:net'
import type { Config } from '../config/config.ts'

/** Where the service of these settings is reached on this machine; undefined: it listens on any free port. */
export function ownUrl({ host, port }: Pick<Config, 'host' | 'port'>, path: string): string | undefined {
  return port === 0 ? undefined : `http://${reachableHost(host)}:${port}${path}`
}

/** The address to connect to: one cannot connect to every address that one can listen on. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return isIPv6(host) ? `[${host}]` : host
}

/** Whether it is a whole address of a service: `localhost:8000` is none, but a scheme with a path. */
export function isServerUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}
