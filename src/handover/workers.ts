import type { RedisLink } from '../platform/redis.ts'

const workersChannel = 'workers'
const fullChannel = 'full'

/** How often a worker says that it is there, and after what silence it is offered nothing. */
export const announceEveryMs = 250
const silentAfterMs = 1000

/** After such a silence it is taken for gone. */
const goneAfterMs = 60_000

/** How long what comes for a subscription that found no room goes to its lane, and how many such are remembered. */
const fullMs = 500
const fullMax = 10_000

interface Announcement {
  readonly owner: number
  /** Fresh deliveries that it has room for; below 0: it leaves. */
  readonly room: number
}

/** Says that this worker takes deliveries, and for how many it has room. Unheard while Redis is away. */
export function announce(link: RedisLink, owner: number, room: number): void {
  link.publish(workersChannel, JSON.stringify({ owner, room } satisfies Announcement))
}

/** Says that this worker takes none from now on. */
export function announceLeaving(link: RedisLink, owner: number): void {
  announce(link, owner, -1)
}

/** Says that a subscription found no room here: what comes for it goes to its lane for half a second. */
export function announceFull(link: RedisLink, subscriptionId: number): void {
  link.publish(fullChannel, String(subscriptionId))
}

/** Which workers there are, as they say themselves. Nobody who was silent for a second is chosen. */
export class Workers {
  readonly #workers = new Map<number, { room: number; heardAt: number }>()
  readonly #full = new Map<number, number>()

  readonly #monotonicNow: () => number

  /** @param monotonicNow milliseconds that never jump; replaced in tests */
  constructor(link: RedisLink, monotonicNow = () => performance.now()) {
    this.#monotonicNow = monotonicNow
    link.subscribe(workersChannel, message => this.#hear(message))
    link.subscribe(fullChannel, message => this.#hearFull(Number(message)))
  }

  /** Takes room at the process that has the most of it; undefined: nobody has any. */
  choose(subscriptionId: number): number | undefined {
    const now = this.#monotonicNow()
    if ((this.#full.get(subscriptionId) ?? 0) > now) return undefined
    let best: number | undefined
    let most = 0
    for (const [owner, { room, heardAt }] of this.#workers) {
      const silentMs = now - heardAt
      if (silentMs > goneAfterMs) this.#workers.delete(owner)
      else if (silentMs <= silentAfterMs && room > most) [best, most] = [owner, room]
    }
    const chosen = best === undefined ? undefined : this.#workers.get(best)
    if (chosen) chosen.room--
    return best
  }

  /** Whether it has said lately that it is there. */
  has(owner: number): boolean {
    return this.#silentMs(owner) <= silentAfterMs
  }

  /** Whether it has left, or has said nothing for a minute. */
  isGone(owner: number): boolean {
    return this.#silentMs(owner) > goneAfterMs
  }

  /** Gives room back that was not used. */
  release(owner: number): void {
    const known = this.#workers.get(owner)
    if (known) known.room++
  }

  #hear(message: string): void {
    const { owner, room } = JSON.parse(message) as Announcement // our own processes write here only
    if (room < 0) this.#workers.delete(owner)
    else this.#workers.set(owner, { room, heardAt: this.#monotonicNow() })
  }

  #silentMs(owner: number): number {
    return this.#monotonicNow() - (this.#workers.get(owner)?.heardAt ?? Number.NEGATIVE_INFINITY)
  }

  #hearFull(subscriptionId: number): void {
    if (this.#full.size >= fullMax) this.#full.clear()
    this.#full.set(subscriptionId, this.#monotonicNow() + fullMs)
  }
}
