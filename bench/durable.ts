// The least that a service can do which loses nothing: the floor, with each event committed before it is answered, and what
// was delivered committed once in a while. No owed rows, no retries, no ids of its own. Run by main.ts.
import { randomUUID } from 'node:crypto'
import { Agent, createServer, request, type ServerResponse } from 'node:http'
import pg from 'pg'
import { byteaArray, uuidArray } from '../src/platform/binary-array.ts'
import { onCommand, reply } from './protocol.ts'

const TARGET_PORT = Number(process.env.BENCH_TARGET_PORT)
const SOCKETS = 64
/** As many as the service has for ingest, and as many events in a transaction. */
const WRITERS = 3
const BATCH_MAX = 256
/** As long as the service waits with settlements that nothing waits for. */
const GATHER_MS = 100
const SETTLED_MAX = 64

const SCHEMA = `
  create table events (id uuid primary key, payload bytea not null);
  create table attempts (id uuid primary key, at timestamptz not null default now());`
const INSERT = { name: 'insert', text: 'insert into events (id, payload) values ($1, $2)' }
const INSERT_MANY = {
  name: 'insert_many',
  text: 'insert into events (id, payload) select * from unnest($1::uuid[], $2::bytea[])',
}
const SETTLE = { name: 'settle', text: 'insert into attempts (id) select * from unnest($1::uuid[])' }

interface Event {
  readonly id: string
  readonly payload: Buffer
  readonly answer: ServerResponse
}

// main.ts wrote it with JSON.stringify from what the embedded PostgreSQL said.
const connection = JSON.parse(process.env.BENCH_DATABASE ?? '{}') as pg.ClientConfig
const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS, maxFreeSockets: SOCKETS })
const idle: pg.Client[] = []
let log: pg.Client
let waiting: Event[] = []
let delivered: string[] = []
let timer: NodeJS.Timeout | undefined
let isSettling = false

function accept(event: Event): void {
  waiting.push(event)
  if (waiting.length === 1) setImmediate(flush)
}

function flush(): void {
  while (waiting.length > 0) {
    const client = idle.pop()
    if (client === undefined) return
    const batch = waiting.slice(0, BATCH_MAX)
    waiting = waiting.slice(BATCH_MAX)
    void write(client, batch)
  }
}

async function write(client: pg.Client, batch: readonly Event[]): Promise<void> {
  const [first] = batch
  if (batch.length === 1 && first !== undefined)
    await client.query({ ...INSERT, values: [first.id, first.payload] })
  else {
    const values = [uuidArray(batch.map(({ id }) => id)), byteaArray(batch.map(({ payload }) => payload))]
    await client.query({ ...INSERT_MANY, values })
  }
  for (const event of batch) {
    forward(event)
    const body = `{"webhook_id":"${event.id}"}`
    event.answer
      .writeHead(202, { 'content-type': 'application/json', 'content-length': body.length })
      .end(body)
  }
  idle.push(client)
  flush()
}

function forward({ id, payload }: Event): void {
  const headers = { 'content-type': 'application/json', 'content-length': payload.length }
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
    response.on('end', () => settle(id))
  })
  outgoing.on('error', () => {})
  outgoing.end(payload)
}

function settle(id: string): void {
  delivered.push(id)
  if (delivered.length >= SETTLED_MAX) void writeDelivered()
  else timer ??= setTimeout(() => void writeDelivered(), GATHER_MS)
}

async function writeDelivered(): Promise<void> {
  if (isSettling) return
  clearTimeout(timer)
  timer = undefined
  isSettling = true
  const ids = delivered
  delivered = []
  await log.query({ ...SETTLE, values: [uuidArray(ids)] })
  isSettling = false
  if (delivered.length >= SETTLED_MAX) void writeDelivered()
  else if (delivered.length > 0) timer ??= setTimeout(() => void writeDelivered(), GATHER_MS)
}

const server = createServer((incoming, answer) => {
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    const [first] = chunks
    const payload = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
    accept({ id: randomUUID(), payload, answer })
  })
})

process.on('SIGTERM', () => process.exit(0))
onCommand(() => {})
const clients = Array.from({ length: WRITERS + 1 }, () => new pg.Client(connection))
for (const client of clients) await client.connect()
const [first, ...writers] = clients
if (first === undefined) throw new Error('there is no connection')
log = first
await log.query(SCHEMA)
idle.push(...writers)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  reply({ kind: 'ready', port: typeof address === 'object' && address !== null ? address.port : 0 })
})
