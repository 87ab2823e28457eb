import { randomFillSync } from 'node:crypto'
import type { Clock } from './clock.ts'

declare const brand: unique symbol

/** A UUIDv7 (RFC 9562) in its canonical lower-case form. */
export type Uuid = string & { readonly [brand]: 'uuid' }

const hexOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)
const hex = (byte: number): string => hexOfByte[byte & 255] as string // the table has all 256

const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The id in canonical form, or undefined when the text is not a UUID (of any version). */
export function parseUuid(text: string): Uuid | undefined {
  return canonical.test(text) ? (text.toLowerCase() as Uuid) : undefined // checked just now
}

/**
 * Makes UUIDv7s that strictly increase within this process (RFC 9562, method 1: a 12-bit counter after the
 * milliseconds). They increase also when the clock stands still or goes back. When more than 4,096 are made in one
 * millisecond, the next millisecond is used before it comes. 62 random bits make ids of different processes differ.
 */
export function uuidV7Source(clock: Clock): () => Uuid {
  let lastMs = 0
  let counter = 0
  // Random bytes are drawn in bulk: one call per 512 ids instead of one per id.
  const pool = Buffer.alloc(8 * 512)
  let used = pool.length
  return () => {
    const now = clock.now()
    if (now > lastMs) {
      lastMs = now
      counter = 0
    } else if (++counter > 0xfff) {
      lastMs++
      counter = 0
    }
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const r = used
    used += 8
    const high = Math.floor(lastMs / 0x10000)
    const low = lastMs & 0xffff
    const byte = (offset: number) => pool[r + offset] as number // r + 7 < pool.length
    return `${hex(high >>> 24)}${hex(high >>> 16)}${hex(high >>> 8)}${hex(high)}-${hex(low >>> 8)}${hex(low)}-${hex(
      0x70 | (counter >>> 8),
    )}${hex(counter)}-${hex(0x80 | (byte(0) & 0x3f))}${hex(byte(1))}-${hex(byte(2))}${hex(byte(3))}${hex(byte(4))}${hex(
      byte(5),
    )}${hex(byte(6))}${hex(byte(7))}` as Uuid // built to the canonical form
  }
}

/** The milliseconds since the epoch that a UUIDv7 carries. */
export function uuidTime(id: Uuid): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

/** The smallest UUID of a millisecond. Every UUIDv7 that was made before that millisecond sorts below it. */
export function uuidLowerBound(ms: number): Uuid {
  const text = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${text.slice(0, 8)}-${text.slice(8)}-0000-0000-000000000000` as Uuid // canonical by construction
}
