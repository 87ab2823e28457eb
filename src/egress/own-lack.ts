import { isIPv4 } from 'node:net'
import { proxyUnavailable } from './egress-error.ts'

/** No name server that this machine is set up with takes questions. */
export const nameServersRefuse = 'DNS_REFUSED'

/** This process does not answer where it listens, or does not know yet which addresses are its own. */
export const selfUnavailable = 'SELF_UNAVAILABLE'

/** What an operator can do about each lack of this service's own, by the code of the error that shows it. */
const adviceOn: Readonly<Record<string, string>> = {
  EMFILE:
    'this process has no file descriptors left. Raise its limit: `ulimit -n`, LimitNOFILE= of systemd, --ulimit nofile= of Docker',
  ENFILE: 'this machine has no file descriptors left. Raise fs.file-max, or find what holds them',
  EADDRNOTAVAIL:
    'this machine has no local port left for a connection to this receiver. Widen net.ipv4.ip_local_port_range, or lower MAX_IN_FLIGHT',
  ENOBUFS: 'this machine has no memory left for connections. Raise net.ipv4.tcp_mem, or lower MAX_IN_FLIGHT',
  ENOMEM: 'this machine has no memory left. Free some, or lower MAX_IN_FLIGHT and MEMORY_LIMIT_MB',
  ENETDOWN: 'the network of this machine is down. Bring its interface up',
  [nameServersRefuse]:
    'the name servers of this machine take no questions. Look at /etc/resolv.conf, and whether they run',
  [proxyUnavailable]:
    'the egress proxy cannot be reached, or does not take our name and password. Look at EGRESS_PROXY, and whether it runs',
  [selfUnavailable]:
    'this process does not answer at its own address, where test receivers are. Look at HOST, and whether a firewall keeps the machine from its own port',
}

/** What the connections that are open hold, so that closing idle ones helps. */
const heldByConnections: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
])

/** Whether closing connections may end the lack. */
export function isHeldByConnections(code: string): boolean {
  return heldByConnections.has(code)
}

/** Whether an error of this code says that the service itself could not send, so that it says nothing of any receiver. */
export function isOwnLack(code: string): boolean {
  return adviceOn[code] !== undefined
}

/** What an operator can do about it, in plain words. */
export function adviceOnLack(code: string): string {
  return adviceOn[code] ?? 'this service cannot send'
}

/**
 * What the service lacked as it tried to connect, by the error of Node. Of several addresses that were tried one that could
 * not be tried is enough: it might have been the one that works.
 *
 * @returns the code; undefined: the error says something of the receiver, or of the way to it
 */
export function ownLackIn(error: unknown): string | undefined {
  const tried: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  for (const one of tried) {
    if (!(one instanceof Error) || !('code' in one) || typeof one.code !== 'string') continue
    // Of IPv6 it says that this machine has no address of that family: the next try would find none either.
    if (one.code === 'EADDRNOTAVAIL' && 'address' in one && !isIPv4(String(one.address))) continue
    if (isOwnLack(one.code)) return one.code
  }
  return undefined
}
