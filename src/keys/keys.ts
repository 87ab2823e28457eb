import { type Caller, Reach } from '../model/caller.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { readTokenByHash, readTokens, readTokenToCheck, type TokenRow } from './portal-store.ts'
import { hashOf } from './secret-text.ts'
import {
  deleteAccessOf,
  type KeyRow,
  notifyKeys,
  readKeyByHash,
  readKeys,
  readKeyToCheck,
  writeUses,
} from './store.ts'

/**
 * In each second at most this many unknown keys are looked up in the table, each once: guessing costs the database next to
 * nothing. A key that another process has made is heard of at once (`keysNotice`), and looked up for the moment before.
 */
const looksMax = 20
const looksMs = 1000
/**
 * The table is read again when a key is used after this long. Changes are heard of at once (`keysNotice`), and what went
 * unheard is read when the connection is back; this is for what neither has told.
 */
const reloadMs = 60_000
/** The last use of a key is written once in this time. */
const useEveryMs = 60_000
/** `Bearer ` and a key of FIRST_KEY's length; what is far longer is no key of ours. */
const authorizationCharsMax = 256

/** What has changed: one key, one portal token, all access to what a tenant has, or a session of a browser has ended. */
export type KeysChange =
  | { readonly kind: 'key' | 'token'; readonly id: number }
  | { readonly kind: 'session' }
  | { readonly kind: 'tenant'; readonly tenant: string }

/** The notice that keys or portal tokens were made or revoked, or that somebody has signed out. */
export const keysNotice = {
  channel: 'keys',
  parse(text: string): KeysChange | undefined {
    const [kind, of = ''] = text.split(' ')
    if (kind === 'tenant') return { kind, tenant: of }
    if (kind === 'session') return { kind }
    if ((kind === 'key' || kind === 'token') && /^\d{1,10}$/.test(of)) return { kind, id: Number(of) }
    return undefined
  },
} as const

/** Deletes all keys and portal tokens of a tenant, in the transaction that deletes the tenant. */
export async function withdrawAccess(tx: Queryable, tenant: string): Promise<void> {
  await deleteAccessOf(tx, tenant)
  await notifyKeys(tx, `tenant ${tenant}`)
}

export interface ApiKeysDeps {
  readonly database: Database
  readonly clock: Clock
}

interface Known {
  readonly caller: Caller
  readonly hash: string
  /** Its row: `key 7`, `token 7`. */
  readonly row: string
  /** The id of a key, whose uses are written; undefined for a token. */
  readonly keyId: number | undefined
  /** Unix milliseconds. */
  usedAt: number
}

/**
 * Who may use the API. All keys and portal tokens are held in memory, by their hashes, so that a request is checked
 * without the database. While the database is away, those known so far stay valid.
 *
 * The memory follows the table: `load` at the start and after the listening connection was lost, `refresh` at each notice
 * (`keysNotice`). Readings take turns, so that what is read later is what counts.
 */
export class ApiKeys {
  readonly #database: Database
  readonly #clock: Clock
  #known = new Map<string, Known>()
  /** By row. */
  #hashes = new Map<string, string>()
  #loadedAt = Number.NEGATIVE_INFINITY
  /** What was looked up since `#looksSince`. */
  readonly #looks = new Set<string>()
  #looksSince = Number.NEGATIVE_INFINITY
  #loading: Promise<void> | undefined
  #readings: Promise<unknown> = Promise.resolve()
  /** Uses that are not written yet, by id of the key. */
  #uses = new Map<number, number>()

  constructor(deps: ApiKeysDeps) {
    this.#database = deps.database
    this.#clock = deps.clock
  }

