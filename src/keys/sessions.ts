import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError } from '../errors.ts'
import type { Caller } from '../model/caller.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import type { Database } from '../platform/postgres.ts'
import type { ApiKeys } from './keys.ts'
import { hashOf, newSecretText } from './secret-text.ts'
import { deleteExpiredSessions, deleteSession, insertSession, readSessionKey } from './session-store.ts'
import { notifyKeys } from './store.ts'

export interface SessionsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly keys: ApiKeys
  readonly hours: number
}

export interface NewSession {
  /** For the cookie: shown to this browser only, and kept as a hash. */
  readonly text: string
  readonly expiresAt: Date
}

/** Where a browser is, as far as this service can tell. */
export interface BrowserAddress {
  /** Of its connection: behind a proxy, that of the proxy. */
  readonly address: string | undefined
  /** As `X-Forwarded-For` claims it: anyone can write anything there, so nothing is decided by it. */
  readonly forwarded_for: string | undefined
}

/** The name of a session in the audit log: it is the same at its begin and end, and nobody can sign in with it. */
function nameOf(hash: string): string {
  return hash.slice(0, 12)
}

/**
 * Sessions of browsers: a key was given once, and the browser has a cookie in its place, which no script can read. Each is
 * as good as its key: it ends when the key is revoked or expires, after `hours`, and when its owner signs out, in all
 * processes at once, since each request asks the database. Only the dashboard has them, so those are few.
 */
export class Sessions {
  readonly #deps: SessionsDeps

  constructor(deps: SessionsDeps) {
    this.#deps = deps
  }

  /** Unix milliseconds, by the clock that ends them. */
  now(): number {
    return this.#deps.clock.now()
  }

  /**
   * @param from where the browser is, for the audit log
   * @throws AppError forbidden for what is no API key
   */
  async open({ actor, reach, expiresAt: keyEnd }: Caller, from: BrowserAddress): Promise<NewSession> {
    const { database, clock, hours } = this.#deps
    if (actor.kind !== 'key')
      throw new AppError(
        'forbidden',
        'A session is opened with an API key. A portal token opens its own page.',
      )
    const { text, hash } = newSecretText('whs')
    const end = clock.now() + hours * 3_600_000
    const expiresAt = new Date(Math.min(end, keyEnd ?? end))
    await database.transaction(async tx => {
      await insertSession(tx, { hash, keyId: Number(actor.id), expiresAt })
      await recordChange(tx, actor, {
        ...{ action: 'session.created', subjectId: nameOf(hash.toString('hex')), tenant: reach.tenant },
        changes: differences(undefined, { ...from, expires_at: expiresAt.toISOString() }),
      })
    })
    return { text, expiresAt }
  }

  /** Whose session it is; undefined: it has ended, or there never was one. */
  async identify(text: string): Promise<Caller | undefined> {
    const { database, clock, keys } = this.#deps
    const keyId = await readSessionKey(database, hashOf(text), new Date(clock.now()))
    return keyId === undefined ? undefined : keys.callerOfKey(keyId)
  }

  /** Ends a session that its owner signs out of. One that has expired ended by itself: its entry said when. */
  async close(text: string, from: BrowserAddress): Promise<void> {
    const { database } = this.#deps
    const caller = await this.identify(text)
    await database.transaction(async tx => {
      const isDeleted = await deleteSession(tx, hashOf(text))
      if (!isDeleted) return
      await notifyKeys(tx, 'session') // what it reads in any process ends
      if (caller === undefined) return
      await recordChange(tx, caller.actor, {
        ...{ action: 'session.ended', subjectId: nameOf(hashOf(text)), tenant: caller.reach.tenant },
        changes: differences(undefined, { ...from }),
      })
    })
  }

  /** Removes those that have expired. To be called from time to time. */
  async removeExpired(signal: AbortSignal): Promise<void> {
    const { database, clock } = this.#deps
    const most = 1000
    const now = new Date(await earlierNow(database, clock))
    while (!signal.aborted && (await deleteExpiredSessions(database, now, most)) === most);
  }
}
