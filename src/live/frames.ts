import type { LiveItem } from '../model/live-source.ts'
import type { Uuid } from '../platform/id.ts'

// Server-sent events (WHATWG HTML, 9.2). A client that reconnects sends the last `id` that it has read.

export function itemFrame({ id, kind, data }: LiveItem): string {
  return frame(kind, id, data)
}

/** Why a stream has a gap: its reader was too slow, or retention took what came first. */
export type GapReason = 'slow_reader' | 'retention'

/** @param dropped how many were left out; null: it is not known */
export function gapFrame(position: Uuid, dropped: number | null, reason: GapReason): string {
  return frame('gap', position, { dropped, reason })
}

/** A comment that keeps the connection open; it moves the client to a position without telling it of an event. */
export function heartbeatFrame(position: Uuid | undefined): string {
  return position === undefined ? ':\n\n' : `:\nid: ${position}\n\n`
}

/** @param ms after which the client is to connect again */
export function retryFrame(ms: number): string {
  return `retry: ${ms}\n\n`
}

function frame(event: string, id: string, data: object): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`
}
