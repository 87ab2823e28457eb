import type { Dispatcher as Undici } from 'undici'
import { isHeldByConnections } from '../../egress/own-lack.ts'
import {
  type Capture,
  type CaptureOf,
  type ExchangeDetails,
  redactRequest,
  redactResponse,
  roundedMs,
  type Timings,
} from '../../model/exchange-details.ts'
import { errorText, type Outcome } from '../../model/outcome.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Listed } from '../../platform/unordered-list.ts'
import type { SigningHeaders } from '../../subscriptions/signing.ts'
import { wordOf } from './answer.ts'
import { type ConnectionState, endAwaiting, type TracedHandler } from './connection.ts'
import { EchoedSecrets } from './echoed-secrets.ts'
import { classify, headersTooLarge, type NoAnswer } from './error-class.ts'
import { type LenientAnswer, readLeniently } from './lenient-answer.ts'

/** One HTTP request to a receiver. */
/** `OPTIONS` asks what the receiver allows. */
export type Method = 'POST' | 'OPTIONS'

export interface OutgoingRequest {
  /** Scheme, host and port. */
  readonly origin: string
  /** Path and query. */
  readonly path: string
  /** POST unless given. */
  readonly method?: Method
  /** Names and values in turn, as undici takes them. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** From name resolution to the last byte of the answer, in milliseconds. */
  readonly timeoutMs: number
  /** Of that, until there is a connection; no matter where one is open already. Left out: as the connector has it. */
  readonly connectTimeoutMs?: number
  /** Statuses after which there is to be no further attempt. */
  readonly terminalStatuses: readonly number[]
  /** How the headers are called that hold id, time and number of the attempt. */
  readonly names?: Pick<SigningHeaders, 'id' | 'timestamp' | 'attempt'>
  /** Further headers that hold no secret, by their names. */
  readonly openHeaders?: readonly string[] | undefined
  /** On which connections it may go (`Route.credentials`). */
  readonly credentials?: string | undefined
  /** Whether its answer is remembered; null or left out: as the options say. With `none` the error quotes nothing of it. */
  readonly capture?: CaptureOf | null
}

export interface ExchangeOptions {
  /** To tell how long from now a receiver wants to be left alone. */
  readonly clock: Clock
  /** At most this much of an answer is read; then the connection is closed. */
  readonly responseBytesMax: number
  readonly capture: Capture
}

/** A kept connection had been closed by its receiver; or there was none, for want of something of our own. */
export type WhySentAgain = 'closed meanwhile' | 'own lack'

/** How much of a refusing answer's body is kept to quote in the log. */
const quotedBytesMax = 1024

const nothing = Buffer.alloc(0)

/** One request under way: what undici tells of it goes in, one outcome comes out. */
export class Exchange implements TracedHandler, Listed {
  listIndex = -1
  /** The connection it runs on, once one was chosen. */
  connection: ConnectionState | undefined
  readonly #startedAt = performance.now()
  readonly #request: OutgoingRequest
  readonly #options: ExchangeOptions
  readonly #resolve: (outcome: Outcome) => void
  readonly #sendAgain: ((why: WhySentAgain) => void) | undefined
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
  #secrets: EchoedSecrets | undefined
  #isSentAgain = false
  /** It was sent before, and may have arrived. */
  #isRepeated = false

