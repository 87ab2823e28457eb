import { overloaded } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'
import { type ReceiverRow, readReceiverOfToken, readReceivers } from './store.ts'

/** The notice that a test receiver was made, changed or deleted: its id. */
export const testReceiverNotice = { channel: 'test_receivers', parse: Number } as const

export interface OwnAddressesDeps {
  readonly database: Database
  readonly clock: Clock
}

/** What is known of a receiver. */
export type KnownReceiver = Pick<
  ReceiverRow,
  'id' | 'tenant' | 'token' | 'url' | 'signing_secret' | 'expires_at'
>

/** What an address of a receiver of this service ends with. */
const tail = /\/t\/([A-Za-z0-9_-]{43})$/

/** For this long an address that is none is not looked up again. */
const unknownMs = 1000
/** It is remembered of at most this number of addresses. */
const unknownMax = 1000
/** Tokens of requests that are looked up at a time: whoever tries many of them keeps no connection from others. */
const lookUpsMax = 4

/**
 * Which addresses are those of test receivers of this service. It is the whole text of the address that says so, as it is in
 * the table: nothing else is let through for being on the same host, or for having the same path.
 *
 * All of them are in memory, and follow the table by notices. An address that looks like one and is not known is looked up,
 * as a notice may still be on its way.
 */
export class OwnAddresses {
  readonly #deps: OwnAddressesDeps
  readonly #byUrl = new Map<string, KnownReceiver>()
  readonly #urls = new Map<number, string>()
  readonly #unknown = new Map<string, number>()
  #loading: Promise<void> | undefined
  #isStale = false
  #lookUps = 0

  constructor(deps: OwnAddressesDeps) {
    this.#deps = deps
  }

  /** How many receivers there are, as far as this process knows. */
  get size(): number {
    return this.#byUrl.size
  }

  /**
   * The receiver at an address; a promise where the table has to be asked. An address that cannot be one of a receiver costs
   * a look through its text.
   */
  find(url: string): KnownReceiver | undefined | Promise<KnownReceiver | undefined> {
    if (!url.includes('/t/')) return undefined
    const known = this.#byUrl.get(url)
    if (known !== undefined) return this.#isOver(known) ? undefined : known
    const token = tail.exec(url)?.[1]
    if (token === undefined || this.#isUnknown(token)) return undefined
    return this.#lookUp(url, token)
  }

  /** The receiver of a token, for a request that came to this service. @throws AppError overloaded */
  async ofToken(token: string): Promise<KnownReceiver | undefined> {
    for (const known of this.#byUrl.values()) if (known.token === token && !this.#isOver(known)) return known
    if (!/^[A-Za-z0-9_-]{43}$/.test(token) || this.#isUnknown(token)) return undefined
    if (this.#lookUps >= lookUpsMax)
      throw overloaded('Too many unknown addresses are being looked up; try again shortly.')
    this.#lookUps++
    try {
      return await this.#read(token)
    } finally {
      this.#lookUps--
    }
  }

  async #lookUp(url: string, token: string): Promise<KnownReceiver | undefined> {
    const found = await this.#read(token)
    return found?.url === url ? found : undefined
  }

  async #read(token: string): Promise<KnownReceiver | undefined> {
    const { database, clock } = this.#deps
    const found = await readReceiverOfToken(database, token, new Date(clock.now()))
    if (found !== undefined) this.add(found)
    else this.#remember(token)
    return found
  }

  add(receiver: KnownReceiver): void {
    this.#byUrl.set(receiver.url, receiver)
    this.#urls.set(receiver.id, receiver.url)
    this.#unknown.delete(receiver.token)
  }

  drop(id: number): void {
    const url = this.#urls.get(id)
    if (url === undefined) return
    this.#urls.delete(id)
    this.#byUrl.delete(url)
  }

  /** Reads all of them anew: they are few. A call while one is running makes it read once more. */
  load(): Promise<void> {
    this.#isStale = true
    this.#loading ??= this.#loadAll().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #loadAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false
      const { database, clock } = this.#deps
      const rows = await readReceivers(database, new Date(clock.now()))
      const there = new Set(rows.map(({ id }) => id))
      for (const id of this.#urls.keys()) if (!there.has(id)) this.drop(id)
      for (const row of rows) this.add(row)
    }
  }

  #isOver({ expires_at: end }: KnownReceiver): boolean {
    return end.getTime() <= this.#deps.clock.now()
  }

  #isUnknown(token: string): boolean {
    return (this.#unknown.get(token) ?? 0) > performance.now()
  }

  #remember(token: string): void {
    this.#unknown.delete(token)
    this.#unknown.set(token, performance.now() + unknownMs)
    if (this.#unknown.size <= unknownMax) return
    const [oldest] = this.#unknown.keys()
    if (oldest !== undefined) this.#unknown.delete(oldest)
  }
}
