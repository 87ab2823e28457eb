import type { DeliveryContent } from '../model/delivery.ts'
import type { Uuid } from '../platform/id.ts'

/** A power of two: the last hex digits of an id, which are random, say which place is its own. */
const placesMax = 8192
const bytesMax = 8 * 1024 * 1024
/** What was not asked for by then makes way: another process sends it, or it waits for longer. */
const keptMs = 5000

interface Recent {
  readonly webhookId: Uuid
  readonly content: DeliveryContent
  readonly until: number
  /** How many deliveries may ask for it. */
  uses: number
}

/**
 * Contents of events that have just been accepted and wait in a lane: usually this process reads their rows a moment later,
 * and need not read from the database what it had in memory.
 *
 * Each id has one place. Where that is taken the event is not remembered: what came first is needed first. An array and
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
    const place = placeOf(webhookId)
    const there = this.#places[place]
    const now = this.#monotonicNow()
    if (there?.webhookId === webhookId) {
      there.uses++
      return
    }
    if (there !== undefined) {
      if (there.until > now) return
      this.#leave(place, there)
    }
    const { length } = content.payload
    if (this.#bytes + length > bytesMax) return
    this.#bytes += length
    this.#places[place] = { webhookId, content, until: now + keptMs, uses: 1 }
  }

  /** @returns undefined when it has to be read from the database */
  take(webhookId: Uuid): DeliveryContent | undefined {
    const place = placeOf(webhookId)
    const there = this.#places[place]
    if (there?.webhookId !== webhookId) return undefined
    if (--there.uses === 0) this.#leave(place, there)
    return there.content
  }

  #leave(place: number, { content }: Recent): void {
    this.#places[place] = undefined
    this.#bytes -= content.payload.length
  }
}

function placeOf(webhookId: Uuid): number {
  return Number.parseInt(webhookId.slice(-4), 16) % placesMax
}
