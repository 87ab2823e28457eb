import type { Client, Dispatcher } from 'undici'
import { TracedClient } from './connection.ts'
import type { Exchange } from './exchange.ts'

/** A connection is given up at this age, also while it is in use all the time, so that it follows its name to a new address. */
const ageMsMax = 300_000

/** One connection, or the place of one. */
interface Member {
  readonly client: TracedClient
  /** When it was connected (`performance.now()`); undefined while it is not. */
  openedAt: number | undefined
  isFree: boolean
}

/** Counts the connections of all pools together. */
export interface ConnectionCount {
  opened(): void
  closed(): void
}

/**
 * The connections to one origin: as many as there are requests at a time, each used again by the request after it. The
 * one that was used last is taken first, so those that are not needed any more stay idle until undici closes them.
 * undici's own Pool looks through all connections, twice for each request, to find a free one: with 256 in use an event
 * cost 88 and 71 µs of Node's CPU, with this 68 and 64, in turn (`npm run bench -- --in-flight 256 --connections 256`).
 * The dispatcher caps requests in flight, so there is no cap here.
 */
export class OriginPool {
  readonly #origin: URL
  readonly #options: Client.Options
  readonly #count: ConnectionCount | undefined
  readonly #members = new Set<Member>()
  readonly #free: Member[] = []

  /** @throws TypeError when the origin is no URL */
  constructor(origin: string, options: Client.Options, count?: ConnectionCount) {
    this.#origin = new URL(origin)
    this.#options = options
    this.#count = count
  }

  /** Sends at once, over a free connection or a new one. What comes of it is told to the exchange. */
  dispatch(request: Dispatcher.DispatchOptions, exchange: Exchange): void {
    this.#dispatchOn(this.#free.pop() ?? this.#open(), request, exchange)
  }

  /** The same, over a new connection in any case. */
  dispatchOnNew(request: Dispatcher.DispatchOptions, exchange: Exchange): void {
    this.#dispatchOn(this.#open(), request, exchange)
  }

  #dispatchOn(member: Member, request: Dispatcher.DispatchOptions, exchange: Exchange): void {
    member.isFree = false
    const takesMore = member.client.dispatch(request, exchange)
    if (takesMore) this.#giveBack(member)
    else if (exchange.isOver) this.#retire(member) // refused as it was: nothing will say that the connection is free
  }

  /** Closes at most `most` connections on which nothing runs, those first that were used longest ago. @returns how many */
  closeIdle(most: number): number {
    const idle = this.#free.slice(0, most)
    for (const member of idle) this.#retire(member)
    return idle.length
  }

  /** Lets what runs end, and closes every connection then. */
  close(): void {
    for (const member of this.#members) this.#retire(member)
  }

  /** Cuts what runs, and closes every connection. */
  async destroy(): Promise<void> {
    await Promise.allSettled([...this.#members].map(({ client }) => client.destroy()))
  }

  #open(): Member {
    this.#count?.opened()
    const client = new TracedClient(this.#origin, this.#options)
    const member: Member = { client, openedAt: undefined, isFree: false }
    client.on('connect', () => {
      member.openedAt = performance.now()
    })
    client.on('disconnect', () => {
      member.openedAt = undefined
      if (member.isFree) this.#retire(member)
    })
    client.on('connectionError', () => this.#retire(member))
    client.on('drain', () => this.#giveBack(member))
    this.#members.add(member)
    return member
  }

  #giveBack(member: Member): void {
    const { openedAt, isFree } = member
    if (isFree || !this.#members.has(member)) return
    if (openedAt === undefined || performance.now() - openedAt > ageMsMax) this.#retire(member)
    else {
      member.isFree = true
      this.#free.push(member)
    }
  }

  /** It takes no more requests, and closes when what runs on it has ended. */
  #retire(member: Member): void {
    if (!this.#members.delete(member)) return
    if (member.isFree) this.#free.splice(this.#free.indexOf(member), 1)
    member.client
      .close()
      .catch(() => {}) // closed already: the same
      .finally(() => this.#count?.closed())
  }
}
