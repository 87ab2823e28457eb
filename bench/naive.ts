// The comparison: the simplest durable design. One INSERT per event, one claim, one UPDATE, each a transaction of its
// own, over node-postgres; nothing is batched. Run by main.ts with a PostgreSQL of its own.
import { Agent, createServer, request } from 'node:http'
import pg from 'pg'
import { onCommand, reply } from './protocol.ts'

const TARGET_PORT = Number(process.env.BENCH_TARGET_PORT)
/** Loops that claim. Many, because each commit waits for the disk. Of 16 to 64 of each, this pair was the fastest. */
const WORKERS = Number(process.env.BENCH_NAIVE_WORKERS ?? 32)
const INSERTERS = Number(process.env.BENCH_NAIVE_INSERTERS ?? 16)
const POLL_MS = 20

const SCHEMA = `
  create table deliveries (
    id bigint generated always as identity primary key,
    webhook_id uuid not null default gen_random_uuid(),
    payload bytea not null,
    status text not null default 'pending',
    attempts int not null default 0,
    http_status int,
    created_at timestamptz not null default now(),
    delivered_at timestamptz
  );
  create index deliveries_pending on deliveries (id) where status = 'pending';`
const INSERT = {
  name: 'insert',
  text: 'insert into deliveries (payload) values ($1) returning webhook_id',
}
const CLAIM = {
  name: 'claim',
  text: `update deliveries set status = 'running', attempts = attempts + 1
    where id = (select id from deliveries where status = 'pending' order by id limit 1 for update skip locked)
    returning id, payload`,
}
const FINISH = {
  name: 'finish',
  text: `update deliveries set status = 'success', http_status = $2, delivered_at = now() where id = $1`,
}

interface Claimed {
  readonly id: string
  readonly payload: Buffer
}

// main.ts wrote it with JSON.stringify from what the embedded PostgreSQL said.
const connection = JSON.parse(process.env.BENCH_DATABASE ?? '{}') as pg.ClientConfig
const agent = new Agent({ keepAlive: true, maxSockets: WORKERS })
const inserts = new pg.Pool({ ...connection, max: INSERTERS })
const claims = new pg.Pool({ ...connection, max: WORKERS })
const idle = new Set<() => void>()

function send(body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
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
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function deliverOne(): Promise<boolean> {
  const { rows } = await claims.query<Claimed>(CLAIM)
  const claimed = rows[0]
  if (claimed === undefined) return false
  const status = await send(claimed.payload)
  await claims.query({ ...FINISH, values: [claimed.id, status] })
  return true
}

/** Works until nothing is left, then waits for the next insert. With polling alone it would be slower. */
async function work(): Promise<never> {
  for (;;) {
    if (await deliverOne()) continue
    await new Promise<void>(resolve => {
      const wake = () => {
        clearTimeout(timer)
        idle.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, POLL_MS)
      idle.add(wake)
    })
  }
}

async function accept(payload: Buffer): Promise<string> {
  const { rows } = await inserts.query<{ readonly webhook_id: string }>({ ...INSERT, values: [payload] })
  for (const wake of idle) {
    wake()
    break
  }
  return JSON.stringify({ webhook_id: rows[0]?.webhook_id })
}

const server = createServer((incoming, answer) => {
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    accept(Buffer.concat(chunks)).then(
      body =>
        answer
          .writeHead(202, { 'content-type': 'application/json', 'content-length': body.length })
          .end(body),
      () => answer.writeHead(503, { 'content-length': 0 }).end(),
    )
  })
})

process.on('SIGTERM', () => process.exit(0))
onCommand(() => {})
await inserts.query(SCHEMA)
for (let index = 0; index < WORKERS; index++) void work()
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  reply({ kind: 'ready', port: typeof address === 'object' && address !== null ? address.port : 0 })
})
