import { AdaptiveLimit, startInFlight } from '../../src/dispatch/adaptive-limit.ts'
import { accepted, overloaded } from './outcomes.ts'

/** A receiver in simulated time, for whom more is always waiting than it is sent. Times are milliseconds from the start. */
export interface SimulatedReceiver {
  /** How many requests it works on at a time. */
  readonly capacity: number | ((now: number) => number)
  /** How long it works on one. */
  readonly work: (random: () => number, now: number) => number
  /** How many wait in it; it answers 503 to those beyond. All of them unless given. */
  readonly queue?: number
  /** To it and back. */
  readonly wayMs?: number
  /** It stands still from the first to the second time, again and again: every `everyMs`, for `forMs`. */
  readonly pauses?: { readonly everyMs: number; readonly forMs: number }
  /** A request fails with 503 by chance. */
  readonly failing?: number
}

export interface Simulated {
  /** The limit at each half second. */
  readonly limits: readonly number[]
  /** When there was a 503. */
  readonly errors: readonly number[]
  readonly delivered: number
  readonly limit: AdaptiveLimit
}

export const always = (ms: number) => () => ms
export const evenly = (ms: number) => (random: () => number) => ms * (0.5 + random())
export const memoryless = (ms: number) => (random: () => number) => -ms * Math.log(1 - random())

/** Serves it with as many requests at a time as are found to be best. */
export function simulate(receiver: SimulatedReceiver, untilMs: number, ceiling = 100, seed = 1): Simulated {
  const { capacity, work, queue = Number.POSITIVE_INFINITY, wayMs = 1, pauses, failing = 0 } = receiver
  const random = pseudoRandom(seed)
  const events = new Timeline()
  const began = 1_700_000_000_000
  const limit = new AdaptiveLimit(startInFlight, began)
  const limits: number[] = []
  const errors: number[] = []
  const waiting: (() => void)[] = []
  let inFlight = 0
  let working = 0
  let delivered = 0
  const capacityNow = () => (typeof capacity === 'number' ? capacity : capacity(events.now))

  const afterPauses = (at: number) => {
    if (!pauses) return at
    const next = Math.ceil(events.now / pauses.everyMs) * pauses.everyMs
    return at >= next ? at + pauses.forMs : at
  }
  const workOn = (done: () => void) => {
    working++
    events.at(afterPauses(events.now + work(random, events.now)), () => {
      working--
      done()
      while (waiting.length > 0 && working < capacityNow()) workOn(waiting.shift() ?? (() => {}))
    })
  }
  const send = () => {
    const sentAt = events.now
    inFlight++
    const answer = (isOk: boolean) => {
      events.after(wayMs / 2, () => {
        inFlight--
        if (isOk) delivered++
        else errors.push(events.now)
        const durationMs = Math.round(events.now - sentAt)
        const outcome = isOk ? { ...accepted, durationMs } : { ...overloaded(), durationMs }
        limit.record(outcome, ceiling, began + Math.floor(events.now))
        sendAll()
      })
    }
    events.after(wayMs / 2, () => {
      if (random() < failing) answer(false)
      else if (working < capacityNow()) workOn(() => answer(true))
      else if (waiting.length < queue) waiting.push(() => answer(true))
      else answer(false)
    })
  }
  const sendAll = () => {
    while (inFlight < limit.limit) send()
    limit.isShort()
  }
  sendAll()
  for (let at = 0; at < untilMs; at += 500) {
    events.runTo(at)
    limits.push(limit.limit)
  }
  return { limits, errors, delivered, limit }
}

function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296
    return state / 4294967296
  }
}

/** What is to happen, in order of time (a binary heap). */
class Timeline {
  now = 0
  readonly #heap: { readonly at: number; readonly run: () => void }[] = []

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  at(at: number, run: () => void): void {
    const heap = this.#heap
    const entry = { at, run }
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (!above || above.at <= at) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  runTo(time: number): void {
    for (let next = this.#heap[0]; next && next.at <= time; next = this.#heap[0]) {
      this.#removeFirst()
      this.now = next.at
      next.run()
    }
    this.now = time
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (!one) break
      const child = other && other.at < one.at ? left + 1 : left
      const below = heap[child]
      if (!below || last.at <= below.at) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }
}
