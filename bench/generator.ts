// The load: publishes events over keep-alive connections, with as little CPU as possible. Run by main.ts.
import { connect, type Socket } from 'node:net'
import { Bits } from './bits.ts'
import { nowUs } from './clock.ts'
import { Histogram } from './histogram.ts'
import { readMessage } from './http-message.ts'
import { blankPayload, writeStamp } from './payload.ts'
import { type Generate, onCommand, reply } from './protocol.ts'

/** How long to wait for answers after the last send. */
const ANSWER_TIMEOUT_MS = 10_000
/** A refused caller waits before the next try, as a client that honours Retry-After would. */
const REFUSED_PAUSE_MS = 50

// Every read is handled before the next one starts, so one buffer serves all connections and nothing is allocated.
const readBuffer = Buffer.alloc(64 * 1024)
const sleepCell = new Int32Array(new SharedArrayBuffer(4))

/** One keep-alive connection with one request at a time. Its request bytes are built once and stamped per send. */
class Caller {
  readonly #run: Run
  readonly #request: Buffer
  readonly #payloadAt: number
  #socket: Socket
  #rest = ''
  #sequence = -1
  #sentUs = 0

  constructor(run: Run) {
    this.#run = run
    const { path, port, size } = run.order
    const head =
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${size}\r\n\r\n`
    this.#request = Buffer.concat([Buffer.from(head, 'latin1'), blankPayload(size)])
    this.#payloadAt = head.length
    this.#socket = this.#open()
  }

  get isWaiting(): boolean {
    return this.#sequence >= 0
  }

  /** Sends the next event; `sentUs` is when it should have been sent, which may be a while ago. */
  send(sequence: number, sentUs: number): void {
    this.#sequence = sequence
    this.#sentUs = sentUs
    writeStamp(this.#request, this.#payloadAt, { phase: this.#run.order.phase, sequence, sentUs })
    this.#socket.write(this.#request)
  }

  close(): void {
    this.#sequence = -1
    this.#socket.removeAllListeners('close').destroy()
  }

  #open(): Socket {
    const socket = connect({
      host: '127.0.0.1',
      port: this.#run.order.port,
      onread: {
        buffer: readBuffer,
        callback: bytes => {
          this.#read(readBuffer.toString('latin1', 0, bytes))
          return true
        },
      },
    })
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.#reopen())
    return socket
  }

  /** Replaces a connection that the service has closed. Whether its last request was accepted is unknown. */
  #reopen(): void {
    const wasWaiting = this.isWaiting
    this.#sequence = -1
    this.#rest = ''
    if (this.#run.isOver) return
    setTimeout(() => {
      this.#socket = this.#open()
      if (wasWaiting) this.#run.onFree(this)
    }, REFUSED_PAUSE_MS)
  }

  #read(chunk: string): void {
    const text = this.#rest + chunk
    const message = readMessage(text, 0)
    if (message === undefined) {
      this.#rest = text
      return
    }
    this.#rest = text.slice(message.end)
    const sequence = this.#sequence
    this.#sequence = -1
    this.#run.onAnswer(this, text.slice(9, 12), sequence, this.#sentUs)
  }
}

/** One command of the benchmark, from the first send to the last answer. */
class Run {
  readonly order: Generate
  readonly #accepted: Bits
  readonly #answer = new Histogram()
  readonly #lateness = new Histogram()
  readonly #refused: Record<string, number> = {}
  readonly #callers: Caller[]
  readonly #free: Caller[] = []
  readonly #startUs = nowUs()
  #sent = 0
  #answered = 0
  #lastAnswerUs = 0
  isOver = false

  constructor(order: Generate) {
    this.order = order
    this.#accepted = new Bits(order.eventsMax)
    this.#callers = Array.from({ length: order.connections }, () => new Caller(this))
    setTimeout(() => this.#finish(), order.durationMs)
    if (order.rate === 0) {
      for (const caller of this.#callers) this.#sendNow(caller)
    } else {
      this.#free.push(...this.#callers)
      this.#sendDue()
    }
  }

  onAnswer(caller: Caller, status: string, sequence: number, sentUs: number): void {
    const answeredUs = nowUs()
    this.#lastAnswerUs = answeredUs
    this.#answered += 1
    this.#answer.record(answeredUs - sentUs)
    if (status === '202') {
      this.#accepted.add(sequence)
      this.onFree(caller)
    } else {
      this.#refused[status] = (this.#refused[status] ?? 0) + 1
      setTimeout(() => this.onFree(caller), REFUSED_PAUSE_MS)
    }
  }

  onFree(caller: Caller): void {
    if (this.order.rate === 0) {
      if (!this.isOver) this.#sendNow(caller)
    } else {
      this.#free.push(caller)
    }
  }

  #sendNow(caller: Caller): void {
    if (this.#sent < this.order.eventsMax) caller.send(this.#sent++, nowUs())
  }

  /**
   * Sends the events that are due by the schedule. The stamp is the scheduled time also when the send is late, because the
   * wait for a connection is part of the latency ("coordinated omission").
   */
  #sendDue(): void {
    const intervalUs = 1e6 / this.order.rate
    for (;;) {
      if (this.isOver || this.#sent >= this.order.eventsMax) return
      const dueUs = this.#startUs + this.#sent * intervalUs
      const waitMs = (dueUs - nowUs()) / 1e3
      const caller = this.#free[0]
      if (waitMs > 1.5 || caller === undefined) {
        setTimeout(() => this.#sendDue(), Math.max(waitMs - 1, 0))
        return
      }
      // Timers are whole milliseconds, too coarse at 1 ms of latency. The rest is slept, not spun: a spinning
      // generator would take one of the two cores from what is measured. Answers can wait for half a millisecond.
      if (waitMs > 0) Atomics.wait(sleepCell, 0, 0, waitMs)
      this.#free.shift()
      this.#lateness.record(nowUs() - dueUs)
      caller.send(this.#sent++, dueUs)
    }
  }

  #finish(): void {
    this.isOver = true
    const deadline = nowUs() + ANSWER_TIMEOUT_MS * 1e3
    const timer = setInterval(() => {
      if (this.#callers.some(caller => caller.isWaiting) && nowUs() < deadline) return
      clearInterval(timer)
      for (const caller of this.#callers) caller.close()
      reply({
        kind: 'generated',
        sent: this.#sent,
        accepted: this.#accepted.count,
        acceptedBits: this.#accepted.toBase64(),
        refused: this.#refused,
        unanswered: this.#sent - this.#answered,
        firstSentUs: this.#startUs,
        lastAnswerUs: this.#lastAnswerUs,
        answer: this.#answer.percentiles(),
        lateness: this.#lateness.percentiles(),
      })
    }, 5)
  }
}

onCommand(command => {
  if (command.kind !== 'generate') throw new Error(`The generator does not know ${command.kind}.`)
  new Run(command)
})
reply({ kind: 'ready', port: 0 })
