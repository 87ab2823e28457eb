import type { Delivery } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'
import { beforeMax, type KeyedRow, type KeyWish } from './keyed-store.ts'

/** Deliveries of one key that are held in memory. More of them wait in the database (`park`), so that they keep no others out. */
const lineMax = 8

/** What is in memory of one key, in its order. */
interface Line {
  readonly deliveries: Delivery[]
  /** The first one is with the dispatcher. */
  isSent: boolean
  /** Others are parked behind it. */
  hasParked: boolean
}

/** What follows when a delivery has left memory. */
export interface AfterKey {
  /** Is sent next. */
  readonly next?: Delivery
  /** Not to be held any longer: they are read again in their turn. */
  readonly dropped: readonly Delivery[]
}

const nothing: AfterKey = { dropped: [] }

/**
 * What one leased lane has in memory, by its keys. Of each key the first delivery is with the dispatcher, and the others
 * wait behind it until it is settled. So within a key one is sent when the end of the one before is committed.
 *
 * One promise is kept to the database: while rows of a key are parked, another row of it is due at some time. So whoever
 * leases the lane next finds the key by reading the lane. For that the last delivery of a line is not sent before more of
 * what is parked behind it was made due (`wishes`).
 */
export class KeyLines {
  readonly #lines = new Map<string, Line>()
  /** All that is in memory, also what has no key: a lane is read again while some of it is. */
  readonly #held = new Set<Uuid>()
  /** Keys that have to be made due, or asked about, before they go on. */
  readonly #awaited = new Set<string>()
  /** What has left memory since the read began that is under way: what it says of them may be over. */
  readonly #changed = new Set<string>()
  readonly #gone = new Set<Uuid>()
  /** Keys of which a row was passed over in this pass: none that comes after it may be taken before that is read again. */
  readonly #skipped = new Set<string>()
  /** Of keys of which rows are parked after the read that is being looked through: the first of these. */
  readonly #parkedNow = new Map<string, KeyedRow>()

  /** A pass begins, from the beginning of the lane. */
  beginPass(): void {
    this.#skipped.clear()
  }

  /** A read begins. */
  beginRead(): void {
    this.#changed.clear()
    this.#gone.clear()
    this.#parkedNow.clear()
  }

  /** Something was passed over that may be sent: the lane has to be read from its beginning. */
  get needsPass(): boolean {
    return this.#skipped.size > 0
  }