  /**
   * Whose valid key the value of an `Authorization` header holds. A promise only when the table has to be asked first; it
   * rejects with `database_unavailable` when that fails.
   */
  identify(authorization: string | undefined): Caller | undefined | Promise<Caller | undefined> {
    const key = bearerKey(authorization)
    if (key === undefined) return undefined
    const digest = hashOf(key)
    const now = this.#clock.now()
    const caller = this.#valid(digest, now)
    if (caller !== undefined) {
      if (now - this.#loadedAt > reloadMs) this.load().catch(() => {}) // what is known stays valid
      return caller
    }
    if (!this.#mayLookUp(digest, now)) return undefined
    return this.#inTurn(() => this.#lookUp(digest)).then(() => this.#valid(digest, this.#clock.now()))
  }

  /** Who has the key with this id; undefined: it is no longer valid. */
  async callerOfKey(id: number): Promise<Caller | undefined> {
    const row = `key ${id}`
    // Another process may just have made it.
    if (!this.#hashes.has(row)) await this.refresh({ kind: 'key', id })
    const digest = this.#hashes.get(row)
    return digest === undefined ? undefined : this.#valid(digest, this.#clock.now())
  }

  #mayLookUp(digest: string, now: number): boolean {
    if (now - this.#looksSince >= looksMs) {
      this.#looks.clear()
      this.#looksSince = now
    }
    if (this.#looks.size >= looksMax || this.#looks.has(digest)) return false
    this.#looks.add(digest)
    return true
  }

  /** From memory. A key is refused from the moment at which it expires, whether the database can be read or not. */
  #valid(digest: string, now: number): Caller | undefined {
    const known = this.#known.get(digest)
    if (known === undefined) return undefined
    const { expiresAt } = known.caller
    if (expiresAt !== null && now >= expiresAt) return undefined
    if (known.keyId !== undefined && now - known.usedAt >= useEveryMs) {
      known.usedAt = now
      this.#uses.set(known.keyId, now)
    }
    return known.caller
  }

  /** Reads all keys and tokens; one reading at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#inTurn(() => this.#read()).finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  /** Resolves when what has changed so far was read again, or could not be. */
  async refreshed(): Promise<void> {
    await this.#readings
  }

  /** Reads again what has changed, here or elsewhere. */
  refresh(change: KeysChange): Promise<void> {
    return this.#inTurn(async () => {
      if (change.kind === 'session') return // sessions are looked up with each request
      if (change.kind === 'tenant') {
        for (const { row, caller } of [...this.#known.values()]) {
          if (caller.reach.tenant === change.tenant) this.#drop(row)
        }
        return
      }
      const found =
        change.kind === 'key'
          ? knownKey(await readKeyToCheck(this.#database, change.id))
          : knownToken(await readTokenToCheck(this.#database, change.id))
      if (found === undefined) this.#drop(`${change.kind} ${change.id}`)
      else this.#take(found)
    })
  }

  /** Writes the last uses of keys; to be called from time to time. */
  async writeUses(): Promise<void> {
    if (this.#uses.size === 0) return
    const uses = this.#uses
    this.#uses = new Map()
    try {
      await writeUses(
        this.#database,
        [...uses].map(([id, at]) => ({ id, at })),
      )
    } catch (error) {
      for (const [id, at] of uses) if (!this.#uses.has(id)) this.#uses.set(id, at)
      throw error
    }
  }

  async #read(): Promise<void> {
    const [keys, tokens] = [await readKeys(this.#database), await readTokens(this.#database)]
    const before = this.#known
    this.#known = new Map()
    this.#hashes = new Map()
    for (const found of [...keys.map(knownKey), ...tokens.map(knownToken)]) {
      if (found === undefined) continue
      // What was used here meanwhile may not be written yet.
      found.usedAt = Math.max(found.usedAt, before.get(found.hash)?.usedAt ?? 0)
      this.#take(found)
    }
    this.#loadedAt = this.#clock.now()
  }

  /** A key or token that another process may just have made. */
  async #lookUp(digest: string): Promise<void> {
    const found =
      knownKey(await readKeyByHash(this.#database, digest)) ??
      knownToken(await readTokenByHash(this.#database, digest))
    if (found !== undefined) this.#take(found)
  }

  #take(known: Known): void {
    this.#known.set(known.hash, known)
    this.#hashes.set(known.row, known.hash)
  }

  #drop(row: string): void {
    const hash = this.#hashes.get(row)
    if (hash !== undefined) this.#known.delete(hash)
    this.#hashes.delete(row)
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const reading = this.#readings.then(read)
    this.#readings = reading.catch(() => {})
    return reading
  }
}

function knownKey(row: KeyRow | undefined): Known | undefined {
  if (row === undefined) return undefined
  const { id, name, scope, tenant, expires_at: expiresAt } = row
  const caller = {
    actor: { kind: 'key', id: String(id), name },
    scope,
    reach: tenant === null ? Reach.all : Reach.of(tenant),
    expiresAt: expiresAt?.getTime() ?? null,
  } as const
  return {
    caller,
    hash: row.hash,
    row: `key ${id}`,
    keyId: id,
    usedAt: row.last_used_at?.getTime() ?? Number.NEGATIVE_INFINITY,
  }
}

function knownToken(row: TokenRow | undefined): Known | undefined {
  if (row === undefined) return undefined
  const { id, tenant, read_only: readOnly } = row
  const caller = {
    actor: { kind: 'portal_token', id: String(id), name: `portal of ${tenant}` },
    scope: readOnly ? 'read' : 'tenant',
    reach: Reach.of(tenant),
    expiresAt: row.expires_at.getTime(),
  } as const
  return { caller, hash: row.hash, row: `token ${id}`, keyId: undefined, usedAt: Number.POSITIVE_INFINITY }
}

function bearerKey(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > authorizationCharsMax) return undefined
  const match = /^bearer +(\S+) *$/i.exec(authorization)
  return match?.[1]
}
