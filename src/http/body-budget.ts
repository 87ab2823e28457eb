import { clientOf } from './client-address.ts'

/** A body of which some bytes are there, and not the last one. */
export interface ArrivingBody {
  /** Of the connection it comes on. */
  readonly address: string | undefined
  /** When its bytes came, on average, on the monotonic clock: the slower it is, the longer ago. */
  readonly cameAt: number
  /** Memory it takes; changed by `BodyBudget` only. */
  bytes: number
  /** Called once when it has to make way: its request is refused, and its memory let go. */
  makeWay(): void
}

/** Room is made down to this part of the budget at once, so that the search for whom to refuse is rare. */
const fullToPart = 3 / 4

/**
 * The memory that bodies take while they arrive, in all. When it is used up, bodies make way: of the client that holds
 * most, the slowest first. So clients that send quickly, or little, go on, and one that begins bodies and lets them wait
 * keeps nobody out.
 */
export class BodyBudget {
  readonly #bytesMax: number
  readonly #bodies = new Set<ArrivingBody>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** What unfinished bodies take now. */
  get bytes(): number {
    return this.#bytes
  }

  /** A body takes this much more. It may be the one that has to make way for that. */
  grow(body: ArrivingBody, bytes: number): void {
    this.#bodies.add(body)
    body.bytes += bytes
    this.#bytes += bytes
    if (this.#bytes > this.#bytesMax) this.#makeRoom()
  }

  /** A body is whole, or will never be. */
  release(body: ArrivingBody): void {
    if (!this.#bodies.delete(body)) return
    this.#bytes -= body.bytes
    body.bytes = 0
  }

  #makeRoom(): void {
    const clients = [...Map.groupBy(this.#bodies, ({ address }) => clientOf(address)).values()].map(
      bodies => ({
        bytes: bodies.reduce((sum, body) => sum + body.bytes, 0),
        // The slowest last, where it is taken from.
        bodies: bodies.sort((a, b) => b.cameAt - a.cameAt),
      }),
    )
    while (this.#bytes > this.#bytesMax * fullToPart) {
      const heaviest = clients.reduce((most, client) => (client.bytes > most.bytes ? client : most))
      const slowest = heaviest.bodies.pop()
      if (slowest === undefined) return
      heaviest.bytes -= slowest.bytes
      this.release(slowest)
      slowest.makeWay()
    }
  }
}
