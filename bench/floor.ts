// The floor: accept, answer, forward. Node's own http in and out; no framework, no ids, no signing, no database, and
// nothing survives its end. Whatever keeps promises can only be slower. Run by main.ts.
import { Agent, createServer, request } from 'node:http'
import { onCommand, reply } from './protocol.ts'

const TARGET_PORT = Number(process.env.BENCH_TARGET_PORT)
/**
 * As many as the generator has connections. With fewer (32, 48) delivering falls behind accepting: up to a sixth more
 * per second, but only while a backlog of seconds is growing in memory. With more (96, 128) it is a tenth slower.
 */
const SOCKETS = Number(process.env.BENCH_FLOOR_SOCKETS ?? 64)
/** At most this many events wait for a socket; beyond it the floor refuses. */
const WAITING_MAX = 50_000

const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS, maxFreeSockets: SOCKETS })
const ANSWER = Buffer.from('{"accepted":true}')
const ANSWER_HEADERS = { 'content-type': 'application/json', 'content-length': ANSWER.length }

let waiting: Buffer[] = []
let next = 0
let inFlight = 0

/** Starts as many forwards as there are sockets. The list is emptied when all of it is sent, not once per event. */
function forwardWaiting(): void {
  while (inFlight < SOCKETS && next < waiting.length) {
    const body = waiting[next++]
    if (body !== undefined) forward(body)
  }
  if (next === waiting.length) {
    waiting = []
    next = 0
  }
}

function forward(body: Buffer): void {
  inFlight += 1
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const outgoing = request({
    agent,
    host: '127.0.0.1',
    port: TARGET_PORT,
    method: 'POST',
    path: '/',
    headers,
  })
  outgoing.on('response', response => {
    response.resume()
    response.on('end', release)
  })
  outgoing.on('error', release)
  outgoing.end(body)
}

function release(): void {
  inFlight -= 1
  forwardWaiting()
}

const server = createServer((incoming, answer) => {
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    if (waiting.length - next >= WAITING_MAX) {
      answer.writeHead(503, { 'content-length': 0 }).end()
      return
    }
    answer.writeHead(202, ANSWER_HEADERS).end(ANSWER)
    waiting.push(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
    forwardWaiting()
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  reply({ kind: 'ready', port: typeof address === 'object' && address !== null ? address.port : 0 })
})
process.on('SIGTERM', () => process.exit(0))
onCommand(() => {})
