import type { Member } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import { databaseTime } from '../platform/database-time.ts'
import { uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { freeLeased, type OwedKey, readLeased } from './store.ts'

export type { OwedKey } from './store.ts'

/** Ages at which rows are looked at: soon, for Redis has lost a message; late, for their commit may have taken long. */
const soonMs = 3000
const lateMs = 20_000

/** By so much the late look comes after the last moment at which a row can be committed. */
const afterCommitMs = 10_000

/** How far back a first look goes: what was handed over before it. */
const firstMs = 60_000

/** By so much this clock may be ahead of the database's before rows are looked at by that, too. */
const aheadMs = 1000

/** Rows of one look, and keys remembered as given up. */
const rowsMax = 10_000
const disownedMax = 100_000

/** Rows that are so old are looked at; the time that the last look came to. */
interface Look {
  readonly ageMs: number
  to: number | undefined
}

/**
 * The deliveries that other processes have accepted and leased to this one. The message that tells of them can get
 * lost; their rows cannot. So this process looks, once soon and once late, at the rows that are leased to it: those it
 * has never heard of go to their lanes. Should the message come after all, it is not followed: nothing is sent twice.
 */
export class HandedRows {
  readonly #connection: Queryable
  readonly #clock: Clock
  readonly #membership: Pick<Member, 'id'>
  readonly #held = new Set<string>()
  readonly #disowned = new Set<string>()
  readonly #looks: readonly Look[]
  readonly #looksBehind: readonly Look[]
  #givingUp: OwedKey[] = []
  #freeing: Promise<number> | undefined

  /** @param commitMsMax how long after the time in its id a row may be committed */
  constructor(connection: Queryable, clock: Clock, membership: Pick<Member, 'id'>, commitMsMax: number) {
    this.#connection = connection
    this.#clock = clock
    this.#membership = membership
    const ages = [soonMs, Math.max(lateMs, commitMsMax + afterCommitMs)]
    // No time is taken here: the clock may not have been set by the database's yet.
    this.#looks = ages.map(ageMs => ({ ageMs, to: undefined }))
    this.#looksBehind = ages.map(ageMs => ({ ageMs, to: undefined }))
  }

  /** Deliveries that are here, and not settled. */
  get held(): number {
    return this.#held.size
  }

  /** A message tells of a delivery. @returns false: it is here already, or its row was given up; not to be sent */
  accept(key: OwedKey): boolean {
    const name = nameOf(key)
    if (this.#held.has(name) || this.#disowned.has(name)) return false
    this.#held.add(name)
    return true
  }

  /** It has left memory: settled, or back in its lane. */
  left(key: OwedKey): void {
    this.#held.delete(nameOf(key))
  }

  /** Puts one that was accepted into its lane: there is no room for it here. */
  giveUp(key: OwedKey): void {
    this.left(key)
    this.#disown(key)
    this.#freeing ??= Promise.resolve()
      .then(() => this.#free())
      .catch(() => 0) // kept, and freed by the next look
      .finally(() => {
        this.#freeing = undefined
      })
  }

  /** Looks for rows that this process should have heard of. @returns how many went to their lanes */
  async look(): Promise<number> {
    const now = this.#clock.now()
    for (const look of this.#looks) await this.#lookAt(look, now - look.ageMs)
    await this.#lookBehind(now)
    await this.#freeing
    return this.#free()
  }

  /** This process goes on under a new id: what it held under the old one is not its own any more. */
  forget(): void {
    this.#held.clear()
    this.#givingUp = []
  }

  /**
   * A clock that runs does not go back with the database's, but a process that starts afterwards goes by the new time:
   * its rows have ids that this clock has passed. So until the two agree again, rows are looked at by both.
   */
  async #lookBehind(now: number): Promise<void> {
    const databaseNow = await databaseTime(this.#connection)
    for (const look of this.#looksBehind) {
      if (now - databaseNow > aheadMs) await this.#lookAt(look, databaseNow - look.ageMs)
      else look.to = undefined
    }
  }

  async #lookAt(look: Look, to: number): Promise<void> {
    // When time has gone back, it begins again, as at first: to look at a row twice does no harm.
    const from = look.to === undefined || to < look.to ? to - firstMs : look.to
    if (to === from) return
    const bounds = [uuidLowerBound(from), uuidLowerBound(to)] as const
    const rows = await readLeased(this.#connection, this.#membership.id, ...bounds, rowsMax)
    for (const row of rows) if (!this.#held.has(nameOf(row))) this.#disown(row)
    // With more than can be looked at, what is left is looked at the next time.
    const last = rows.length < rowsMax ? undefined : rows.at(-1)
    look.to = last ? Math.max(from + 1, uuidTime(last.webhookId)) : to
  }

  #disown(key: OwedKey): void {
    this.#givingUp.push(key)
    this.#disowned.add(nameOf(key))
    if (this.#disowned.size <= disownedMax) return
    const [oldest] = this.#disowned
    if (oldest !== undefined) this.#disowned.delete(oldest)
  }

  async #free(): Promise<number> {
    const keys = this.#givingUp
    if (keys.length === 0) return 0
    this.#givingUp = []
    try {
      return await freeLeased(this.#connection, this.#membership.id, keys, this.#clock.now())
    } catch (error) {
      this.#givingUp = [...keys, ...this.#givingUp]
      throw error
    }
  }
}

function nameOf({ webhookId, subscriptionId }: OwedKey): string {
  return `${webhookId} ${subscriptionId}`
}
