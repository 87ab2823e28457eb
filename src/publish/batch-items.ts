import { isUtf8 } from 'node:buffer'
import { AppError, jsonPointer, validationFailed } from '../errors.ts'
import { JsonScanner, ScanError, type ScannedItem } from './json-scanner.ts'

/** How an array and lines of JSON are named by their media types. */
export type BatchFormat = 'array' | 'lines'

export const batchMediaTypes: Readonly<Record<string, BatchFormat>> = {
  'application/json': 'array',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/jsonl': 'lines',
}

export const batchItemsMax = 1000

/**
 * An item as it stands in a batch: its members by name, each the exact bytes of its value; or what is wrong with it alone.
 */
export type RawItem = ReadonlyMap<string, Buffer> | AppError

/** Finds the items of a batch while its body comes in. */
export interface ItemReader {
  /** @throws AppError when no item of the batch can be accepted */
  push(chunk: Buffer): void
  /** @returns the items in their order. @throws AppError as `push` */
  end(): readonly RawItem[]
}

/** @param itemBytesMax a longer item fails, alone */
export function itemReader(format: BatchFormat, itemBytesMax: number): ItemReader {
  return format === 'array' ? new ArrayReader(itemBytesMax) : new LinesReader(itemBytesMax)
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Leaves a byte order mark out, wherever the first chunks are cut. */
class MarkFilter {
  #held: Buffer | undefined = Buffer.alloc(0)

  /** @returns what of the text is known to be none */
  push(chunk: Buffer): Buffer {
    if (this.#held === undefined) return chunk
    const begun = Buffer.concat([this.#held, chunk])
    const isMark = begun.subarray(0, 3).equals(byteOrderMark.subarray(0, Math.min(3, begun.length)))
    if (isMark && begun.length < 3) {
      this.#held = begun
      return Buffer.alloc(0)
    }
    this.#held = undefined
    return isMark ? begun.subarray(3) : begun
  }

  /** What is left of a text that ended within its first bytes. */
  end(): Buffer {
    return this.#held ?? Buffer.alloc(0)
  }
}

/**
 * `[item, item, …]`. What follows a place that is no JSON cannot be told apart, so one such place fails the whole batch. All
 * of it is read before the first item is accepted: a batch that is refused has accepted nothing.
 */
class ArrayReader implements ItemReader {
  readonly #items: RawItem[] = []
  readonly #mark = new MarkFilter()
  readonly #scanner: JsonScanner

  constructor(itemBytesMax: number) {
    this.#scanner = new JsonScanner({
      text: 'array',
      itemBytesMax,
      onItem: item => {
        if (this.#items.length === batchItemsMax) throw tooManyItems()
        this.#items.push(rawItem(item))
      },
    })
  }

  push(chunk: Buffer): void {
    this.#scan(() => this.#scanner.push(this.#mark.push(chunk)))
  }

  end(): readonly RawItem[] {
    this.#scan(() => {
      this.#scanner.push(this.#mark.end())
      this.#scanner.end()
    })
    return this.#items
  }

  #scan(scan: () => void): void {
    try {
      scan()
    } catch (error) {
      if (!(error instanceof ScanError)) throw error
      throw new AppError(
        'malformed_json',
        `The body is not a valid JSON array: ${error.message} (after ${error.at} bytes, item ${this.#items.length}). Nothing of it was accepted. Send the events as lines (application/x-ndjson) where one that is broken shall not concern the others.`,
        { cause: error },
      )
    }
  }
}

const lineFeed = 0x0a

/** An item on each line. Lines without one are left out. A line that is no JSON fails alone. */
class LinesReader implements ItemReader {
  readonly #items: RawItem[] = []
  readonly #mark = new MarkFilter()
  readonly #itemBytesMax: number
  /** Of the line that is not complete yet. */
  #pieces: Buffer[] = []
  #length = 0

  constructor(itemBytesMax: number) {
    this.#itemBytesMax = itemBytesMax
  }

  push(chunk: Buffer): void {
    this.#split(this.#mark.push(chunk))
  }

  end(): readonly RawItem[] {
    this.#split(this.#mark.end())
    this.#endLine()
    return this.#items
  }

  #split(text: Buffer): void {
    let start = 0
    for (let end = text.indexOf(lineFeed); end !== -1; end = text.indexOf(lineFeed, start)) {
      this.#keep(text.subarray(start, end))
      this.#endLine()
      start = end + 1
    }
    this.#keep(text.subarray(start))
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length
    if (this.#length > this.#itemBytesMax + whiteSpaceBytes) this.#pieces = []
    else if (piece.length > 0) this.#pieces.push(piece)
  }

  #endLine(): void {
    const isTooLong = this.#length > this.#itemBytesMax + whiteSpaceBytes
    const line = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#length = 0
    if (!isTooLong && isBlank(line)) return
    if (this.#items.length === batchItemsMax) throw tooManyItems()
    this.#items.push(isTooLong ? tooLong() : this.#item(line))
  }

  #item(line: Buffer): RawItem {
    let item: RawItem | undefined
    const scanner = new JsonScanner({
      text: 'value',
      itemBytesMax: this.#itemBytesMax,
      onItem: scanned => {
        item = rawItem(scanned)
      },
    })
    try {
      scanner.push(line)
      scanner.end()
    } catch (error) {
      if (!(error instanceof ScanError)) throw error
      return new AppError(
        'malformed_json',
        `The line is not valid JSON: ${error.message} (after ${error.at} bytes of it).`,
        { cause: error },
      )
    }
    return item ?? notAnObject()
  }
}

/** What a line may have around its item. */
const whiteSpaceBytes = 1024

function isBlank(line: Buffer): boolean {
  return line.every(byte => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function rawItem({ bytes, isObject, members, hasMoreMembers }: ScannedItem): RawItem {
  if (bytes === undefined) return tooLong()
  if (!isObject) return notAnObject()
  if (hasMoreMembers) return fault('', `An event has at most ${members.length} fields.`)
  if (!isUtf8(bytes))
    return new AppError('malformed_json', 'The item is not valid UTF-8, which JSON must be (RFC 8259, 8.1).')
  const fields = new Map<string, Buffer>()
  for (const { name, value } of members) {
    const field: string = JSON.parse(bytes.toString('utf8', name.start, name.end)) // a string, as the scanner has seen
    if (fields.has(field)) return fault(field, 'This field is there twice. Give it once.')
    fields.set(field, bytes.subarray(value.start, value.end))
  }
  return fields
}

function notAnObject(): AppError {
  return fault('', 'An item of a batch is an object: {"event_type": …, "payload": …}.')
}

function fault(field: string, detail: string): AppError {
  const pointer = field === '' ? '' : jsonPointer(field)
  return validationFailed([{ pointer, detail }])
}

function tooLong(): AppError {
  return new AppError(
    'body_too_large',
    'The event is larger than this service accepts. Its payload may be as large as the body of an event alone: BODY_LIMIT_BYTES.',
  )
}

function tooManyItems(): AppError {
  return new AppError(
    'body_too_large',
    `A batch has at most ${batchItemsMax.toLocaleString('en')} events. Nothing of this one was accepted; send it in parts.`,
  )
}
