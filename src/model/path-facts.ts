import type { Uuid } from '../platform/id.ts'
import type { Settlement } from './settlement.ts'

/** An event that was made durable, as the writer has it. */
export interface AcceptedEvent {
  readonly event: {
    readonly webhookId: Uuid
    readonly tenant: string
    readonly eventType: string | null
    readonly payload: Buffer
    readonly subscriptionIds: readonly number[]
  }
  /** What it owes; the owner is the process that holds it, null: it waits in its lane. */
  readonly owed: readonly { readonly owner: number | null }[]
  /** When it was given to the writer (`performance.now()`). */
  readonly since: number
}

/** The state of a subscription was changed by the service itself. */
export interface MovedState {
  readonly id: number
  /** What it was. */
  readonly from: string
  readonly to: string
  /** In words for people. */
  readonly reason: string | null
  /** Since when the receiver has failed; where it had not, when the state before began (Unix milliseconds). */
  readonly since: number
}

/** What others want to hear of the path. Each is called after the commit, in the process where it happened. */
export interface PathListener {
  /** Once for each transaction of events, with all that were written in it. */
  readonly accepted?: (events: readonly AcceptedEvent[]) => void
  /**
   * Once for each batch of the log, with what each delivery in it came to. One that the database refused is there as it was
   * to be written.
   */
  readonly settled?: (settlements: readonly Settlement[]) => void
  /** Once for each transaction that moved states. */
  readonly moved?: (moves: readonly MovedState[]) => void
}

/**
 * What the path tells those beside it, such as metrics. It is told by batches that are there anyway, so an event pays
 * nothing for it: a listener counts in memory, and does what takes longer elsewhere.
 */
export class PathFacts {
  readonly #accepted: NonNullable<PathListener['accepted']>[] = []
  readonly #settled: NonNullable<PathListener['settled']>[] = []
  readonly #moved: NonNullable<PathListener['moved']>[] = []
  readonly #failed: (error: unknown) => void

  /** @param failed is told when a listener throws; the path goes on */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /** Adds a listener, for good. */
  on({ accepted, settled, moved }: PathListener): void {
    if (accepted) this.#accepted.push(accepted)
    if (settled) this.#settled.push(settled)
    if (moved) this.#moved.push(moved)
  }

  accepted(events: readonly AcceptedEvent[]): void {
    this.#tell(this.#accepted, events)
  }

  settled(settlements: readonly Settlement[]): void {
    this.#tell(this.#settled, settlements)
  }

  moved(moves: readonly MovedState[]): void {
    this.#tell(this.#moved, moves)
  }

  #tell<T>(listeners: readonly ((facts: readonly T[]) => void)[], facts: readonly T[]): void {
    for (const listener of listeners) {
      try {
        listener(facts)
      } catch (error) {
        this.#failed(error)
      }
    }
  }
}