  /** What to do with a row that was read: hold it (`take` follows), park it, or pass over it. */
  judge(row: KeyedRow): 'take' | 'park' | 'leave' {
    const { webhookId, orderingKey: key } = row
    if (this.#held.has(webhookId) || this.#gone.has(webhookId)) return 'leave'
    if (key === null) return 'take'
    if (this.#changed.has(key) || this.#skipped.has(key)) {
      this.#skipped.add(key)
      return 'leave'
    }
    const line = this.#lines.get(key)
    const parked = this.#parkedNow.get(key)
    if (row.isBehind) {
      // The first of the key is parked itself, and nothing of it is in memory: nobody else would let it go on.
      if (!line && row.isBehindParked) this.#await(key, this.#newLine(key, true))
    } else if (!parked && this.#isMissed(row)) {
      this.#skipped.add(key)
      return 'leave'
    } else if (!isAfter(row, parked) && (line?.deliveries.length ?? 0) < lineMax) return 'take'
    if (!isAfter(row, parked)) this.#parkedNow.set(key, row)
    if (line) line.hasParked = true
    return 'park'
  }

  /** Holds a delivery, behind the others of its key. @returns whether it is to be sent now */
  take(delivery: Delivery, row: KeyedRow): boolean {
    this.#held.add(delivery.webhookId)
    const { orderingKey: key } = row
    if (key === null) return true
    const hasParked = row.hasParked || this.#parkedNow.has(key)
    const line = this.#lines.get(key) ?? this.#newLine(key, hasParked)
    line.hasParked ||= hasParked
    line.deliveries.push(delivery)
    return this.#mayBegin(key, line)
  }

  /** A delivery has left memory. @param isOver it is owed no more; else it, and what is behind it, is read again */
  left(delivery: Delivery, isOver: boolean): AfterKey {
    const { webhookId, orderingKey: key } = delivery
    this.#letGo(webhookId)
    const line = key === undefined ? undefined : this.#lines.get(key)
    if (key === undefined || line?.deliveries[0] !== delivery) return nothing
    this.#changed.add(key)
    line.deliveries.shift()
    line.isSent = false
    if (!isOver) {
      this.#skipped.add(key)
      this.#forget(key)
      for (const dropped of line.deliveries) this.#letGo(dropped.webhookId)
      return { dropped: line.deliveries }
    }
    const [next] = line.deliveries
    if (next === undefined && !line.hasParked) this.#forget(key)
    else if (next === undefined) this.#await(key, line)
    else if (this.#mayBegin(key, line)) return { next, dropped: [] }
    return nothing
  }

  /** Nothing more is sent of this lane for now: what is not sent yet is not held. */
  dropWaiting(): readonly Delivery[] {
    return [...this.#lines].flatMap(([key, line]) => {
      const dropped = line.deliveries.splice(line.isSent ? 1 : 0)
      for (const { webhookId } of dropped) this.#letGo(webhookId)
      // The rows that were dropped are due, so that they are found, and with them what is parked behind them.
      if (dropped.length > 0) line.hasParked = false
      if (line.deliveries.length === 0 && !line.hasParked) this.#forget(key)
      return dropped
    })
  }

  get isAnyAwaited(): boolean {
    return this.#awaited.size > 0
  }

  /** What has to be made due before these keys go on. */
  wishes(subscriptionId: number, limit: number): readonly KeyWish[] {
    return [...this.#awaited].slice(0, limit).map(key => {
      const isRetry = (this.#lines.get(key)?.deliveries[0]?.attemptsBefore ?? 0) > 0
      // A retry may fail again, and then what was made due is parked again.
      return { subscriptionId, key, rows: isRetry ? 1 : lineMax }
    })
  }

  /** A wish was carried out. @returns what is to be sent now */
  wasUnparked({ key, rows }: KeyWish, found: number): Delivery | undefined {
    this.#awaited.delete(key)
    const line = this.#lines.get(key)
    if (!line) return undefined
    if (found < rows) line.hasParked = false
    const [first] = line.deliveries
    if (first === undefined) this.#lines.delete(key)
    else if (!line.isSent) {
      line.isSent = true
      return first
    }
    return undefined
  }

  /** One that comes before it in key and lane was not read: it came in behind the place up to which the lane was read. */
  #isMissed({ before }: KeyedRow): boolean {
    return before.length >= beforeMax || before.some(id => !this.#held.has(id))
  }

  #mayBegin(key: string, line: Line): boolean {
    if (line.isSent || this.#awaited.has(key)) return false
    if (line.deliveries.length === 1 && line.hasParked) {
      this.#await(key, line)
      return false
    }
    line.isSent = true
    return true
  }

  #letGo(webhookId: Uuid): void {
    this.#held.delete(webhookId)
    this.#gone.add(webhookId)
  }

  #newLine(key: string, hasParked: boolean): Line {
    const line = { deliveries: [], isSent: false, hasParked }
    this.#lines.set(key, line)
    return line
  }

  #await(key: string, line: Line): void {
    this.#lines.set(key, line)
    this.#awaited.add(key)
  }

  #forget(key: string): void {
    this.#lines.delete(key)
    this.#awaited.delete(key)
  }
}

/** Whether a row comes after another one of its key. */
function isAfter(row: KeyedRow, other: KeyedRow | undefined): boolean {
  if (other === undefined || row.placeAt < other.placeAt) return false
  return row.placeAt > other.placeAt || row.webhookId > other.webhookId
}
