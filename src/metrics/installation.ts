import { readQueue } from '../monitor/system.ts'
import { receiversInTrouble } from '../monitor/troubles.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Setter } from './figures.ts'
import { countReplays } from './store.ts'

/** Figures of the whole installation are asked for at most this often, however many ask. */
const freshMs = 2000
/** Who asks waits this long for the database. */
const waitMs = 1500

interface Facts {
  readonly queue: Awaited<ReturnType<typeof readQueue>>
  readonly replays: Awaited<ReturnType<typeof countReplays>>
  readonly receivers: number
}

/**
 * What only the database knows: how much is owed, and how late it is. Where it does not say so in time, these figures are
 * left out of the answer, and the others are there.
 */
export class InstallationFigures {
  readonly #database: Queryable
  #reading: Promise<Facts | undefined> | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(database: Queryable) {
    this.#database = database
  }

  async collect(set: Setter): Promise<void> {
    const facts = await within(this.#read(), waitMs)
    const { queue, replays, receivers } = facts ?? {}
    const { owed, held = 0, inFlight = 0 } = queue ?? {}
    set('queueDepth', owed === undefined ? undefined : Math.max(0, owed - held), 'waiting')
    set('queueDepth', queue && Math.max(0, held - inFlight), 'held')
    set('queueDepth', queue && inFlight, 'in_flight')
    set('oldestDue', queue?.oldestDueSeconds)
    set('lanes', queue?.lanesDue, 'due')
    set('lanes', queue?.lanesLeased, 'leased')
    set('troubles', receivers, 'receiver')
    set('replays', replays?.counting, 'counting')
    set('replays', replays?.running, 'running')
  }

  /** One read at a time; it serves all who ask meanwhile, and shortly after. */
  #read(): Promise<Facts | undefined> {
    const now = performance.now()
    if (this.#reading !== undefined && now - this.#readAt < freshMs) return this.#reading
    this.#readAt = Number.POSITIVE_INFINITY // until it has ended
    this.#reading = this.#ask().finally(() => {
      this.#readAt = performance.now()
    })
    return this.#reading
  }

  async #ask(): Promise<Facts | undefined> {
    try {
      const queue = await readQueue(this.#database)
      const replays = await countReplays(this.#database)
      return { queue, replays, receivers: await receiversInTrouble(this.#database) }
    } catch {
      return undefined // an outage is told elsewhere
    }
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
