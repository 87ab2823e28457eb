import type { Dispatcher as Undici } from 'undici'
import { Pool } from 'undici'
import { classify } from './error-class.ts'
import { errorText, type Outcome } from './outcome.ts'

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
}

export interface SenderOptions {
  /** So much of an answer is read; then the connection is closed. */
  readonly responseBytesMax: number
  readonly connectTimeoutMs?: number
}

/** So many origins keep a pool; the one unused for longest goes. Each is a few kilobytes plus its idle sockets. */
const poolsMax = 1024

/** How much of a refusing answer's body is kept to quote in the log. */
const quotedBytesMax = 1024

/**
 * Sends requests over pools of our own, one per origin. Settings differ from undici's defaults where those are
 * made for clients of few, known servers: no HTTP/2, no unlimited answers, and one total deadline instead of
 * timeouts between chunks, which a dripping receiver never trips. Redirects are not followed (`dispatch` never does).
 */
export class Sender {
  readonly #options: SenderOptions
  /** In order of last use: a Map remembers insertion, and each use inserts anew. */
  readonly #pools = new Map<string, Pool>()
  readonly #running = new Set<Exchange>()

  constructor(options: SenderOptions) {
    this.#options = options
  }

  send(request: OutgoingRequest): Promise<Outcome> {
    return new Promise(resolve => {
      const exchange = new Exchange(request.timeoutMs, this.#options.responseBytesMax, outcome => {
        this.#running.delete(exchange)
        resolve(outcome)
      })
      this.#running.add(exchange)
      try {
        this.#poolOf(request.origin).dispatch(
          { path: request.path, method: 'POST', headers: request.headers as string[], body: request.body },
          exchange,
        )
      } catch (error) {
        exchange.onResponseError(undefined, error)
      }
    })
  }

  /** Ends what still runs (their outcome is a failure of class `timeout`) and closes all sockets. */
  async close(): Promise<void> {
    for (const exchange of [...this.#running]) exchange.expire('the service is stopping')
    await Promise.allSettled([...this.#pools.values()].map(pool => pool.destroy()))
    this.#pools.clear()
  }

  #poolOf(origin: string): Pool {
    const known = this.#pools.get(origin)
    if (known) {
      // Moving to the end on every use costs a hash insert; only worth it when eviction is near.
      if (this.#pools.size > poolsMax / 2) {
        this.#pools.delete(origin)
        this.#pools.set(origin, known)
      }
      return known
    }
    const pool = new Pool(origin, {
      // The dispatcher caps requests in flight per subscription and in all, so the pool needs no cap of its own.
      connections: null,
      pipelining: 1,
      allowH2: false,
      connectTimeout: this.#options.connectTimeoutMs ?? 5000,
      headersTimeout: 0, // the total deadline covers both
      bodyTimeout: 0,
      keepAliveTimeout: 10_000,
      keepAliveMaxTimeout: 60_000,
      maxHeaderSize: 16_384,
    })
    this.#pools.set(origin, pool)
    this.#evict()
    return pool
  }

  #evict(): void {
    if (this.#pools.size <= poolsMax) return
    const [oldest] = this.#pools
    if (!oldest) return
    this.#pools.delete(oldest[0])
    oldest[1].close().catch(() => {}) // what runs on it ends first; a failure to close idle sockets changes nothing
  }
}

/** One request under way: undici's handler, reduced to the outcome. */
class Exchange implements Undici.DispatchHandler {
  readonly #startedAt = performance.now()
  readonly #bytesMax: number
  readonly #resolve: (outcome: Outcome) => void
  readonly #deadline: NodeJS.Timeout
  #controller: Undici.DispatchController | undefined
  #done = false
  #status = 0
  #statusText = ''
  #location: string | undefined
  #bytes = 0
  #quoted: Buffer[] = []

  constructor(timeoutMs: number, bytesMax: number, resolve: (outcome: Outcome) => void) {
    this.#bytesMax = bytesMax
    this.#resolve = resolve
    this.#deadline = setTimeout(() => this.expire(`no complete answer within ${timeoutMs} ms`), timeoutMs)
  }

  /** The deadline has passed. A 2xx whose headers have arrived stays a success: the receiver has accepted. */
  expire(reason: string): void {
    if (this.#done) return
    if (this.#status !== 0) this.#finish(this.#answered())
    else this.#finish({ kind: 'failed', errorClass: 'timeout', error: reason, durationMs: this.#elapsed() })
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
    this.#statusText = statusMessage ?? ''
    if (statusCode >= 300 && statusCode < 400) this.#location = String(headers.location ?? '')
  }

  onResponseData(controller: Undici.DispatchController, chunk: Buffer): void {
    if (this.#done) return
    if (this.#bytes < quotedBytesMax && this.#status >= 300) this.#quoted.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > this.#bytesMax) {
      this.#finish(this.#answered())
      controller.abort(new Error('the answer is larger than what is read of one'))
    }
  }

  onResponseEnd(): void {
    if (!this.#done) this.#finish(this.#answered())
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#done) return
    // The connection broke after the status line: the receiver's word stands, its body does not matter.
    if (this.#status !== 0) this.#finish(this.#answered())
    else this.#finish({ kind: 'failed', ...classify(error), durationMs: this.#elapsed() })
  }

  #answered(): Outcome {
    const durationMs = this.#elapsed()
    const httpStatus = this.#status
    if (httpStatus >= 200 && httpStatus < 300) return { kind: 'success', httpStatus, durationMs }
    return { kind: 'refused', httpStatus, error: this.#refusal(), durationMs }
  }

  /** What the log says of an answer that is not 2xx: where it pointed to, else its body, else its status line. */
  #refusal(): string {
    if (this.#location !== undefined) return errorText(`redirect not followed, Location: ${this.#location}`)
    const body = errorText(Buffer.concat(this.#quoted).subarray(0, quotedBytesMax).toString('utf8'))
    return body === '' ? errorText(`HTTP ${this.#status} ${this.#statusText}`) : body
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
