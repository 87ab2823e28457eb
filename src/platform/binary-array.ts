/**
 * PostgreSQL arrays in their binary wire format, as parameters of node-postgres, which sends a Buffer as a binary
 * parameter. With one array per column and `unnest`, one prepared statement serves any number of rows. The binary form
 * needs no quoting and no parsing: a bytea of 500 bytes is copied, not turned into 1,000 hex digits.
 *
 * Format (src/backend/utils/adt/arrayfuncs.c, array_recv): int32 dimensions, int32 has-nulls, int32 element type,
 * then per dimension int32 length and int32 lower bound, then per element int32 length (-1: null) and its bytes.
 */

const oid = { bytea: 17, int2: 21, int4: 23, text: 25, timestamptz: 1184, uuid: 2950 } as const

/** PostgreSQL counts microseconds from 2000-01-01; this is that day in Unix milliseconds. */
const postgresEpochMs = 946_684_800_000

const headerBytes = 20

export function uuidArray(ids: readonly (string | null)[]): Buffer {
  return fixedArray(oid.uuid, 16, ids, writeUuid)
}

export function int2Array(values: readonly (number | null)[]): Buffer {
  return fixedArray(oid.int2, 2, values, (buffer, value, at) => buffer.writeInt16BE(value, at))
}

export function int4Array(values: readonly (number | null)[]): Buffer {
  return fixedArray(oid.int4, 4, values, (buffer, value, at) => buffer.writeInt32BE(value, at))
}

/** Values are Unix milliseconds; fractions are kept to the microsecond, the precision of PostgreSQL. */
export function timestamptzArray(values: readonly (number | null)[]): Buffer {
  return fixedArray(oid.timestamptz, 8, values, writeTimestamptz)
}

/** For text, and for any type that the statement casts from text. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = 0
  for (const value of values) bytes += 4 + (value === null ? 0 : Buffer.byteLength(value))
  const buffer = header(oid.text, values.length, bytes)
  let at = headerBytes
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(-1, at)
      at += 4
      continue
    }
    const length = buffer.write(value, at + 4)
    buffer.writeInt32BE(length, at)
    at += 4 + length
  }
  return buffer
}

export function byteaArray(values: readonly Uint8Array[]): Buffer {
  let bytes = 0
  for (const value of values) bytes += 4 + value.length
  const buffer = header(oid.bytea, values.length, bytes)
  let at = headerBytes
  for (const value of values) {
    buffer.writeInt32BE(value.length, at)
    buffer.set(value, at + 4)
    at += 4 + value.length
  }
  return buffer
}

function fixedArray<T>(
  element: number,
  size: number,
  values: readonly (T | null)[],
  write: (buffer: Buffer, value: T, at: number) => void,
): Buffer {
  let bytes = 0
  for (const value of values) bytes += value === null ? 4 : 4 + size
  const buffer = header(element, values.length, bytes)
  let at = headerBytes
  for (const value of values) {
    if (value === null) {
      buffer.writeInt32BE(-1, at)
      at += 4
      continue
    }
    buffer.writeInt32BE(size, at)
    write(buffer, value, at + 4)
    at += 4 + size
  }
  return buffer
}

/** A buffer with the header of a one-dimensional array; an empty array has no dimension. */
function header(element: number, length: number, dataBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(length === 0 ? 12 : headerBytes + dataBytes)
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(1, 4) // "has nulls" may be set although there are none
  buffer.writeInt32BE(element, 8)
  if (length > 0) {
    buffer.writeInt32BE(length, 12)
    buffer.writeInt32BE(1, 16)
  }
  return buffer
}

/** A 64-bit integer in two halves: cheaper than by BigInt. Exact, as these microseconds are safe integers for 285 years. */
function writeTimestamptz(buffer: Buffer, ms: number, at: number): void {
  const us = Math.round((ms - postgresEpochMs) * 1000)
  const high = Math.floor(us / 0x1_0000_0000)
  buffer.writeInt32BE(high, at)
  buffer.writeUInt32BE(us - high * 0x1_0000_0000, at + 4)
}

/** Where the digits of each byte begin in the text of a UUID. */
const digitsAt = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const digits = new Uint8Array(128)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  digits[digit.charCodeAt(0)] = value
  digits[digit.toUpperCase().charCodeAt(0)] = value
}

function writeUuid(buffer: Buffer, id: string, at: number): void {
  let byte = at
  for (const start of digitsAt) {
    const high = digits[id.charCodeAt(start)] ?? 0
    const low = digits[id.charCodeAt(start + 1)] ?? 0
    buffer[byte++] = (high << 4) | low
  }
}
