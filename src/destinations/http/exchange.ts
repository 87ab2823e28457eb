import type { Dispatcher as Undici } from 'undici'
import {
  type Capture,
  type ExchangeDetails,
  redactRequest,
  redactResponse,
  roundedMs,
  type Timings,
} from '../../model/exchange-details.ts'
import { errorText, type Outcome } from '../../model/outcome.ts'
import type { ConnectionState, TracedHandler } from './connection.ts'
import { classify, type Failure } from './error-class.ts'

/** One HTTP request to a receiver. */
export interface OutgoingRequest {
  /** Scheme, host and port. */
  readonly origin: string
  /** Path and query. */
  readonly path: string
  /** Names and values in turn, as undici takes them. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** From name resolution to the last byte of the answer, in milliseconds. */
  readonly timeoutMs: number
  /** Of that, until there is a connection; no matter where one is open already. Left out: as the connector has it. */
  readonly connectTimeoutMs?: number
}

export interface ExchangeOptions {
  /** So much of an answer is read; then the connection is closed. */
  readonly responseBytesMax: number
  readonly capture: Capture
}

/** How much of a refusing answer's body is kept to quote in the log. */
const quotedBytesMax = 1024

const nothing = Buffer.alloc(0)

/** One request under way: undici's handler, reduced to the outcome. */
export class Exchange implements TracedHandler {
  /** The connection it runs on, once one was chosen. */
  connection: ConnectionState | undefined
  readonly #startedAt = performance.now()
  readonly #request: OutgoingRequest
  readonly #options: ExchangeOptions
  readonly #resolve: (outcome: Outcome) => void
  readonly #deadline: NodeJS.Timeout
  #controller: Undici.DispatchController | undefined
  #done = false
  #status = 0
  #statusText = ''
  #location: string | undefined
  #retryAfter: string | undefined
  #bytes = 0
  // The rest stays as it is for a success that is not remembered.
  #keepBytes = 0
  #chunks: Buffer[] | undefined
  #headers: Readonly<Record<string, string | string[] | undefined>> | undefined
  #firstByteAt: number | undefined
  #isWhole = false

  constructor(request: OutgoingRequest, options: ExchangeOptions, resolve: (outcome: Outcome) => void) {
    this.#request = request
    this.#options = options
    this.#resolve = resolve
    const { timeoutMs } = request
    // After a moment in which nothing ran, timers come before what has arrived meanwhile: that is read first.
    this.#deadline = setTimeout(() => setImmediate(() => this.#late()), timeoutMs)
  }

  get connectTimeoutMs(): number | undefined {
    return this.#request.connectTimeoutMs
  }

  /** Its outcome is known. */
  get isOver(): boolean {
    return this.#done
  }

  #late(): void {
    const { timeoutMs } = this.#request
    if (this.#controller) this.expire(`no complete answer within ${timeoutMs} ms`)
    // As it is called where the connection has less time than the whole, and ends first.
    else this.expire(`no connection within ${timeoutMs} ms`, 'UND_ERR_CONNECT_TIMEOUT')
  }

