import { isIP } from 'node:net'
import { blockList, type Cidr, cidrs } from './cidr.ts'

/** Whether a connection to this address may be made. What is no plain IP address may not be connected to. */
export type Guard = (address: string) => boolean

export interface GuardRules {
  /** Loopback and private networks may be connected to: the operator trusts whoever makes subscriptions. */
  readonly allowPrivate: boolean
  /** What the operator allows beyond public addresses. */
  readonly allowedCidrs: readonly Cidr[]
  /** What the operator forbids; stronger than what is allowed. */
  readonly deniedCidrs: readonly Cidr[]
}

/** Never, whatever the operator allows: where clouds hand out credentials, and what is no single machine. */
const never = cidrs(
  '169.254.0.0/16', // link-local; 169.254.169.254, 169.254.170.2 and 169.254.170.23 are metadata
  '100.100.100.200', // Alibaba's metadata, within CGNAT
  '192.0.0.192', // Oracle's
  '168.63.129.16', // Azure's platform address; it looks public
  '0.0.0.0/8', // 0.0.0.0 reaches the loopback
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  'fd00:ec2::254', // AWS's metadata
  'fd00:ec2::23',
  'fd20:ce::254', // Google's
  'fe80::/10', // link-local
  'ff00::/8', // multicast
  // Every way to write an IPv4 address into an IPv6 one, so that none leads around the rules for IPv4. NAT64's
  // 64:ff9b::/96 is looked into, below; ::1 lies in the first of these blocks, and is excepted below.
  '::/96', // v4-compatible, and ::
  '::ffff:0:0/96', // v4-mapped
  '::ffff:0:0:0/96', // SIIT
  '64:ff9b:1::/48', // NAT64, local use
  '2001::/32', // Teredo
  '2002::/16', // 6to4
)

/** What `allowPrivate` opens. */
const privateNetworks = cidrs(
  '10.0.0.0/8',
  '100.64.0.0/10', // CGNAT
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  'fc00::/7',
)

/** The other blocks without a receiver on the open internet (IANA's special-purpose registries). */
const notPublic = cidrs(
  '192.0.0.0/24', // IETF protocol assignments
  '192.0.2.0/24', // TEST-NET-1
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // deprecated 6to4 relay
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // TEST-NET-2
  '203.0.113.0/24', // TEST-NET-3
  // Of IPv6 only 2000::/3 is public; this is what is special within it.
  '2001::/23', // Teredo, benchmarking, AMT, AS112, ORCHID, DRIP
  '2001:db8::/32', // documentation
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
)

const globalUnicast = cidrs('2000::/3')
const nat64 = cidrs('64:ff9b::/96')
const loopback6 = blockList('ipv6', cidrs('::1'))

/**
 * Makes the guard. IPv4 is open but for what is listed; IPv6 is closed but for what is public, since most of it is
 * unallocated. Lists of our own, because no library's idea of "unicast" covers them all (docs/adr/0007-guard.md).
 */
export function createGuard({ allowPrivate, allowedCidrs, deniedCidrs }: GuardRules): Guard {
  const open = [...allowedCidrs, ...(allowPrivate ? privateNetworks : [])]
  const closed = [...privateNetworks, ...notPublic]

  const never4 = blockList('ipv4', [...never, ...deniedCidrs])
  const open4 = blockList('ipv4', open)
  const closed4 = blockList('ipv4', closed)
  const allows4 = (address: string) => !never4(address) && (open4(address) || !closed4(address))

  const denied6 = blockList('ipv6', deniedCidrs)
  const never6 = blockList('ipv6', never)
  const open6 = blockList('ipv6', open)
  const closed6 = blockList('ipv6', closed)
  const public6 = blockList('ipv6', globalUnicast)
  const nat64Block = blockList('ipv6', nat64)
  const allows6 = (address: string) => {
    if (denied6(address) || (never6(address) && !loopback6(address))) return false
    if (nat64Block(address)) return open6(address) && allows4(embeddedIPv4(address))
    return open6(address) || (public6(address) && !closed6(address))
  }

  return address => {
    if (address.includes('%')) return false // a zone: link-local
    const version = isIP(address)
    return version === 4 ? allows4(address) : version === 6 && allows6(address)
  }
}

/** The last four bytes of an IPv6 address. @param address a valid one */
function embeddedIPv4(address: string): string {
  const { hostname } = new URL(`http://[${address}]`) // without a dotted part, and of many zeros only the first left out
  const [high = '', low = ''] = hostname.slice(1, -1).split(':').slice(-2)
  const bytes = Number.parseInt(high || '0', 16) * 65_536 + Number.parseInt(low || '0', 16)
  return [24, 16, 8, 0].map(bits => (bytes >>> bits) & 255).join('.')
}
