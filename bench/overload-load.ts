// The load of overload.ts: sends on a schedule, whether or not answers come, and counts the results per second.
import { connect, type Socket } from 'node:net'
import { Bits } from './bits.ts'
import { nowUs } from './clock.ts'
import { Histogram, type Percentiles } from './histogram.ts'
import { readMessage } from './http-message.ts'
import { blankPayload, writeStamp } from './payload.ts'

/** What to send, one stretch after the other. */
export interface Order {
  readonly port: number
  readonly path: string
  readonly size: number
  readonly connections: number
  readonly eventsMax: number
  /** Stamped on every event, so that the receiver does not count what is left of an earlier order. */
  readonly phase: number
  readonly stretches: readonly Stretch[]
}

export interface Stretch {
  readonly name: string
  readonly seconds: number
  /** Events per second; 0: 1,000 connections send as soon as they were answered, which measures the capacity. */
  readonly rate: number
}

/** The results of the events that were due in one second. Latencies count from the time an event was due. */
export interface Second {
  readonly stretch: string
  /** Unix seconds, with a fraction. */
  readonly startedAt: number
  readonly sent: number
  /** Due, but every connection was still waiting for an answer. */
  readonly noConnection: number
  readonly accepted: number
  readonly refused: number
  /** Neither 202 nor 503 with Retry-After, or no answer at all. */
  readonly odd: number
  readonly acceptedLatency: Percentiles
  readonly refusedLatency: Percentiles
}

export interface Loaded {
  readonly kind: 'loaded'
  readonly seconds: readonly Second[]
  readonly acceptedBits: string
}

const closedConnections = 1000
const answerTimeoutMs = 15_000
const tickMs = 2

class Tally {
  readonly stretch: string
  readonly startedAt = Date.now() / 1000
  readonly acceptedLatency = new Histogram()
  readonly refusedLatency = new Histogram()
  sent = 0
  noConnection = 0
  accepted = 0
  refused = 0
  odd = 0

  constructor(stretch: string) {
    this.stretch = stretch
  }

  result(): Second {
    const { stretch, startedAt, sent, noConnection, accepted, refused, odd } = this
    const acceptedLatency = this.acceptedLatency.percentiles()
    return {
      ...{ stretch, startedAt, sent, noConnection, accepted, refused, odd, acceptedLatency },
      refusedLatency: this.refusedLatency.percentiles(),
    }
  }
}

interface Pending {
  readonly sequence: number
  readonly dueUs: number
  readonly tally: Tally
}

class Caller {
  readonly #load: Load
  readonly #request: Buffer
  readonly #payloadAt: number
  #socket: Socket | undefined
  #rest = ''
  #pending: Pending | undefined

  constructor(load: Load) {
    this.#load = load
    const { path, port, size } = load.order
    const head =
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${size}\r\n\r\n`
    this.#request = Buffer.concat([Buffer.from(head, 'latin1'), blankPayload(size)])
    this.#payloadAt = head.length
  }

  get isWaiting(): boolean {
    return this.#pending !== undefined
  }

  send(pending: Pending): void {
    this.#pending = pending
    pending.tally.sent++
    const { sequence, dueUs } = pending
    writeStamp(this.#request, this.#payloadAt, { phase: this.#load.order.phase, sequence, sentUs: dueUs })
    this.#socket ??= this.#open()
    this.#socket.write(this.#request)
  }

  close(): void {
    if (this.#pending) this.#pending.tally.odd++
    this.#pending = undefined
    this.#socket?.removeAllListeners('close').destroy()
  }

  #open(): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#load.order.port })
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', chunk => this.#read(chunk.toString('latin1')))
    socket.on('close', () => {
      this.#socket = undefined
      this.#rest = ''
      const pending = this.#pending
      this.#pending = undefined
      if (!pending) return
      pending.tally.odd++
      this.#load.onFree(this)
    })
    return socket
  }

  #read(chunk: string): void {
    const text = this.#rest + chunk
    const message = readMessage(text, 0)
    this.#rest = message === undefined ? text : text.slice(message.end)
    const pending = this.#pending
    if (message === undefined || pending === undefined) return
    this.#pending = undefined
    this.#load.onAnswer(pending, text)
    this.#load.onFree(this)
  }
}

class Load {
  readonly order: Order
  readonly #accepted: Bits
  readonly #tallies: Tally[] = []
  readonly #callers: Caller[]
  readonly #free: Caller[]
  #sequence = 0
  #closedLoop: Tally | undefined
  #active = 0

  constructor(order: Order) {
    this.order = order
    this.#accepted = new Bits(order.eventsMax)
    this.#callers = Array.from({ length: order.connections }, () => new Caller(this))
    this.#free = [...this.#callers]
  }

  async run(): Promise<Loaded> {
    for (const stretch of this.order.stretches) {
      for (let second = 0; second < stretch.seconds; second++) await this.#second(stretch)
      this.#closedLoop = undefined
    }
    const deadline = nowUs() + answerTimeoutMs * 1e3
    while (this.#callers.some(caller => caller.isWaiting) && nowUs() < deadline) await pause(20)
    for (const caller of this.#callers) caller.close()
    const seconds = this.#tallies.map(tally => tally.result())
    return { kind: 'loaded', seconds, acceptedBits: this.#accepted.toBase64() }
  }

  onAnswer({ sequence, dueUs, tally }: Pending, text: string): void {
    this.#active--
    const status = text.slice(9, 12)
    const tookUs = nowUs() - dueUs
    if (status === '202') {
      this.#accepted.add(sequence)
      tally.accepted++
      tally.acceptedLatency.record(tookUs)
    } else if (status === '503' && /\r\nretry-after: *[1-9]/i.test(text)) {
      tally.refused++
      tally.refusedLatency.record(tookUs)
    } else tally.odd++
  }

  onFree(caller: Caller): void {
    this.#free.push(caller)
    if (this.#closedLoop) this.#send(nowUs(), this.#closedLoop)
  }

  async #second({ name, rate }: Stretch): Promise<void> {
    const startUs = nowUs()
    const tally = new Tally(name)
    this.#tallies.push(tally)
    if (rate === 0) {
      this.#closedLoop = tally
      while (this.#active < closedConnections) this.#send(nowUs(), tally)
      await pause(1000)
      return
    }
    for (let sent = 0; sent < rate; ) {
      for (; sent < rate; sent++) {
        const dueUs = startUs + (sent * 1e6) / rate
        if (dueUs > nowUs()) break
        this.#send(dueUs, tally)
      }
      await pause(tickMs)
    }
    const leftMs = 1000 - (nowUs() - startUs) / 1e3
    if (leftMs > 0) await pause(leftMs)
  }

  #send(dueUs: number, tally: Tally): void {
    if (this.#sequence >= this.order.eventsMax) return
    const caller = this.#free.pop()
    if (!caller) {
      tally.noConnection++
      return
    }
    this.#active++
    caller.send({ sequence: this.#sequence++, dueUs, tally })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {})
// The channel carries nothing but orders: both ends are this folder.
process.on('message', message => void new Load(message as Order).run().then(loaded => process.send?.(loaded)))
process.send?.({ kind: 'ready', port: 0 })
