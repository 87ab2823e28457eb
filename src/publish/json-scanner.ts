/** Where something stands in the bytes of its item. */
export interface Range {
  readonly start: number
  /** Not included. */
  readonly end: number
}

/** A member of an item that is an object: `"name": value`. */
export interface Member {
  /** With its quotes. */
  readonly name: Range
  /** Without white space around it. */
  readonly value: Range
}

/** A JSON text that stands in a longer one. */
export interface ScannedItem {
  /** Its own copy, without white space around it; undefined: it is longer than it may be. */
  readonly bytes: Buffer | undefined
  readonly isObject: boolean
  /** Of an object, in their order; one that has more than `membersMax` of them has the first ones here. */
  readonly members: readonly Member[]
  readonly hasMoreMembers: boolean
}

export interface ScannerOptions {
  /** `array`: the text is an array, and each of its values is an item. `value`: the text is one item. */
  readonly text: 'array' | 'value'
  readonly onItem: (item: ScannedItem) => void
  /** A longer item is passed over, and its bytes are not kept. */
  readonly itemBytesMax: number
}

/** The text is not JSON. `at` is the number of bytes before the place. */
export class ScanError extends Error {
  override readonly name = 'ScanError'
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

/** Objects and arrays in each other, the outermost included. */
export const depthMax = 1000
/** More than there are names for. */
const membersMax = 32

const code = (character: string) => character.charCodeAt(0)
const [quote, backslash, comma, colon, minus, plus, point] = ['"', '\\', ',', ':', '-', '+', '.'].map(code)
const [openBrace, closeBrace, openBracket, closeBracket] = ['{', '}', '[', ']'].map(code)
const [zero, nine, lowerE, upperE, lowerU] = ['0', '9', 'e', 'E', 'u'].map(code)

const isWhiteSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const isDigit = (byte: number) => byte >= (zero ?? 0) && byte <= (nine ?? 0)
const isHex = (byte: number) =>
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
/** What may follow a backslash, besides `u`. */
const escapes = new Set([...'"\\/bfnrt'].map(code))

/** What is expected next, or read. */
type State =
  | 'value'
  | 'first_value_or_end'
  | 'first_name_or_end'
  | 'name'
  | 'colon'
  | 'comma_or_end'
  | 'string'
  | 'escape'
  | 'hex'
  | 'number'
  | 'literal'
  | 'end'

/** Within a number: what was read of it last. */
type NumberPart = 'minus' | 'zero' | 'digits' | 'point' | 'fraction' | 'e' | 'sign' | 'exponent'

const completeParts: ReadonlySet<NumberPart> = new Set(['zero', 'digits', 'fraction', 'exponent'])

/**
 * Reads JSON text (RFC 8259) as it comes, in chunks cut anywhere, and finds the items in it and where their members stand.
 * It checks all of the grammar, as JSON.parse does, and makes no value of anything; that the bytes are UTF-8 is left to who
 * reads them. Memory: the item that is being read.
 */
export class JsonScanner {
  readonly #options: ScannerOptions
  readonly #itemDepth: number
  #state: State = 'value'
  /** For each open object or array its kind: 1 for an object. */
  readonly #open = new Uint8Array(depthMax)
  #depth = 0
  #number: NumberPart = 'digits'
  #literal: Buffer = Buffer.alloc(0)
  /** How much of a literal, or how many digits of `\u`, have been read. */
  #matched = 0
  #isName = false
  /** Bytes before the present chunk. */
  #before = 0

  /** The item that is being read: where it began, counted over all chunks. */
  #itemStart = -1
  #pieces: Buffer[] = []
  #piecesBytes = 0
  #members: Member[] = []
  #hasMoreMembers = false
  #isObject = false
  #name: Range = { start: 0, end: 0 }
  #nameStart = 0
  #valueStart = -1

  constructor(options: ScannerOptions) {
    this.#options = options
    this.#itemDepth = options.text === 'array' ? 1 : 0
  }

