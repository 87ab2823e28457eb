import { hash, randomBytes } from 'node:crypto'
import { type Caller, Reach } from '../model/caller.ts'
import { lockForTransaction } from '../platform/advisory-lock.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'
import { insertFirstKey, type KeyRow, readKeys } from './store.ts'

/** An unknown key makes the table be read again, but not more often than this: guessing costs the database nothing. */
const missReloadMs = 1000
/**
 * The table is read again when a key is used after this long. So a key that was deleted is refused from the second use
 * after it, at the latest, once the database can be read.
 */
const reloadMs = 10_000
/** Of a key, shown for people to recognise it; of the 43 random characters 4, so that 39 are left to be guessed. */
const prefixChars = 'whk_'.length + 4
/** `Bearer `, the prefix and 43 characters are 54; what is far longer is no key of ours. */
const authorizationCharsMax = 256

export interface ApiKeysDeps {
  readonly database: Database
  readonly clock: Clock
}

/**
 * Who may use the API. The hashes of all keys are held in memory, since there are few of them, so that a request is
 * checked without the database. While the database is away, the keys known so far stay valid.
 */
export class ApiKeys {
  readonly #database: Database
  readonly #clock: Clock
  /** By hash. */
  #keys: ReadonlyMap<string, Caller> = new Map()
  #loadedAt = Number.NEGATIVE_INFINITY
  #loading: Promise<void> | undefined

  constructor(deps: ApiKeysDeps) {
    this.#database = deps.database
    this.#clock = deps.clock
  }

  /**
   * Whose valid key the value of an `Authorization` header holds. A promise only when the table has to be read first; it
   * rejects with `database_unavailable` when that fails.
   */
  identify(authorization: string | undefined): Caller | undefined | Promise<Caller | undefined> {
    const key = bearerKey(authorization)
    if (key === undefined) return undefined
    const digest = hash('sha256', key)
    const ageMs = this.#clock.now() - this.#loadedAt
    const caller = this.#valid(digest)
    if (caller !== undefined) {
      if (ageMs > reloadMs) this.load().catch(() => {}) // what is known stays valid
      return caller
    }
    if (ageMs < missReloadMs) return undefined
    return this.load().then(() => this.#valid(digest))
  }

  /** From memory. A key is refused from the moment at which it expires, whether the database can be read or not. */
  #valid(digest: string): Caller | undefined {
    const caller = this.#keys.get(digest)
    const isOver = caller?.expiresAt != null && this.#clock.now() >= caller.expiresAt
    return isOver ? undefined : caller
  }

  /** Reads all keys; one reading at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #read(): Promise<void> {
    const rows = await readKeys(this.#database)
    this.#keys = new Map(rows.map(row => [row.hash, callerOf(row)]))
    this.#loadedAt = this.#clock.now()
  }
}

/**
 * Makes a key when there is none at all, and returns it; it can never be shown again. Of any number of processes that
 * start together, one makes it.
 */
export async function ensureFirstKey(database: Database): Promise<string | undefined> {
  const key = `whk_${randomBytes(32).toString('base64url')}`
  const row = {
    name: 'first key',
    hash: Buffer.from(hash('sha256', key), 'hex'),
    prefix: key.slice(0, prefixChars),
  }
  const made = await database.transaction(async tx => {
    await lockForTransaction(tx, 'firstKey')
    return insertFirstKey(tx, row)
  })
  return made ? key : undefined
}

function callerOf({ id, name, scope, tenant, expires_at: expiresAt }: KeyRow): Caller {
  return {
    actor: { kind: 'key', id: String(id), name },
    scope,
    reach: tenant === null ? Reach.all : Reach.of(tenant),
    expiresAt: expiresAt?.getTime() ?? null,
  }
}

function bearerKey(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > authorizationCharsMax) return undefined
  const match = /^bearer +(\S+) *$/i.exec(authorization)
  return match?.[1]
}