  /** @param sendAgain sends it once more, on a new connection. Left out: it is never sent twice */
  constructor(
    request: OutgoingRequest,
    options: ExchangeOptions,
    resolve: (outcome: Outcome) => void,
    sendAgain?: (why: WhySentAgain) => void,
  ) {
    this.#request = request
    this.#options = options
    this.#resolve = resolve
    this.#sendAgain = sendAgain
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
    const timeout = { fault: 'receiver', errorClass: 'timeout' } as const
    if (this.#controller) this.#end({ ...timeout, error: `no complete answer within ${timeoutMs} ms` })
    // In the words used where the time for the connection alone is over, which may be shorter.
    else {
      const error = `no connection within ${timeoutMs} ms`
      this.#end({ ...timeout, errorCode: 'UND_ERR_CONNECT_TIMEOUT', error })
    }
  }

  /** The service stops: nothing more is waited for, and it is not the receiver's fault. */
  cutOff(): void {
    this.#end({ fault: 'ours', errorClass: 'timeout', error: 'the service is stopping' })
  }

  /** Ends it here. An answer whose headers have arrived stands: a receiver that said 2xx has accepted. */
  #end(why: NoAnswer): void {
    if (this.#done) return
    this.#finish(this.#status === 0 ? this.#unreachable(why) : this.#answered())
    this.#controller?.abort(new Error('ended'))
  }

  onRequestStart(controller: Undici.DispatchController): void {
    // One that ended while it waited for a connection is dropped here, before a byte is sent.
    if (this.#done) controller.abort(new Error('ended'))
    else this.#controller = controller
  }

  onResponseStart(
    _controller: unknown,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
    statusMessage?: string,
  ): void {
    if (statusCode < 200) return // informational; the answer is still to come
    this.#status = statusCode
    if (this.connection) endAwaiting(this.connection)
    this.#statusText = statusMessage ?? ''
    if (statusCode >= 300 && statusCode < 400) this.#location = String(headers.location ?? '')
    if (statusCode >= 300) {
      this.#keepBytes = this.#request.capture === 'none' ? 0 : quotedBytesMax
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
    if (this.#status !== 0) {
      this.#finish(this.#answered())
      return
    }
    const why = classify(error)
    const answer = this.#refusedByParser(why)
    if (answer) this.#take(answer)
    else this.#broken(why)
  }

  /** What the parser has refused may be an answer that a client is free to take. */
  #refusedByParser({ errorClass, errorCode }: NoAnswer): LenientAnswer | undefined {
    const { head } = this.connection ?? {}
    if (head === undefined || errorClass !== 'invalid' || errorCode === headersTooLarge) return undefined
    return readLeniently(head)
  }

  #take({ status, headers, statusText, body, isWhole }: LenientAnswer): void {
    this.onResponseStart(undefined, status, headers, statusText)
    this.#chunks = [body]
    this.#bytes = body.length
    this.#isWhole = isWhole
    this.#finish(this.#answered())
  }

  #broken(why: NoAnswer): void {
    const again = this.#isSentAgain ? undefined : this.#whyAgain(why)
    if (again === undefined || this.#sendAgain === undefined) {
      this.#finish(this.#unreachable(why))
      return
    }
    this.#isSentAgain = true
    this.#isRepeated = this.#controller !== undefined
    this.#controller = undefined
    this.#sendAgain(again)
  }