  /** The deadline has passed. A 2xx whose headers have arrived stays a success: the receiver has accepted. */
  expire(reason: string, errorCode?: string): void {
    if (this.#done) return
    if (this.#status !== 0) this.#finish(this.#answered())
    else this.#finish(this.#failed({ errorClass: 'timeout', ...(errorCode && { errorCode }), error: reason }))
    this.#controller?.abort(new Error('deadline'))
  }

  onRequestStart(controller: Undici.DispatchController): void {
    // A request whose deadline passed while it waited for a connection is dropped here, before a byte is sent.
    if (this.#done) controller.abort(new Error('deadline'))
    else this.#controller = controller
  }

  onResponseStart(
    _controller: Undici.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
    statusMessage?: string,
  ): void {
    if (statusCode < 200) return // informational; the answer is still to come
    this.#status = statusCode
    if (this.connection) this.connection.awaitsStatus = false
    this.#statusText = statusMessage ?? ''
    if (statusCode >= 300 && statusCode < 400) this.#location = String(headers.location ?? '')
    if (statusCode >= 300) {
      this.#keepBytes = quotedBytesMax
      if (headers['retry-after'] !== undefined) this.#retryAfter = String(headers['retry-after'])
    }
    if (!this.#isRemembered(statusCode < 300)) return
    this.#firstByteAt = performance.now()
    this.#headers = headers
    this.#keepBytes = Math.max(this.#keepBytes, this.#options.capture.bodyBytesMax)
  }

  onResponseData(controller: Undici.DispatchController, chunk: Buffer): void {
    if (this.#done) return
    if (this.#bytes < this.#keepBytes) {
      this.#chunks ??= []
      this.#chunks.push(chunk)
    }
    this.#bytes += chunk.length
    if (this.#bytes > this.#options.responseBytesMax) {
      this.#finish(this.#answered())
      controller.abort(new Error('the answer is larger than what is read of one'))
    }
  }

  onResponseEnd(): void {
    if (this.#done) return
    this.#isWhole = true
    this.#finish(this.#answered())
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#done) return
    // The connection broke after the status line: the receiver's word stands, its body does not matter.
    if (this.#status !== 0) this.#finish(this.#answered())
    else this.#finish(this.#failed(classify(error)))
  }

  #answered(): Outcome {
    const durationMs = this.#elapsed()
    const httpStatus = this.#status
    if (httpStatus < 300) {
      if (this.#headers === undefined) return { kind: 'success', httpStatus, durationMs }
      return { kind: 'success', httpStatus, durationMs, exchange: this.#details() }
    }
    const retryAfter = this.#retryAfter === undefined ? {} : { retryAfter: this.#retryAfter }
    const refused = {
      kind: 'refused',
      httpStatus,
      error: this.#refusal(),
      durationMs,
      ...retryAfter,
    } as const
    return this.#headers === undefined ? refused : { ...refused, exchange: this.#details() }
  }

  #failed(why: Failure): Outcome {
    const failed = { kind: 'failed', ...why, durationMs: this.#elapsed() } as const
    return this.#isRemembered(false) ? { ...failed, exchange: this.#details() } : failed
  }

  /** What the log says of an answer that is not 2xx: where it pointed to, else its body, else its status line. */
  #refusal(): string {
    if (this.#location !== undefined) return errorText(`redirect not followed, Location: ${this.#location}`)
    const body = errorText(this.#kept(quotedBytesMax).toString('utf8'))
    return body === '' ? errorText(`HTTP ${this.#status} ${this.#statusText}`) : body
  }

  #isRemembered(success: boolean): boolean {
    const { of } = this.#options.capture
    return of === 'all' || (of === 'failures' && !success)
  }

  /** The first bytes of the body, copied: a chunk is a window on a read buffer of 64 KiB, which it would keep. */
  #kept(bytesMax: number): Buffer {
    if (this.#chunks === undefined || bytesMax === 0) return nothing
    return Buffer.concat(this.#chunks, Math.min(this.#bytes, bytesMax))
  }

  #details(): ExchangeDetails {
    const { origin, path, headers } = this.#request
    const responseBody =
      this.#headers === undefined ? nothing : this.#kept(this.#options.capture.bodyBytesMax)
    return {
      request: { method: 'POST', url: origin + path, headers: redactRequest(headers) },
      response:
        this.#headers === undefined
          ? null
          : {
              headers: redactResponse(this.#headers),
              body_bytes: this.#bytes,
              body_truncated: !this.#isWhole || this.#bytes > responseBody.length,
            },
      responseBody,
      timings: this.#timings(),
      remoteAddress: this.connection?.trace?.remoteAddress ?? null,
    }
  }

  #timings(): Timings {
    const total = roundedMs(performance.now() - this.#startedAt)
    const first_byte = this.#firstByteAt === undefined ? null : roundedMs(this.#firstByteAt - this.#startedAt)
    const trace = this.connection?.trace
    if (trace === undefined || trace.startedAt < this.#startedAt) {
      return { reused: trace !== undefined, dns: null, connect: null, tls: null, first_byte, total }
    }
    return { reused: false, ...trace.timings(), first_byte, total }
  }

  #finish(outcome: Outcome): void {
    this.#done = true
    clearTimeout(this.#deadline)
    this.#resolve(outcome)
  }

  #elapsed(): number {
    return Math.round(performance.now() - this.#startedAt)
  }
}
