// The endpoint that events are delivered to: answers at once and notes when which event came. Run by main.ts.
import { createServer, type Socket } from 'node:net'
import { Bits } from './bits.ts'
import { nowUs } from './clock.ts'
import { Histogram } from './histogram.ts'
import { readMessage } from './http-message.ts'
import { readStamp } from './payload.ts'
import { type Begin, onCommand, reply, type Settle } from './protocol.ts'

const ANSWER = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n', 'latin1')

/** What was received since the phase began. */
class Tally {
  readonly #phase: number
  readonly #size: number
  readonly received: Bits
  readonly latency = new Histogram()
  duplicates = 0
  damaged = 0
  lastReceiptUs = 0

  constructor(begin: Pick<Begin, 'phase' | 'size' | 'eventsMax'>) {
    this.#phase = begin.phase
    this.#size = begin.size
    this.received = new Bits(begin.eventsMax)
  }

  /** Counts one body. What belongs to another phase is not looked at. */
  count(text: string, at: number, bytes: number): void {
    const receivedUs = nowUs()
    const stamp = readStamp(text, at)
    if (stamp === undefined || (stamp.phase === this.#phase && bytes !== this.#size)) this.damaged += 1
    if (stamp === undefined || stamp.phase !== this.#phase) return
    if (!this.received.add(stamp.sequence)) {
      this.duplicates += 1
      return
    }
    this.lastReceiptUs = receivedUs
    this.latency.record(receivedUs - stamp.sentUs)
  }
}

let tally = new Tally({ phase: 0, size: 0, eventsMax: 0 })

function serve(socket: Socket): void {
  let rest = ''
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', chunk => {
    const text = rest + chunk.toString('latin1')
    let from = 0
    for (let message = readMessage(text, from); message !== undefined; message = readMessage(text, from)) {
      from = message.end
      socket.write(ANSWER)
      tally.count(message.text, message.bodyAt, message.bodyBytes)
    }
    rest = from === text.length ? '' : text.slice(from)
  })
}

function settle({ acceptedBits, timeoutMs }: Settle): void {
  const accepted = Bits.from(acceptedBits)
  const deadline = nowUs() + timeoutMs * 1e3
  // The count is looked at first: comparing bit by bit takes a while, and while it is too small can't succeed.
  const isComplete = () =>
    tally.received.count >= accepted.count && accepted.missingFrom(tally.received) === 0
  const check = () => {
    if (!isComplete() && nowUs() < deadline) return
    clearInterval(timer)
    reply({
      kind: 'settled',
      unique: tally.received.count,
      duplicates: tally.duplicates,
      damaged: tally.damaged,
      missing: accepted.missingFrom(tally.received),
      lastReceiptUs: tally.lastReceiptUs,
      latency: tally.latency.percentiles(),
      latencies: tally.latency.counts(),
    })
  }
  const timer = setInterval(check, 20)
}

const server = createServer(serve)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  reply({ kind: 'ready', port: typeof address === 'object' && address !== null ? address.port : 0 })
})

onCommand(command => {
  switch (command.kind) {
    case 'begin':
      tally = new Tally(command)
      reply({ kind: 'begun' })
      break
    case 'settle':
      settle(command)
      break
    case 'generate':
      throw new Error('The receiver does not generate.')
  }
})
