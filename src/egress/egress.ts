import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../platform/logger.ts'
import { type Cidr, cidrs, parseCidr } from './cidr.ts'
import { type Connector, guardedConnector } from './connector.ts'
import { addressNotAllowed, blocked, giveAnotherAddress } from './egress-error.ts'
import { createGuard, type Guard } from './guard.ts'
import { proxyConnector } from './proxy-connector.ts'
import { Resolver } from './resolver.ts'
import { portOf, type Target, type TargetRules, targetFault } from './target-rules.ts'
import { secureContextOf, type TlsIdentity } from './tls-identity.ts'

/** The settings of these names (src/config/settings.ts), and what else it takes. */
export interface EgressOptions {
  readonly allowPrivateTargets: boolean
  readonly allowedTargetCidrs: readonly Cidr[] | undefined
  readonly deniedTargetCidrs: readonly Cidr[] | undefined
  readonly httpsOnly: boolean
  /** Undefined: any. */
  readonly allowedTargetPorts: readonly number[] | undefined
  /** The address of an HTTP proxy through which everything goes. */
  readonly egressProxy: string | undefined
  /** Where this service listens: it does not deliver to itself, unless private targets are allowed. */
  readonly host: string
  readonly port: number
  readonly logger: Logger
  readonly connectTimeoutMs?: number
  /** Replaced in tests. */
  readonly resolver?: Resolver
  /** Certificates to trust instead of the system's; for tests. */
  readonly ca?: string
}

/** How long a check at the API waits for a name; the check that counts is the one at every connection. */
const checkTimeoutMs = 1000

/** Connectors with an identity of their own that are kept; each has its TLS sessions. */
const identitiesMax = 1024

/** The way out of this service: where deliveries may go, and the connections that go there. */
export class Egress {
  /** Makes every connection to a receiver. */
  readonly connector: Connector
  readonly #rules: TargetRules
  readonly #guard: Guard
  /** At the port this service listens on. */
  readonly #guardOfOwnPort: Guard
  readonly #ownPort: number
  readonly #resolver: Resolver
  readonly #logger: Logger
  readonly #looksUp: boolean
  readonly #close: () => Promise<void>
  readonly #make: (identity: TlsIdentity | undefined) => Connector
  readonly #ofIdentity = new Map<string, Connector>()

  constructor(options: EgressOptions) {
    const { allowPrivateTargets: allowPrivate, httpsOnly, allowedTargetPorts: ports, egressProxy } = options
    const { allowedTargetCidrs: allowedCidrs = [], deniedTargetCidrs: deniedCidrs = [] } = options
    const { connectTimeoutMs = 5000, resolver = new Resolver() } = options
    this.#rules = { httpsOnly, ports, localNames: allowPrivate || allowedCidrs.length > 0 }
    this.#guard = createGuard({ allowPrivate, allowedCidrs, deniedCidrs })
    const own = allowPrivate ? [] : ownAddresses(options.host)
    this.#guardOfOwnPort = createGuard({ allowPrivate, allowedCidrs, deniedCidrs: [...deniedCidrs, ...own] })
    this.#ownPort = options.port
    this.#resolver = resolver
    this.#logger = options.logger
    this.#looksUp = egressProxy === undefined && !allowPrivate

    const { ca } = options
    if (egressProxy === undefined) {
      const common = {
        resolver,
        onRefused: this.#onRefused,
        connectTimeoutMs,
        ...(ca !== undefined && { ca }),
      }
      this.#make = identity => {
        const own = identity && { secureContext: secureContextOf(identity, ca) }
        const usual = guardedConnector({ guard: this.#guard, ...common, ...own })
        const toOwnPort = guardedConnector({ guard: this.#guardOfOwnPort, ...common, ...own })
        return this.#checked(target => (this.#guardFor(target) === this.#guard ? usual : toOwnPort))
      }
      this.#close = async () => {}
    } else {
      const { connect, connectWith, close } = proxyConnector(new URL(egressProxy), connectTimeoutMs)
      this.#make = identity => {
        const own = identity ? connectWith(secureContextOf(identity, ca)) : connect
        return this.#checked(() => own)
      }
      this.#close = close
    }
    this.connector = this.#make(undefined)
  }

  /**
   * Makes connections on which this identity is shown and trusted. The same one gets the same connector, as long as it is
   * among those that were used last.
   *
   * @throws Error for an identity that OpenSSL does not take
   */
  connectorOf(identity: TlsIdentity): Connector {
    const connector = this.#ofIdentity.get(identity.id) ?? this.#make(identity)
    this.#ofIdentity.delete(identity.id) // a Map remembers insertion
    this.#ofIdentity.set(identity.id, connector)
    const [oldest] = this.#ofIdentity.keys()
    if (this.#ofIdentity.size > identitiesMax && oldest !== undefined) this.#ofIdentity.delete(oldest)
    return connector
  }

  /**
   * Checks the address of a subscription when it is made or changed. A name that cannot be looked up now passes. Where
   * private targets are allowed, or a proxy looks names up, none is looked up here: there is hardly anything to find.
   *
   * @returns what is wrong with it, in words for its owner
   */
  async check(url: URL): Promise<string | undefined> {
    const target = targetOf(url)
    const fault = this.#fault(target)
    if (fault === addressNotAllowed) return giveAnotherAddress
    if (fault !== undefined || isIP(target.hostname) !== 0 || !this.#looksUp) return fault
    const ending = new AbortController()
    const late = sleep(checkTimeoutMs, undefined, { signal: ending.signal }).catch(() => undefined)
    const resolution = await Promise.race([this.#resolver.resolve(target.hostname), late])
    ending.abort()
    if (resolution?.kind !== 'found') return undefined
    const refused = resolution.addresses.find(address => !this.#guardFor(target)(address))
    if (refused === undefined) return undefined
    this.#onRefused({ host: target.hostname, address: refused })
    return giveAnotherAddress
  }

  close(): Promise<void> {
    return this.#close()
  }

  /** What can be said without looking up a name. */
  #fault(target: Target): string | undefined {
    const fault = targetFault(target, this.#rules)
    if (fault !== undefined || isIP(target.hostname) === 0) return fault
    return this.#guardFor(target)(target.hostname) ? undefined : addressNotAllowed
  }

  /** Rules may be stricter than when the subscription was made, so they are looked at before every connection. */
  #checked(connectorFor: (target: Target) => Connector): Connector {
    return (options, callback) => {
      const fault = this.#fault(options)
      if (fault === undefined) return connectorFor(options)(options, callback)
      if (fault === addressNotAllowed) this.#onRefused({ host: options.hostname, address: options.hostname })
      process.nextTick(callback, blocked(fault), null)
      return undefined
    }
  }

  #guardFor(target: Target): Guard {
    return portOf(target) === this.#ownPort ? this.#guardOfOwnPort : this.#guard
  }

  #onRefused = ({ host, address }: { readonly host: string; readonly address: string }): void => {
    this.#logger.warn({ host, address }, 'an address is not allowed to be delivered to')
  }
}

function targetOf({ protocol, hostname, port }: URL): Target {
  return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port }
}

/** What this service may be reached at: the address it listens on, or, if that is a name or all of them, all interfaces. */
function ownAddresses(host: string): readonly Cidr[] {
  const one = parseCidr(host)
  if (one !== undefined && host !== '0.0.0.0' && host !== '::') return [one]
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  return cidrs(...all.map(({ address }) => address.replace(/%.*/, '')))
}
