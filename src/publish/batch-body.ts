import type { IncomingMessage } from 'node:http'
import { AppError, overloaded } from '../errors.ts'
import type { ArrivingBody } from '../http/body-budget.ts'
import type { BodyRules } from '../http/read-body.ts'
import type { ItemReader, RawItem } from './batch-items.ts'

/**
 * Reads the body of a batch as it comes. It is not held as a whole: of each chunk only the items are kept.
 *
 * @throws AppError by the promise, as soon as the batch cannot be accepted any more
 */
export function readBatch(
  rules: BodyRules,
  request: IncomingMessage,
  reader: ItemReader,
): Promise<readonly RawItem[]> {
  if (Number(request.headers['content-length']) > rules.bytesMax) return Promise.reject(tooLarge(rules))
  return new Promise((resolve, reject) => {
    new BatchBody(rules, request, reader, resolve, reject)
  })
}

class BatchBody implements ArrivingBody {
  readonly #rules: BodyRules
  readonly #request: IncomingMessage
  readonly #reader: ItemReader
  readonly #resolve: (items: readonly RawItem[]) => void
  readonly #reject: (error: unknown) => void
  #length = 0
  /** The sum over all bytes of when each came. */
  #cameAt = 0
  bytes = 0

  constructor(
    rules: BodyRules,
    request: IncomingMessage,
    reader: ItemReader,
    resolve: (items: readonly RawItem[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#rules = rules
    this.#request = request
    this.#reader = reader
    this.#resolve = resolve
    this.#reject = reject
    request.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError)
  }

  get address(): string | undefined {
    return this.#request.socket.remoteAddress
  }

  get cameAt(): number {
    return this.#cameAt / this.#length
  }

  makeWay(): void {
    this.#fail(overloaded('Too many bodies arrive slowly at the same time; send this one again, faster.'))
  }

  readonly #onData = (chunk: Buffer): void => {
    const { bytesMax, budget } = this.#rules
    this.#length += chunk.length
    this.#cameAt += chunk.length * performance.now()
    if (this.#length > bytesMax) {
      this.#fail(tooLarge(this.#rules))
      return
    }
    budget.grow(this, chunk.length)
    if (this.bytes > 0) this.#try(() => this.#reader.push(chunk)) // else it had to make way itself
  }

  readonly #onEnd = (): void => {
    this.#try(() => {
      const items = this.#reader.end()
      this.#finish()
      this.#resolve(items)
    })
  }

  readonly #onError = (cause: Error): void => {
    this.#fail(new AppError('malformed_request', 'The connection ended before the body did.', { cause }))
  }

  #try(read: () => void): void {
    try {
      read()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#finish()
    this.#reject(error)
  }

  #finish(): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError)
    this.#rules.budget.release(this)
  }
}

function tooLarge({ bytesMax }: BodyRules): AppError {
  return new AppError(
    'body_too_large',
    `The batch is larger than the ${bytesMax.toLocaleString('en')} bytes that this service accepts. Nothing of it was accepted; send it in parts.`,
  )
}
