import type { IncomingMessage } from 'node:http'
import { AppError, overloaded } from '../errors.ts'
import type { ArrivingBody, BodyBudget } from './body-budget.ts'

/** How bodies of requests are read. */
export interface BodyRules {
  /** A larger body is refused with 413, also when it comes in chunks. */
  readonly bytesMax: number
  /** What all bodies together may take while they arrive. */
  readonly budget: BodyBudget
}

/** Chunks from this length on are kept as they come; shorter ones are gathered in buffers of `gatherBytes`. */
const keepBytes = 4096
const gatherBytes = 16_384

/**
 * Reads the body of a request, and calls `done` once: with all its bytes, or with an error for the caller.
 *
 * Short chunks are copied together: a million chunks of one byte each took 522 bytes for each, kept as they came.
 */
export function readBody(rules: BodyRules, request: IncomingMessage, done: Done): void {
  const declared = request.headers['content-length']
  if (Number(declared) > rules.bytesMax) done(bodyTooLarge(rules.bytesMax))
  else new BodyReader(rules, request, Number(declared), done)
}

type Done = (error: Error | null, body?: Buffer) => void

class BodyReader implements ArrivingBody {
  readonly #rules: BodyRules
  readonly #request: IncomingMessage
  /** NaN when it is not known before the end. */
  readonly #declaredBytes: number
  readonly #done: Done
  #pieces: Buffer[] = []
  /** The last piece, while it has room. */
  #gathering: Buffer | undefined
  #gathered = 0
  #length = 0
  /** The sum over all bytes of when each came. */
  #cameAt = 0
  bytes = 0

  constructor(rules: BodyRules, request: IncomingMessage, declaredBytes: number, done: Done) {
    this.#rules = rules
    this.#request = request
    this.#declaredBytes = declaredBytes
    this.#done = done
    request.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError)
  }

  get address(): string | undefined {
    return this.#request.socket.remoteAddress
  }

  get cameAt(): number {
    return this.#cameAt / this.#length
  }

  makeWay(): void {
    this.#finish(overloaded('Too many bodies arrive slowly at the same time; send this one again, faster.'))
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#length += chunk.length
    if (this.#length > this.#rules.bytesMax) this.#finish(bodyTooLarge(this.#rules.bytesMax))
    // Most bodies come in one piece with their headers, and are whole with it: those are not counted.
    else if (chunk.length === this.#declaredBytes) this.#pieces.push(chunk)
    else this.#keep(chunk)
  }

  #keep(chunk: Buffer): void {
    const { budget } = this.#rules
    this.#cameAt += chunk.length * performance.now()
    if (this.#gathering === undefined || chunk.length > this.#gathering.length - this.#gathered) {
      const isLong = chunk.length >= keepBytes
      this.#endGathering()
      budget.grow(this, isLong ? chunk.length : gatherBytes)
      if (this.bytes === 0) return // it had to make way itself
      if (isLong) {
        this.#pieces.push(chunk)
        return
      }
      this.#gathering = Buffer.allocUnsafeSlow(gatherBytes)
    }
    this.#gathering.set(chunk, this.#gathered)
    this.#gathered += chunk.length
  }

  #endGathering(): void {
    if (this.#gathering !== undefined) this.#pieces.push(this.#gathering.subarray(0, this.#gathered))
    this.#gathering = undefined
    this.#gathered = 0
  }

  readonly #onEnd = (): void => {
    this.#endGathering()
    this.#finish(null, wholeOf(this.#pieces, this.#length))
  }

  readonly #onError = (cause: Error): void => {
    this.#finish(new AppError('malformed_request', 'The connection ended before the body did.', { cause }))
  }

  #finish(error: Error | null, body?: Buffer): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError)
    this.#pieces = []
    this.#gathering = undefined
    this.#rules.budget.release(this)
    this.#done(error, body)
  }
}

/**
 * A body that came in one piece is that piece, which Node has allocated for it alone. A copy would be a part of one of the
 * slabs of 8 KiB that Node keeps for small buffers, and a slab stays in memory for as long as one event with a part of it.
 */
function wholeOf(pieces: readonly Buffer[], length: number): Buffer {
  const [first] = pieces
  const isWhole = first !== undefined && first.length === length && first.buffer.byteLength === length
  return isWhole ? first : Buffer.concat(pieces, length)
}

/** The refusal of what is longer than `BODY_LIMIT_BYTES`. */
export function bodyTooLarge(bytesMax: number, what = 'body'): AppError {
  return new AppError(
    'body_too_large',
    `The ${what} is larger than the ${bytesMax.toLocaleString('en')} bytes that this service accepts. Send less, or have its operator raise BODY_LIMIT_BYTES.`,
  )
}
