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
  /** Milliseconds that never jump. */
  readonly monotonicNow: () => number
}

/** A client that was cut off comes back after this long; `EventSource` goes by it, too. */
export const retryMs = 2000

/** A reader that has taken nothing for this long, though something waited for it, is cut off, whatever its mode. */
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
  #bytesSent = 0
  /** What it had taken at most, and when that was seen first. */
  #taken = { bytes: 0, at: 0 }

  /** @param position where it goes on; undefined: it begins with the present */
  constructor(deps: EventStreamDeps, position: Uuid | undefined) {
    const { response } = deps
    this.#deps = deps
    this.filter = deps.filter
    this.#position = position
    this.#taken.at = deps.monotonicNow()
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
      this.#mode = 'behind'
    if (this.#mode === 'behind') this.#dropped += count
    else this.#send(bytes)
  }

  /** Tells the reader that something is missing. */
  gap(position: Uuid, dropped: number | null, reason: GapReason): void {
    this.#position = position
    this.#send(gapFrame(position, dropped, reason))
  }

  /**
   * Keeps the connection open, and tells the reader where it is. For one that has something to read yet that would only be
   * more of it; it is cut off when it has taken nothing for long, and comes back to where it was when it can.
   */
  heartbeat(): void {
    const { response, monotonicNow } = this.#deps
    const now = monotonicNow()
    const waiting = response.writableLength
    const bytes = this.#bytesSent - waiting
    if (waiting === 0 || bytes > this.#taken.bytes) this.#taken = { bytes, at: now }
    else if (now - this.#taken.at > stuckMs) response.destroy()
    if (waiting === 0 && this.#mode !== 'behind') this.#send(heartbeatFrame(this.#position))
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
    if (this.#mode === 'ended') return
    this.#bytesSent += Buffer.byteLength(text)
    this.#deps.response.write(text)
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
