import type { DeliveryContent } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'

/** The last hex digits of an id, which are random, say which places are its own. */
const placesMax = 8192
const bytesMax = 8 * 1024 * 1024
/** What was not asked for by then is read from the database: it waits for longer. */
const keptMs = 3000

interface Recent {
  readonly webhookId: Uuid
  readonly content: DeliveryContent
  readonly until: number
  /** How many deliveries may ask for it. */
  uses: number
}

/**
 * Contents of events that are being accepted and will wait in a lane: usually this process reads their rows a moment later,
 * and need not read from the database what it had in memory.
 *
 * Each id has two places. Where both are taken the event is not remembered: what came first is needed first. An array and
 * not a Map, see `UnorderedList`.
 */
export class RecentContents {
  readonly #places: (Recent | undefined)[] = new Array(placesMax).fill(undefined)
  readonly #monotonicNow: () => number
  #bytes = 0

  /** @param monotonicNow milliseconds; replaced in tests */
  constructor(monotonicNow: () => number = () => performance.now()) {
    this.#monotonicNow = monotonicNow
  }

  /** To be called once for each delivery that will ask for it. */
  remember(webhookId: Uuid, content: DeliveryContent): void {
    const known = this.#find(webhookId)
    if (known !== undefined) {
      known.uses++
      return
    }
    const now = this.#monotonicNow()
    const place = this.#freePlace(webhookId, now)
    const { length } = content.payload
    if (place === undefined || this.#bytes + length > bytesMax) return
    this.#bytes += length
    this.#places[place] = { webhookId, content, until: now + keptMs, uses: 1 }
  }

  /** @returns undefined when it has to be read from the database */
  take(webhookId: Uuid): DeliveryContent | undefined {
    const known = this.#find(webhookId)
    if (known === undefined) return undefined
    const isOver = known.until <= this.#monotonicNow()
    if (--known.uses === 0 || isOver) this.#leave(this.#places.indexOf(known, placeOf(webhookId)))
    return isOver ? undefined : known.content
  }

  /** Whether it is there still, as nobody has asked for it. */
  has(webhookId: Uuid): boolean {
    const known = this.#find(webhookId)
    return known !== undefined && known.until > this.#monotonicNow()
  }

  /** Payloads were expunged. Which of them are here is not looked for: what is kept for 3 s is read again. */
  forgetAll(): void {
    this.#places.fill(undefined)
    this.#bytes = 0
  }

  #find(webhookId: Uuid): Recent | undefined {
    const place = placeOf(webhookId)
    const first = this.#places[place]
    if (first?.webhookId === webhookId) return first
    const second = this.#places[place + 1]
    return second?.webhookId === webhookId ? second : undefined
  }

  #freePlace(webhookId: Uuid, now: number): number | undefined {
    const first = placeOf(webhookId)
    for (const place of [first, first + 1]) {
      const there = this.#places[place]
      if (there === undefined) return place
      if (there.until > now) continue
      this.#leave(place)
      return place
    }
    return undefined
  }

  #leave(place: number): void {
    const there = this.#places[place]
    if (there === undefined) return
    this.#places[place] = undefined
    this.#bytes -= there.content.payload.length
  }
}

/** The first of the two. */
function placeOf(webhookId: Uuid): number {
  return Number.parseInt(webhookId.slice(-4), 16) % (placesMax - 1)
}