  /**
   * Whether it is sent once more, at once. A kept connection that ended as it was used again, before one byte of an answer,
   * was most likely closed as idle by a receiver that has never seen the request. It is not known, so the receiver may get
   * it twice, with the same id. For want of something of our own nothing was sent, and idle connections can give way.
   */
  #whyAgain({ fault, errorClass, errorCode = '' }: NoAnswer): WhySentAgain | undefined {
    if (fault === 'ours') return isHeldByConnections(errorCode) ? 'own lack' : undefined
    const { trace, head } = this.connection ?? {}
    const wasKept = trace?.hasAnswered === true && head === undefined
    return wasKept && errorClass !== 'invalid' ? 'closed meanwhile' : undefined
  }

  #answered(): Outcome {
    const durationMs = this.#elapsed()
    const httpStatus = this.#status
    if (httpStatus < 300) {
      if (this.#headers === undefined && !this.#isRepeated)
        return { kind: 'accepted', httpStatus, durationMs }
      return { kind: 'accepted', httpStatus, durationMs, ...this.#extras() }
    }
    const refusal = { status: httpStatus, retryAfter: this.#retryAfter }
    return {
      ...wordOf(refusal, this.#request.terminalStatuses, this.#options.clock.now()),
      httpStatus,
      errorClass: 'http',
      error: this.#refusal(),
      durationMs,
      ...this.#extras(),
    }
  }

  /** What an outcome has that is not usual. */
  #extras(): Pick<Outcome, 'exchange' | 'isRepeated'> {
    const isRemembered = this.#headers !== undefined || (this.#status === 0 && this.#isRemembered(false))
    return {
      ...(isRemembered && { exchange: this.#details() }),
      ...(this.#isRepeated && { isRepeated: true }),
    }
  }

  #unreachable(why: NoAnswer): Outcome {
    const error = this.#clean(why.error) // a certificate may name what an earlier request has told
    return { kind: 'unreachable', ...why, error, durationMs: this.#elapsed(), ...this.#extras() }
  }

  /** What the log says of an answer that is not 2xx: where it pointed to, else its body, else its status line. */
  #refusal(): string {
    if (this.#request.capture === 'none') return `HTTP ${this.#status}`
    if (this.#location !== undefined) {
      return errorText(`redirect not followed, Location: ${this.#clean(this.#location)}`)
    }
    const body = errorText(this.#kept(quotedBytesMax).toString('utf8'))
    return body === '' ? errorText(`HTTP ${this.#status} ${this.#clean(this.#statusText)}`) : body
  }

  /** A text of the receiver without the secrets that it was sent. */
  #clean(text: string): string {
    return this.#secretsSent().removedFrom(text)
  }

  #secretsSent(): EchoedSecrets {
    this.#secrets ??= new EchoedSecrets(this.#request.headers, openHeadersOf(this.#request))
    return this.#secrets
  }

  #isRemembered(success: boolean): boolean {
    const of = this.#request.capture ?? this.#options.capture.of
    return of === 'all' || (of === 'failures' && (!success || this.#isRepeated))
  }

  /**
   * The first bytes of the body without the secrets of the request. Copied: a chunk is a window on a read buffer of 64 KiB,
   * which it would keep.
   */
  #kept(bytesMax: number): Buffer {
    if (this.#chunks === undefined || bytesMax === 0) return nothing
    const bytes = Buffer.concat(this.#chunks, Math.min(this.#bytes, bytesMax))
    return this.#secretsSent().removedFromBytes(bytes, this.#isCutAt(bytesMax))
  }

  #isCutAt(bytesMax: number): boolean {
    return !this.#isWhole || this.#bytes > bytesMax
  }

  #details(): ExchangeDetails {
    const { origin, path, headers } = this.#request
    const { bodyBytesMax } = this.#options.capture
    const hasAnswered = this.#headers !== undefined
    return {
      request: {
        method: this.#request.method ?? 'POST',
        url: origin + path,
        headers: redactRequest(headers, openHeadersOf(this.#request)),
      },
      response:
        this.#headers === undefined
          ? null
          : {
              headers: redactResponse(this.#headers, text => this.#clean(text)),
              body_bytes: this.#bytes,
              body_truncated: this.#isCutAt(bodyBytesMax),
            },
      responseBody: hasAnswered ? this.#kept(bodyBytesMax) : nothing,
      timings: this.#timings(),
      remoteAddress: this.connection?.trace?.remoteAddress ?? null,
    }
  }

  #timings(): Timings {
    const total = roundedMs(performance.now() - this.#startedAt)
    const first_byte = this.#firstByteAt === undefined ? null : roundedMs(this.#firstByteAt - this.#startedAt)
    const repeated = this.#isRepeated
    const trace = this.connection?.trace
    if (trace === undefined || trace.startedAt < this.#startedAt) {
      return { reused: trace !== undefined, repeated, dns: null, connect: null, tls: null, first_byte, total }
    }
    return { reused: false, repeated, ...trace.timings(), first_byte, total }
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

function openHeadersOf({ names, openHeaders = [] }: OutgoingRequest): readonly (string | null)[] {
  return names ? [names.id, names.timestamp, names.attempt, ...openHeaders] : openHeaders
}
