import type { ServerResponse } from 'node:http'
import type { LiveKind } from '../model/live-source.ts'
import type { Uuid } from '../platform/id.ts'
import type { StreamFilter } from './filter.ts'
import { type GapReason, gapFrame, heartbeatFrame, retryFrame } from './frames.ts'
import type { Page } from './page.ts'
import type { TailListener } from './tail.ts'

export interface EventStreamDeps {
  readonly response: ServerResponse
  readonly filter: StreamFilter
  /** What may wait here for its reader. */
  readonly bytesMax: () => number
  /** Called once, when its connection has ended. */
  readonly ended: (stream: EventStream) => void
}

/** A client that was cut off comes back after this long; `EventSource` goes by it, too. */
export const retryMs = 2000

/** A reader that has read nothing for this long, though there was something, is cut off. */
const stuckMs = 60_000

/**
 * - waiting: the tail has not begun, or an earlier position is read up to it (`catch-up.ts`)
 * - live: it is told what the tail reads
 * - behind: its reader is too slow; what comes is counted, and the reader told how many when it has read what it was sent
 * - ended: its connection is closed, or about to be
 */
type Mode = 'waiting' | 'live' | 'behind' | 'ended'

/** One stream of events to one reader. */
export class EventStream implements TailListener {
  readonly filter: StreamFilter
  readonly #deps: EventStreamDeps
  #mode: Mode = 'waiting'
  /** All up to here was sent, counted as dropped, or is not wanted. */
  #position: Uuid | undefined
  #dropped = 0
  #behindSince = 0

  /** @param position where it goes on; undefined: it begins with the present */
  constructor(deps: EventStreamDeps, position: Uuid | undefined) {
    const { response } = deps
    this.#deps = deps
    this.filter = deps.filter
    this.#position = position
    response.on('drain', () => this.#drained())
    response.on('close', () => this.#close())
    response.on('error', () => response.destroy())
    this.#send(retryFrame(retryMs))
  }

  get kinds(): readonly LiveKind[] {
    return this.filter.kinds
  }

  get position(): Uuid | undefined {
    return this.#position
  }

  get isOpen(): boolean {
    return this.#mode !== 'ended'
  }

  /** One that begins with the present is live from here on. */
  began(position: Uuid): void {
    if (this.#mode !== 'waiting' || this.#position !== undefined) return
    this.#position = position
    this.#mode = 'live'
    this.#send(heartbeatFrame(position))
  }

  /** It has all up to the position of the tail, so it is told what comes. */
  goLive(): void {
    if (this.#mode !== 'waiting') return
    this.#mode = 'live'
    this.#send(heartbeatFrame(this.#position))
  }

  take(page: Page): void {
    if (this.#mode === 'live' || this.#mode === 'behind') this.write(page)
  }

  /** Sends what is wanted of a page, or counts it where the reader is too slow. */
  write(page: Page): void {
    if (this.#position === undefined || !this.isOpen) return
    const { count, bytes } = page.select(this.filter, this.#position)
    if (page.until > this.#position) this.#position = page.until
    if (count === 0) return
    if (this.#mode === 'live' && this.#deps.response.writableLength > this.#deps.bytesMax())
      this.#fallBehind()
    if (this.#mode === 'behind') this.#dropped += count
    else this.#send(bytes)
  }

  /** Tells the reader that something is missing. */
  gap(position: Uuid, dropped: number | null, reason: GapReason): void {
    this.#position = position
    this.#send(gapFrame(position, dropped, reason))
  }

  /** Keeps the connection open, and tells the reader where it is; cuts off one that has not read for long. */
  heartbeat(): void {
    if (this.#mode !== 'behind') this.#send(heartbeatFrame(this.#position))
    else if (performance.now() - this.#behindSince > stuckMs) this.#deps.response.destroy()
  }

  /** Resolves when what was written is on its way, or the stream has ended. */
  async drained(): Promise<void> {
    const { response } = this.#deps
    if (!response.writableNeedDrain || !this.isOpen) return
    await new Promise<void>(resolve => {
      const done = () => {
        response.off('drain', done)
        response.off('close', done)
        resolve()
      }
      response.on('drain', done)
      response.on('close', done)
    })
  }

  /** Ends it; the reader comes back after `retryMs`. */
  end(): void {
    if (this.#mode === 'ended') return
    this.#close()
    this.#deps.response.end()
  }

  #send(text: string | Buffer): void {
    if (this.#mode !== 'ended') this.#deps.response.write(text)
  }

  #fallBehind(): void {
    this.#mode = 'behind'
    this.#behindSince = performance.now()
  }

  #drained(): void {
    if (this.#mode !== 'behind' || this.#position === undefined) return
    this.#mode = 'live'
    const dropped = this.#dropped
    this.#dropped = 0
    if (dropped > 0) this.gap(this.#position, dropped, 'slow_reader')
  }

  #close(): void {
    if (this.#mode === 'ended') return
    this.#mode = 'ended'
    this.#deps.ended(this)
  }
}
