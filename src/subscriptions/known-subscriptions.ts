import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { type Sealer, sealedWith } from '../platform/seal.ts'
import type { EventToMatch } from './matching.ts'
import { idMax, readAll } from './read-all.ts'
import type { SubscriptionDefaults } from './rules.ts'
import { openSubscription } from './secrets.ts'
import { type PackedSubscription, pack, readSubscriptions, type SubscriptionRow, unpack } from './store.ts'
import type { Subscription } from './subscription.ts'
import { type ChangeListener, SubscriptionCache } from './subscription-cache.ts'
import { SubscriptionDirectory } from './subscription-directory.ts'

export interface KnownSubscriptionsDeps {
  readonly database: Database
  readonly seal: Sealer
  readonly defaults: SubscriptionDefaults
  readonly log: Logger
}

/** Rows read at a time, of those that were changed. */
const pageRows = 1000

/**
 * All subscriptions, in memory, for the path of an event. The copy follows the table: `load` at the start and after the
 * listening connection was lost, `refresh` at each notice. Notices may arrive twice and in any order, see `SubscriptionCache`.
 */
export class KnownSubscriptions {
  readonly #database: Database
  readonly #seal: Sealer
  readonly #defaults: SubscriptionDefaults
  readonly #log: Logger
  readonly #cache: SubscriptionCache
  readonly #directory = new SubscriptionDirectory()
  /** Those whose rows are to be read again, by id. */
  readonly #stale = new Map<number, PromiseWithResolvers<boolean>>()
  #rereading: Promise<void> | undefined

  constructor(deps: KnownSubscriptionsDeps) {
    this.#database = deps.database
    this.#seal = deps.seal
    this.#defaults = deps.defaults
    this.#log = deps.log
    this.#cache = new SubscriptionCache(
      (id, packed) => this.#open(id, packed),
      (id, now, before) => this.#directory.change(id, now, before),
    )
  }

  get(id: number): Subscription | undefined {
    return this.#cache.get(id)
  }

  /** How many there are. */
  get size(): number {
    return this.#cache.size
  }

  /**
   * The ids of those that an event which is published goes to, ascending: of its tenant, not disabled, and wanting its type,
   * its channels and what is in it. Of others none is looked at, except those whose filter has to be asked. None is made
   * ready for it, so `get` answers undefined for one that cannot be opened.
   */
  matching(event: EventToMatch): readonly number[] {
    return this.#directory.matching(event, id => this.#cache.text(id))
  }

  /** Those of them that list the type of the event as such: by a pattern, or without a list, nobody asks for it. */
  naming(event: EventToMatch): readonly number[] {
    return this.#directory.naming(event, id => this.#cache.text(id))
  }

  /** Whether any has `inbound`. */
  readonly hasInbound = (): boolean => this.#directory.hasInbound

  /** The id of the one that a tenant calls so. */
  idOfUid(tenant: string, uid: string): number | undefined {
    return this.#directory.withUid(tenant, uid)
  }

  /** @returns a function that ends the listening */
  onChange(listener: ChangeListener): () => void {
    return this.#cache.onChange(listener)
  }

  /** Rows are read, and written, within this, and then taken: so what is older than what is known changes nothing. */
  reading<T>(work: () => Promise<T>): Promise<T> {
    return this.#cache.reading(work)
  }

  take(row: SubscriptionRow): void {
    this.#cache.take(pack(row))
  }

  drop(id: number): void {
    this.#cache.drop(id)
  }

  /** A row as the path of an event would see it; undefined, and told, when it cannot be opened. */
  open(row: SubscriptionRow): Subscription | undefined {
    return this.#open(row.id, pack(row).packed)
  }

  /**
   * Reads the whole table. Subscriptions that are no longer in it are dropped from the copy. The first time nobody is told
   * of them: there is nothing yet that they would change.
   */
  async load(): Promise<void> {
    const unseen = this.#cache.ids()
    const isFirst = unseen.size === 0
    await this.#cache.reading(async () => {
      await readAll(this.#database, row => {
        unseen.delete(row.id)
        if (this.#hasKeysOf(row)) this.#cache.take(row, !isFirst)
      })
    })
    for (const id of unseen) this.#cache.drop(id)
  }

  /**
   * Reads one row again, whether it was made, changed or deleted elsewhere. Those that are asked for while one is read are
   * read together: ten thousand receivers that fail at once take a few statements. @returns whether there is one
   */
  refresh(id: number): Promise<boolean> {
    if (!Number.isSafeInteger(id) || id < 1 || id > idMax) return Promise.resolve(false)
    const asked = this.#stale.get(id) ?? Promise.withResolvers<boolean>()
    this.#stale.set(id, asked)
    this.#rereading ??= this.#reread().finally(() => {
      this.#rereading = undefined
    })
    return asked.promise
  }

  async #reread(): Promise<void> {
    while (this.#stale.size > 0) {
      const batch = new Map([...this.#stale].slice(0, pageRows))
      for (const id of batch.keys()) this.#stale.delete(id)
      try {
        const there = await this.#readAgain([...batch.keys()])
        for (const [id, { resolve }] of batch) resolve(there.has(id))
      } catch (error) {
        for (const { reject } of batch.values()) reject(error)
      }
    }
  }

  /** @returns those of the ids that there are */
  #readAgain(ids: readonly number[]): Promise<ReadonlySet<number>> {
    return this.#cache.reading(async () => {
      const rows = await readSubscriptions(this.#database, ids)
      const there = new Set(rows.map(({ id }) => id))
      for (const id of ids) if (!there.has(id)) this.#cache.drop(id)
      for (const row of rows.map(pack)) if (this.#hasKeysOf(row)) this.#cache.take(row)
      return there
    })
  }

  /** A row that cannot be opened is logged, and the others are opened all the same. */
  #open(id: number, packed: string): Subscription | undefined {
    try {
      return openSubscription(unpack(id, packed), this.#seal, this.#defaults)
    } catch (error) {
      this.#log.error({ err: error, subscription_id: id }, 'a subscription cannot be read')
      return undefined
    }
  }

  /** Secrets are opened when they are needed; that their keys are missing is said at once. */
  #hasKeysOf({ id, packed }: PackedSubscription): boolean {
    const missing = sealedWith(packed).find(key => !this.#seal.keyIds.includes(key))
    if (missing === undefined) return true
    this.#log.error(
      { subscription_id: id, key: missing },
      'a subscription cannot be read: ENCRYPTION_KEYS lacks its key',
    )
    return false
  }
}
