import { addressNotAllowed } from './egress-error.ts'

/** What the operator demands of every address that is delivered to, besides what the guard says of where it leads. */
export interface TargetRules {
  readonly httpsOnly: boolean
  /** Undefined: any. */
  readonly ports: readonly number[] | undefined
  /** Names that mean something on this machine or its network only: some private address is allowed. */
  readonly localNames: boolean
}

export interface Target {
  /** With its colon, as in a URL. */
  readonly protocol: string
  /** A name, or an address without brackets. */
  readonly hostname: string
  /** '' for the one of the protocol. */
  readonly port: string
}

/** @returns what is wrong with it, in words for whoever gave the address; undefined when it may be delivered to */
export function targetFault(target: Target, rules: TargetRules): string | undefined {
  if (rules.httpsOnly && target.protocol !== 'https:') return 'only https addresses can be delivered to'
  const { ports } = rules
  if (ports !== undefined && !ports.includes(portOf(target))) {
    return `this port cannot be delivered to, only ${ports.join(', ')}`
  }
  const name = target.hostname.toLowerCase().replace(/\.$/, '')
  if (name.split('.').includes('') && !name.includes(':')) return 'the name of this host has an empty part'
  return rules.localNames || !isLocal(name) ? undefined : addressNotAllowed
}

export function portOf({ protocol, port }: Target): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

/** Names of a single part, and the endings that never lead out (RFC 6761, RFC 6762, ICANN's `internal`). */
function isLocal(name: string): boolean {
  if (name.includes(':')) return false // an IPv6 address
  return !name.includes('.') || /\.(localhost|local|internal)$/.test(name)
}
