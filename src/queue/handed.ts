import type { Clock } from '../platform/clock.ts'
import { uuidLowerBound, uuidTime } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { freeLeased, type OwedKey, readLeased } from './handed-store.ts'

export type { OwedKey } from './handed-store.ts'

/** Ages at which rows are looked at: soon, for Redis has lost a message; late, for their commit may have taken long. */
const looks = [3000, 20_000]

/** Rows of one look, and keys remembered as given up. */
const rowsMax = 10_000
const disownedMax = 100_000

/**
 * The deliveries that other processes have accepted and leased to this one. The message that tells of them can get
 * lost; their rows cannot. So this process looks, once soon and once late, at the rows that are leased to it: those it
 * has never heard of go to their lanes. Should the message come after all, it is not followed: nothing is sent twice.
 */
export class HandedRows {
  readonly #connection: Queryable
  readonly #clock: Clock
  readonly #owner: () => number
  readonly #held = new Set<string>()
  readonly #disowned = new Set<string>()
  readonly #lookedTo: number[]
  #givingUp: OwedKey[] = []
  #freeing: Promise<number> | undefined

  constructor(connection: Queryable, clock: Clock, owner: () => number) {
    this.#connection = connection
    this.#clock = clock
    this.#owner = owner
    this.#lookedTo = looks.map(() => clock.now() - 60_000)
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
    for (const [index, ageMs] of looks.entries()) await this.#lookAt(index, this.#clock.now() - ageMs)
    await this.#freeing
    return this.#free()
  }

  /** This process goes on under a new id: what it held under the old one is not its own any more. */
  forget(): void {
    this.#held.clear()
    this.#givingUp = []
  }

  async #lookAt(index: number, to: number): Promise<void> {
    const from = this.#lookedTo[index] ?? to
    if (to <= from) return
    const bounds = [uuidLowerBound(from), uuidLowerBound(to)] as const
    const rows = await readLeased(this.#connection, this.#owner(), ...bounds, rowsMax)
    for (const row of rows) if (!this.#held.has(nameOf(row))) this.#disown(row)
    // With more than can be looked at, what is left is looked at the next time.
    const last = rows.length < rowsMax ? undefined : rows.at(-1)
    this.#lookedTo[index] = last ? Math.max(from + 1, uuidTime(last.webhookId)) : to
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
      return await freeLeased(this.#connection, this.#owner(), keys, this.#clock.now())
    } catch (error) {
      this.#givingUp = [...keys, ...this.#givingUp]
      throw error
    }
  }
}

function nameOf({ webhookId, subscriptionId }: OwedKey): string {
  return `${webhookId} ${subscriptionId}`
}
