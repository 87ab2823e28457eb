import type { Member } from '../cluster/membership.ts'
import type { Clock } from '../platform/clock.ts'
import { databaseTime } from '../platform/database-time.ts'
import { every, type Repeated } from '../platform/every.ts'
import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { LaneReturn } from './lane-return.ts'
import { freeLeased, type OwedKey, readLeased } from './store.ts'

export interface LeasedRowsDeps {
  readonly connection: Queryable
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: Pick<Member, 'id'>
  /** How long after the time in its id an event may be committed by a process that still waits for it. */
  readonly commitMsMax: number
  /**
   * Other processes lease rows to this one, and tell it by messages that may get lost: any row may be in doubt. Without,
   * only those are that `doubt` names.
   */
  readonly hearsByMessage: boolean
  /** Called when rows went to their lanes. */
  readonly returned: () => void
  /** Replaced in tests, which wait for a look. */
  readonly paces?: LookPaces | undefined
}

export interface LookPaces {
  readonly lookEveryMs: number
  /** A message that has not come by now is lost, as a rule. */
  readonly messageMs: number
}

const usualPaces: LookPaces = { lookEveryMs: 2500, messageMs: 3000 }

/** After the last moment at which a process that waits for a commit gives it up, and before the look at what came of it. */
const afterCommitMs = 2000

/**
 * The look after that one. A PostgreSQL that stood still (a paused machine, a disk that hung) commits what it was sent as it goes on,
 * beside the look that waited for it, too: without this one such rows waited for the last look.
 */
const stoodStillMs = 15_000

/** A commit whose connection broke can still happen this much later, as when PostgreSQL waits for a disk that hangs. */
const brokenCommitMs = 110_000

/** How far back a first look goes. */
const firstMs = 60_000

/** When this clock is ahead of the database's by more than this, rows are looked at by both. */
const aheadMs = 1000

/** Rows of one statement: 3 ms of the event loop for each. */
const batchMax = 500

/** Rows of this age are looked at; up to which time that has been done. */
interface Look {
  readonly ageMs: number
  to: number | undefined
}

/**
 * Knows exactly which of the rows that are born leased to this process it holds in memory, and puts the others into their
 * lanes: those whose commit nobody heard of, and those of which a message should have told. Nothing is remembered of
 * them one by one. Ids are UUIDv7, so this process looks at a stretch of time of the key, some seconds after it, again
 * when no commit is waited for any more, some seconds later, and once more after two minutes. A row that is committed still later is freed
 * when this process ends.
 *
 * What a look has passed over is not held any more afterwards, whoever tells of it: so a row that went to its lane is
 * never sent from here too.
 */
export class LeasedRows {
  readonly #deps: LeasedRowsDeps
  readonly #lookEveryMs: number
  readonly #laneReturn: LaneReturn
  readonly #looks: readonly Look[]
  /** The same by the database's clock; see `#lookBehind`. */
  readonly #looksBehind: readonly Look[]
  readonly #held = new Map<number, Set<Uuid>>()
  /** The time of the ids in doubt, in Unix milliseconds: one stretch, however many they are. */
  #doubt: { readonly from: number; readonly to: number } | undefined
  /** Ids below this were looked at, or are being looked at now. */
  #lookedTo: Uuid = uuidLowerBound(0)
  #looking: Repeated | undefined

  constructor(deps: LeasedRowsDeps) {
    const { commitMsMax, hearsByMessage, paces = usualPaces } = deps
    this.#deps = deps
    this.#lookEveryMs = paces.lookEveryMs
    this.#laneReturn = new LaneReturn(deps)
    const ages = [afterCommitMs, stoodStillMs, brokenCommitMs].map(ms => commitMsMax + ms)
    if (hearsByMessage) ages.unshift(paces.messageMs)
    // No time is taken here: the clock may not have been set by the database's yet.
    this.#looks = ages.map(ageMs => ({ ageMs, to: undefined }))
    this.#looksBehind = ages.map(ageMs => ({ ageMs, to: undefined }))
  }