  /** @throws ScanError */
  push(chunk: Buffer): void {
    const length = chunk.length
    let at = 0
    while (at < length) {
      if (this.#state === 'string') {
        at = this.#skipText(chunk, at)
        if (at === length) break
      }
      // A number ends before a byte that belongs to what follows it: that byte is read again.
      if (this.#step(chunk, at)) at++
    }
    this.#keepRest(chunk)
    this.#before += length
  }

  /** The text is over. @throws ScanError when it is not complete */
  end(): void {
    if (this.#state === 'number' && completeParts.has(this.#number)) this.#endValue(this.#before, noChunk, 0)
    if (this.#state !== 'end') throw new ScanError('it ends too early', this.#before)
  }

  /** From within a string to what ends it, or is not just a part of its text. */
  #skipText(chunk: Buffer, from: number): number {
    const { length } = chunk
    let at = from
    for (; at < length; at++) {
      const byte = chunk[at] as number // at < length
      if (byte === quote || byte === backslash || byte < 0x20) break
    }
    return at
  }

  /** @returns false when the byte is to be read again, in another state */
  #step(chunk: Buffer, at: number): boolean {
    const byte = chunk[at] as number // the caller has looked
    switch (this.#state) {
      case 'string':
        this.#inString(byte, chunk, at)
        return true
      case 'escape':
        this.#afterBackslash(byte, at)
        return true
      case 'hex':
        if (!isHex(byte)) throw this.#fault('an escape \\u needs four hexadecimal digits', at)
        if (++this.#matched === 4) this.#state = 'string'
        return true
      case 'number':
        return this.#inNumber(byte, chunk, at)
      case 'literal':
        if (byte !== this.#literal[this.#matched]) throw this.#unexpected(byte, at)
        if (++this.#matched === this.#literal.length) this.#endValue(this.#before + at + 1, chunk, at + 1)
        return true
    }
    if (isWhiteSpace(byte)) return true
    this.#between(byte, chunk, at)
    return true
  }

  #inString(byte: number, chunk: Buffer, at: number): void {
    if (byte === backslash) this.#state = 'escape'
    else if (byte !== quote) throw this.#fault('a control character in a string must be escaped', at)
    else if (this.#isName) this.#endName(this.#before + at + 1)
    else this.#endValue(this.#before + at + 1, chunk, at + 1)
  }

  #afterBackslash(byte: number, at: number): void {
    if (byte === lowerU) {
      this.#state = 'hex'
      this.#matched = 0
    } else if (escapes.has(byte)) this.#state = 'string'
    else throw this.#fault('there is no such escape in a string', at)
  }

  #inNumber(byte: number, chunk: Buffer, at: number): boolean {
    const next = nextPart(this.#number, byte)
    if (next !== undefined) {
      this.#number = next
      return true
    }
    if (!completeParts.has(this.#number)) throw this.#unexpected(byte, at)
    this.#endValue(this.#before + at, chunk, at)
    return false
  }

  #between(byte: number, chunk: Buffer, at: number): void {
    const state = this.#state
    if (state === 'value') this.#beginValue(byte, at)
    else if (state === 'name') this.#beginName(byte, at)
    else if (state === 'first_value_or_end') {
      if (byte === closeBracket) this.#close(chunk, at)
      else this.#beginValue(byte, at)
    } else if (state === 'first_name_or_end') {
      if (byte === closeBrace) this.#close(chunk, at)
      else this.#beginName(byte, at)
    } else if (state === 'colon' && byte === colon) this.#state = 'value'
    else if (state === 'comma_or_end') this.#goOnOrClose(byte, chunk, at)
    else throw this.#unexpected(byte, at)
  }

  #goOnOrClose(byte: number, chunk: Buffer, at: number): void {
    const inObject = this.#open[this.#depth - 1] === 1
    if (byte === comma) this.#state = inObject ? 'name' : 'value'
    else if (byte === (inObject ? closeBrace : closeBracket)) this.#close(chunk, at)
    else throw this.#unexpected(byte, at)
  }

  #beginName(byte: number, at: number): void {
    if (byte !== quote) throw this.#unexpected(byte, at)
    this.#isName = true
    this.#nameStart = this.#before + at
    this.#state = 'string'
  }

  #endName(end: number): void {
    this.#isName = false
    this.#state = 'colon'
    if (this.#depth === this.#itemDepth + 1) {
      this.#name = { start: this.#nameStart - this.#itemStart, end: end - this.#itemStart }
    }
  }

  #beginValue(byte: number, at: number): void {
    const start = this.#before + at
    if (this.#depth === this.#itemDepth) this.#beginItem(byte, start)
    else if (this.#depth === this.#itemDepth + 1 && this.#isObject) this.#valueStart = start
    else if (this.#depth < this.#itemDepth && byte !== openBracket)
      throw this.#fault('it is not an array', at)
    if (byte === openBrace || byte === openBracket) this.#openOne(byte === openBrace, at)
    else if (byte === quote) this.#state = 'string'
    else if (byte === minus || isDigit(byte)) {
      this.#number = byte === minus ? 'minus' : byte === zero ? 'zero' : 'digits'
      this.#state = 'number'
    } else {
      const literal = literals.find(text => text[0] === byte)
      if (literal === undefined) throw this.#unexpected(byte, at)
      this.#literal = literal
      this.#matched = 1
      this.#state = 'literal'
    }
  }

  #openOne(isObject: boolean, at: number): void {
    if (this.#depth === depthMax)
      throw this.#fault(`more than ${depthMax} objects and arrays in each other`, at)
    this.#open[this.#depth++] = isObject ? 1 : 0
    this.#state = isObject ? 'first_name_or_end' : 'first_value_or_end'
  }

  #close(chunk: Buffer, at: number): void {
    this.#depth--
    this.#endValue(this.#before + at + 1, chunk, at + 1)
  }

  /** @param end counted over all chunks; the same in this one is `endHere` */
  #endValue(end: number, chunk: Buffer, endHere: number): void {
    this.#state = this.#depth === 0 ? 'end' : 'comma_or_end'
    if (this.#depth === this.#itemDepth && this.#itemStart !== -1) this.#endItem(end, chunk, endHere)
    else if (this.#depth === this.#itemDepth + 1 && this.#valueStart !== -1) this.#endMember(end)
  }

  #beginItem(byte: number, start: number): void {
    this.#itemStart = start
    this.#isObject = byte === openBrace
    this.#members = []
    this.#hasMoreMembers = false
    this.#valueStart = -1
  }

  #endMember(end: number): void {
    const value = { start: this.#valueStart - this.#itemStart, end: end - this.#itemStart }
    if (this.#members.length < membersMax) this.#members.push({ name: this.#name, value })
    else this.#hasMoreMembers = true
    this.#valueStart = -1
  }

  #endItem(end: number, chunk: Buffer, endHere: number): void {
    const length = end - this.#itemStart
    const isKept = length <= this.#options.itemBytesMax
    if (isKept) this.#pieces.push(chunk.subarray(Math.max(0, this.#itemStart - this.#before), endHere))
    const bytes = isKept ? Buffer.concat(this.#pieces, length) : undefined
    this.#pieces = []
    this.#piecesBytes = 0
    this.#itemStart = -1
    this.#options.onItem({
      bytes,
      isObject: this.#isObject,
      members: this.#members,
      hasMoreMembers: this.#hasMoreMembers,
    })
  }

  /** What the chunk has of an item that goes on in the next one. */
  #keepRest(chunk: Buffer): void {
    if (this.#itemStart === -1) return
    const piece = chunk.subarray(Math.max(0, this.#itemStart - this.#before))
    this.#piecesBytes += piece.length
    if (this.#piecesBytes > this.#options.itemBytesMax) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #fault(message: string, at: number): ScanError {
    return new ScanError(message, this.#before + at)
  }

  #unexpected(byte: number, at: number): ScanError {
    const shown =
      byte > 0x20 && byte < 0x7f
        ? `'${String.fromCharCode(byte)}'`
        : `the byte 0x${byte.toString(16).padStart(2, '0')}`
    return this.#fault(`${shown} was not expected here`, at)
  }
}

const noChunk = Buffer.alloc(0)
const literals = ['true', 'false', 'null'].map(text => Buffer.from(text))

/** What a byte is within a number; undefined: it is not a part of it. */
function nextPart(part: NumberPart, byte: number): NumberPart | undefined {
  const digit = isDigit(byte)
  switch (part) {
    case 'minus':
      return digit ? (byte === zero ? 'zero' : 'digits') : undefined
    case 'digits':
      if (digit) return 'digits'
      return afterWhole(byte)
    case 'zero':
      return afterWhole(byte)
    case 'point':
    case 'fraction':
      if (digit) return 'fraction'
      return part === 'fraction' && isE(byte) ? 'e' : undefined
    case 'e':
      if (byte === minus || byte === plus) return 'sign'
      return digit ? 'exponent' : undefined
    case 'sign':
    case 'exponent':
      return digit ? 'exponent' : undefined
  }
}

function afterWhole(byte: number): NumberPart | undefined {
  if (byte === point) return 'point'
  return isE(byte) ? 'e' : undefined
}

const isE = (byte: number) => byte === lowerE || byte === upperE
