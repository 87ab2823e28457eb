import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches, type Walked } from '../platform/batches.ts'
import { uuidLowerBound } from '../platform/id.ts'
import { readFact, setFact } from '../platform/installation.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RecoverDeps } from './recover.ts'
import {
  type FreedPage,
  freeOrphans,
  giveBackOrphans,
  type OwedKey,
  repairKeys,
  repairLanes,
  type SubscriptionKey,
} from './recover-store.ts'

/** What a round of repair put right; all zero in a healthy installation. */
export interface RepairReport {
  /** Owed rows and lanes whose holder does not exist, as a late commit of a process that was declared dead leaves them. */
  readonly orphans: number
  /** Lanes that did not know of what is owed in them. */
  readonly lanes: number
}

/** Orphans are rows of processes that died lately, so what came in within this is looked at in every round. */
const recentMs = 600_000

/** What is looked at in one round at most: rows; subscriptions that owe something, and lanes. */
const rowsMax = 1_000_000
const lanesMax = 100_000
const keysMax = 100_000

/** How far the sweeps have come that go on from round to round, whoever does the next one. */
interface Progress {
  readonly owed: OwedKey
  readonly owing: number
  readonly lanes: number
  readonly keys: SubscriptionKey
}

const start: Progress = {
  owed: { webhookId: uuidLowerBound(0), subscriptionId: -1 },
  owing: -1,
  lanes: -1,
  keys: { subscriptionId: -1, key: '' },
}

/**
 * One round of the safety net: finds what no bell and no lease points to any more. What came in lately is looked at in
 * every round, all that is owed in the course of several, from where the last round came to: at one round a minute 20
 * million rows in 20 minutes, and 300,000 subscriptions that owe something in three. One process at a time does it.
 *
 * It trusts no `ReadFrom`, so each probe of a lane walks over what is dead at its beginning: 9 to 29 ms and 1,811 pages for
 * 110,000 rows that a transaction held open had kept from being removed.
 *
 * @returns undefined when another process is at it
 */
export function repair(deps: RecoverDeps, signal: AbortSignal): Promise<RepairReport | undefined> {
  return besideThePath(deps.database, 'repair', async session => {
    if (!(await tryLockForSession(session, 'repair'))) return undefined
    return new Round(deps, session, signal).run()
  })
}

class Round {
  readonly #deps: RecoverDeps
  readonly #session: Queryable
  readonly #signal: AbortSignal
  #orphans = 0
  #lanes = 0

  constructor(deps: RecoverDeps, session: Queryable, signal: AbortSignal) {
    this.#deps = deps
    this.#session = session
    this.#signal = signal
  }

  async run(): Promise<RepairReport> {
    const { clock } = this.#deps
    const progress = await this.#readProgress()
    const recent = uuidLowerBound(clock.now() - recentMs)
    await this.#freeOrphans({ webhookId: recent, subscriptionId: -1 })
    const owed = await this.#freeOrphans(progress.owed)
    const owing = await this.#walk('repair of lanes', lanesMax, progress.owing, async (after, limit) => {
      const page = await repairLanes(this.#session, after, limit)
      this.#lanes += page.freed
      return page
    })
    const lanes = await this.#walk('repair of leases', lanesMax, progress.lanes, async (after, limit) => {
      const page = await giveBackOrphans(this.#session, after, limit, clock.now())
      this.#orphans += page.freed
      return page
    })
    const keys = await this.#walk('repair of keys', keysMax, progress.keys, (after, limit) =>
      repairKeys(this.#session, after, limit),
    )
    await setFact(this.#session, 'repair', {
      owed: nextOf(owed, progress.owed, start.owed),
      owing: nextOf(owing, progress.owing, start.owing),
      lanes: nextOf(lanes, progress.lanes, start.lanes),
      keys: nextOf(keys, progress.keys, start.keys),
    } satisfies Progress)
    return { orphans: this.#orphans, lanes: this.#lanes }
  }

  async #readProgress(): Promise<Progress> {
    const fact = await readFact(this.#session, 'repair')
    return { ...start, ...(fact as Partial<Progress> | undefined) } // this function's own words, or none
  }

  #freeOrphans(from: OwedKey): Promise<Walked<OwedKey>> {
    return this.#walk('repair of deliveries', rowsMax, from, async (after, limit) => {
      const page = await freeOrphans(this.#session, after, limit, this.#deps.clock.now())
      this.#orphans += page.freed
      return page
    })
  }

  #walk<Key>(
    name: string,
    rows: number,
    from: Key,
    step: (after: Key, limit: number) => Promise<FreedPage<Key>>,
  ): Promise<Walked<Key>> {
    return inBatches({ name, logger: this.#deps.logger, signal: this.#signal, rowsMax: rows }, from, step)
  }
}

/** Where the next round begins: behind what was looked at, or from the start again after the end. */
function nextOf<Key>({ isDone, last }: Walked<Key>, from: Key, first: Key): Key {
  return isDone ? first : (last ?? from)
}
