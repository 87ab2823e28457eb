import { Resolver as CAres } from 'node:dns/promises'
import { isIP } from 'node:net'
import { lackOfDescriptors } from '../platform/descriptors.ts'
import { EgressError } from './egress-error.ts'
import { HostsFile } from './hosts-file.ts'
import { isOwnLack, nameServersRefuse } from './own-lack.ts'

/** What came of looking up a name. IPv4 first, since not every network has IPv6. */
export type Resolution =
  | { readonly kind: 'found'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly error: EgressError }

export interface ResolverOptions {
  /** Name servers (`address:port`); those of the system by default. Replaced in tests. */
  readonly servers?: readonly string[]
  readonly hostsFile?: HostsFile
  /** For one name, all in all. */
  readonly timeoutMs?: number
  /** How long one name server may take before it is asked again, or the next one is. */
  readonly serverTimeoutMs?: number
  readonly namesMax?: number
  /** Milliseconds; replaced in tests. */
  readonly now?: () => number
}

interface Known {
  readonly resolution: Resolution
  readonly until: number
}

interface AddressRecord {
  readonly address: string
  readonly ttl: number
}

interface Answer {
  readonly addresses: readonly string[]
  readonly ttlMs: number
  /** As c-ares names it; '' when there was no failure. */
  readonly failure: string
}

const ttlMs = { min: 1000, max: 300_000, unknownName: 30_000, failure: 5000 } as const
/** Of one family; those beyond it are neither judged nor connected to. */
const addressesMax = 32

/**
 * Looks names up, with c-ares: `getaddrinfo` would share four threads with the file system, so that one slow name
 * server would hold up all names. Every name has one look-up at a time and its own timeout; what was found is kept for
 * its time to live within bounds, so that a burst to one host asks once. It judges nothing.
 */
export class Resolver {
  readonly #options: Required<Omit<ResolverOptions, 'servers'>>
  readonly #servers: readonly string[] | undefined
  #cares: CAres
  #caresSince: number
  /** In order of last use: a Map remembers insertion, and each use inserts anew. */
  readonly #known = new Map<string, Known>()
  readonly #running = new Map<string, Promise<Resolution>>()

  constructor(options: ResolverOptions = {}) {
    const { servers, ...others } = options
    this.#servers = servers
    this.#options = {
      hostsFile: new HostsFile(),
      timeoutMs: 5000,
      serverTimeoutMs: 1500,
      namesMax: 10_000,
      now: () => performance.now(),
      ...others,
    }
    this.#cares = this.#makeCAres()
    this.#caresSince = this.#options.now()
  }

  /** @param hostname a name, not an address. Never rejects. */
  resolve(hostname: string): Promise<Resolution> | Resolution {
    const name = hostname.toLowerCase().replace(/\.$/, '')
    const known = this.#recall(name)
    if (known !== undefined) return known
    const running = this.#running.get(name)
    if (running !== undefined) return running
    const look = this.#resolve(name).finally(() => this.#running.delete(name))
    this.#running.set(name, look)
    return look
  }

  #recall(name: string): Resolution | undefined {
    const known = this.#known.get(name)
    if (known === undefined) return undefined
    this.#known.delete(name)
    if (known.until <= this.#options.now()) return undefined
    this.#known.set(name, known)
    return known.resolution
  }

  #remember(name: string, resolution: Resolution, forMs: number): Resolution {
    this.#known.set(name, { resolution, until: this.#options.now() + forMs })
    if (this.#known.size > this.#options.namesMax) {
      const [oldest] = this.#known.keys()
      if (oldest !== undefined) this.#known.delete(oldest)
    }
    return resolution
  }

  async #resolve(name: string): Promise<Resolution> {
    const special = specialName(name)
    if (special !== undefined) return special
    const listed = await this.#options.hostsFile.addressesOf(name)
    if (listed.length > 0) return found(listed) // the file is read again when it changes; nothing to remember
    const [v4, v6] = await this.#ask(name)
    const addresses = [...v4.addresses, ...v6.addresses]
    if (addresses.length > 0) {
      return this.#remember(name, found(addresses), Math.min(v4.ttlMs, v6.ttlMs))
    }
    // A family that could not be asked for may still have an address: it takes two answers to make a name unknown.
    const code = isFailure(v4.failure) ? v4.failure : v6.failure
    const lack = ownLackBehind(code)
    if (lack !== undefined) return lacking(lack) // not remembered, as it may be over at the next look-up
    if (!isFailure(code)) return this.#remember(name, failed(v4.failure), ttlMs.unknownName)
    this.#renew()
    return this.#remember(name, failed(code), ttlMs.failure)
  }

  async #ask(name: string): Promise<readonly [Answer, Answer]> {
    const late = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => late.resolve(failure('ETIMEOUT')), this.#options.timeoutMs)
    const ask = (records: Promise<readonly AddressRecord[]>) =>
      Promise.race([records.then(answered, notAnswered), late.promise])
    const cares = this.#cares
    const both = [cares.resolve4(name, { ttl: true }), cares.resolve6(name, { ttl: true })] as const
    try {
      return await Promise.all([ask(both[0]), ask(both[1])])
    } finally {
      clearTimeout(timer)
    }
  }

  #makeCAres(): CAres {
    const timeout = this.#options.serverTimeoutMs
    const cares = new CAres({ timeout, tries: 3, maxTimeout: timeout * 2 })
    if (this.#servers !== undefined) cares.setServers(this.#servers)
    return cares
  }

  /** c-ares reads the system's settings once; after a failure they may be others (a laptop in another network). */
  #renew(): void {
    const now = this.#options.now()
    if (now - this.#caresSince < ttlMs.failure) return
    this.#cares = this.#makeCAres()
    this.#caresSince = now
  }
}

