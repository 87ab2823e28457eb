import { type KeyObject, X509Certificate } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'

/** Reads what is at an address, where the rules for addresses allow it. */
export type Visit = (url: string) => Promise<{ readonly status: number; readonly body: Buffer }>

export interface CertificatesDeps {
  readonly visit: Visit
  readonly clock: Clock
  readonly logger: Logger
}

interface Kept {
  /** Undefined: it could not be fetched, or is none. */
  readonly key: KeyObject | undefined
  /** Unix milliseconds between which it is good, and from which it is fetched again. */
  readonly from: number
  readonly to: number
  readonly again: number
}

/** Providers have one or two at a time. */
const keptMax = 50
const dayMs = 86_400_000
/** What could not be fetched is not asked for again sooner. */
const failedMs = 10_000
/** At most this many are fetched at a time. */
const fetchingMax = 8

/**
 * Certificates of providers that sign for all their customers. Which addresses may be asked for is not decided here: callers
 * pass only those of the provider's own host (`certificateWanted`). What TLS says of that host is what a certificate is
 * believed for.
 */
export class Certificates {
  readonly #deps: CertificatesDeps
  readonly #kept = new Map<string, Kept>()
  readonly #fetching = new Map<string, Promise<void>>()

  constructor(deps: CertificatesDeps) {
    this.#deps = deps
  }

  /** The key of one that was fetched; undefined: it was not, or is not good now. */
  keyOf(url: string): KeyObject | undefined {
    const kept = this.#kept.get(url)
    const now = this.#deps.clock.now()
    return kept !== undefined && kept.from <= now && now <= kept.to ? kept.key : undefined
  }

  /** Fetches one that is not known. Never rejects: what is lacking then is said by `keyOf`. */
  async fetch(url: string): Promise<void> {
    const kept = this.#kept.get(url)
    if (kept !== undefined && this.#deps.clock.now() < kept.again) return
    const running = this.#fetching.get(url)
    if (running !== undefined) return running
    if (this.#fetching.size >= fetchingMax) return
    const fetching = this.#fetch(url).finally(() => this.#fetching.delete(url))
    this.#fetching.set(url, fetching)
    await fetching
  }

  async #fetch(url: string): Promise<void> {
    const { visit, clock, logger } = this.#deps
    try {
      const { status, body } = await visit(url)
      if (status !== 200) throw new Error(`it was answered with ${status}`)
      const certificate = new X509Certificate(body)
      this.#keep(url, {
        key: certificate.publicKey,
        from: certificate.validFromDate.getTime(),
        to: certificate.validToDate.getTime(),
        again: clock.now() + dayMs,
      })
    } catch (error) {
      logger.warn({ err: error, url }, 'the certificate of a provider could not be fetched')
      const before = this.#kept.get(url)
      const again = clock.now() + failedMs
      // One that was fetched before is as good as it was.
      this.#keep(url, before?.key ? { ...before, again } : { key: undefined, from: 0, to: 0, again })
    }
  }

  #keep(url: string, kept: Kept): void {
    this.#kept.delete(url)
    this.#kept.set(url, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > keptMax && oldest !== undefined) this.#kept.delete(oldest)
  }
}