  /** Begins to look, every 2.5 s; without a doubt that costs nothing. */
  start(): void {
    const { logger } = this.#deps
    const what = 'looking for rows that are leased but not held'
    this.#looking = every(this.#lookEveryMs, what, logger, async () => {
      const freed = await this.look()
      if (freed > 0) logger.warn({ freed }, 'found deliveries that were leased to this process and not held')
    })
  }

  async stop(): Promise<void> {
    await this.#looking?.stop()
    await this.#laneReturn.close()
  }

  /**
   * A delivery whose row is leased to this process is to be held in memory. @returns false: not to be sent, as it is held
   * already, or a look has passed over its row, which then goes to its lane
   */
  hold(key: OwedKey): boolean {
    const { webhookId, subscriptionId } = key
    if (webhookId < this.#lookedTo) {
      this.refuse(key)
      return false
    }
    const ofSubscription = this.#held.get(subscriptionId)
    if (!ofSubscription) this.#held.set(subscriptionId, new Set([webhookId]))
    else if (ofSubscription.has(webhookId)) return false
    else ofSubscription.add(webhookId)
    return true
  }

  /** It has left memory: settled, or back in its lane. */
  left({ webhookId, subscriptionId }: OwedKey): void {
    const ofSubscription = this.#held.get(subscriptionId)
    if (ofSubscription?.delete(webhookId) && ofSubscription.size === 0) this.#held.delete(subscriptionId)
  }

  /** Its row is leased to this process, which does not want it: it goes to its lane at once, unless it is held. */
  refuse(key: OwedKey): void {
    if (!this.#isHeld(key)) this.#laneReturn.add(this.#deps.membership.id, key)
  }

  /** Its row may have been committed as leased to this process, which does not hold it. */
  doubt(webhookId: Uuid): void {
    const at = uuidTime(webhookId)
    const { from, to } = this.#doubt ?? { from: at, to: at + 1 }
    this.#doubt = { from: Math.min(from, at), to: Math.max(to, at + 1) }
  }

  /** This process goes on under a new id: what it held under the old one is not its own any more. */
  forget(): void {
    this.#held.clear()
    this.#doubt = undefined
  }

  /** Looks at what has reached its age. @returns how many rows went to their lanes */
  async look(): Promise<number> {
    const now = this.#deps.clock.now()
    let freed = 0
    for (const look of this.#looks) freed += await this.#advance(look, now - look.ageMs)
    if (this.#deps.hearsByMessage) freed += await this.#lookBehind(now)
    const lookedTo = this.#looks.at(-1)?.to
    if (this.#doubt && lookedTo !== undefined && this.#doubt.to <= lookedTo) this.#doubt = undefined
    return freed
  }

  #isHeld({ webhookId, subscriptionId }: OwedKey): boolean {
    return this.#held.get(subscriptionId)?.has(webhookId) === true
  }

  /**
   * A clock that runs does not go back with the database's, but a process that starts afterwards goes by the new time:
   * its rows have ids that this clock has passed. So until the two agree again, rows are looked at by both.
   */
  async #lookBehind(now: number): Promise<number> {
    const databaseNow = await databaseTime(this.#deps.connection)
    let freed = 0
    for (const look of this.#looksBehind) {
      if (now - databaseNow > aheadMs) freed += await this.#advance(look, databaseNow - look.ageMs)
      else look.to = undefined
    }
    return freed
  }

  async #advance(look: Look, to: number): Promise<number> {
    // When time has gone back, it begins again, as at first: to look at a row twice does no harm.
    const from = look.to === undefined || to < look.to ? to - firstMs : look.to
    const freed = this.#deps.hearsByMessage
      ? await this.#freeBetween(from, to)
      : await this.#freeBetween(
          Math.max(from, this.#doubt?.from ?? to),
          Math.min(to, this.#doubt?.to ?? from),
        )
    look.to = to
    return freed
  }

  /** Puts what is leased to this process and not held into lanes, of a time from `from` (included) to `to` (not). */
  async #freeBetween(from: number, to: number): Promise<number> {
    if (from >= to) return 0
    const { connection, clock, membership, returned } = this.#deps
    const owner = membership.id
    const end = uuidLowerBound(to)
    // Before the statement, not after it: whoever tells of such a row from now on comes too late.
    if (end > this.#lookedTo) this.#lookedTo = end
    let after: OwedKey | undefined = { webhookId: uuidLowerBound(from), subscriptionId: 0 }
    let freed = 0
    while (after && membership.id === owner) {
      const rows: readonly OwedKey[] = await readLeased(connection, owner, after, end, batchMax)
      const lost = rows.filter(row => !this.#isHeld(row))
      if (lost.length > 0) freed += await freeLeased(connection, owner, lost, clock.now())
      after = rows.length < batchMax ? undefined : rows.at(-1)
    }
    if (freed > 0) returned()
    return freed
  }
}