function answered(records: readonly AddressRecord[]): Answer {
  const lifetimes = records.map(({ ttl }) => ttl * 1000)
  return {
    addresses: records.slice(0, addressesMax).map(({ address }) => address),
    ttlMs: Math.max(ttlMs.min, Math.min(ttlMs.max, ...lifetimes)),
    failure: '',
  }
}

function notAnswered(error: unknown): Answer {
  const coded = error instanceof Error && 'code' in error && typeof error.code === 'string'
  return failure(coded ? String(error.code) : 'EUNKNOWN')
}

function failure(code: string): Answer {
  return { addresses: [], ttlMs: isFailure(code) ? ttlMs.failure : ttlMs.max, failure: code }
}

/** Names that never go out to a name server (RFC 6761). */
function specialName(name: string): Resolution | undefined {
  if (name === 'localhost' || name.endsWith('.localhost')) return found(['127.0.0.1', '::1'])
  if (name === 'invalid' || name.endsWith('.invalid')) return failed('ENOTFOUND')
  return undefined
}

function found(addresses: readonly string[]): Resolution {
  const sorted = [...addresses].sort((one, other) => isIP(one) - isIP(other))
  return { kind: 'found', addresses: sorted }
}

function failed(code: string): Resolution {
  const why = isFailure(code) ? 'could not be looked up' : 'is not known'
  return { kind: 'failed', error: new EgressError('dns', code, `the name of this host ${why} (${code})`) }
}

/**
 * What this service lacked, so that nothing was learnt of the name. c-ares itself hardly says so: without a descriptor for a
 * socket, or for the file that lists the name servers, it finds none of them. So it is tried whether there are any left.
 */
function ownLackBehind(code: string): string | undefined {
  const descriptors = lackOfDescriptors()
  if (descriptors !== undefined) return descriptors
  if (code === 'ECONNREFUSED') return nameServersRefuse
  return isOwnLack(code) ? code : undefined
}

function lacking(code: string): Resolution {
  const message = `the name of this host could not be looked up, for want of our own (${code})`
  return { kind: 'failed', error: new EgressError('dns', code, message) }
}

/** Whether the code says that nothing was learnt; else the name server has said that there is no such name. */
function isFailure(code: string): boolean {
  return code !== '' && code !== 'ENOTFOUND' && code !== 'ENODATA' && code !== 'EBADNAME'
}
