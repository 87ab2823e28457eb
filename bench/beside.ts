// What is done beside the path, beside a large backlog: `npm run bench:beside`. README.md says what is measured.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HeldSince } from '../src/cluster/held-since.ts'
import { repair } from '../src/lanes/repair.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { uuidLowerBound } from '../src/platform/id.ts'
import { silentLogger } from '../src/platform/logger.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database } from '../src/platform/postgres.ts'
import { fillBacklog } from './beside-fill.ts'
import { pause, rounded } from './growth-world.ts'
import { readMachine } from './report.ts'

const USAGE = `npm run bench:beside -- [options]
  --rows N      owed rows (20,000,000)
  --old N       of a hundred, those older than the retention (55): half of them end, half are carried over
  --rate N      events/s to an ordinary subscription meanwhile (50)
  --seconds N   of each phase without work beside (20)
  --only held   only what it costs to know since when deliveries are held, in a loop
  --out DIR     keeps the database there instead of in a folder that is removed`

const launcher = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))

interface Options {
  readonly rows: number
  readonly oldPercent: number
  readonly rate: number
  readonly seconds: number
}

/** A running service, what it logs, and how to end it. */
interface Process {
  readonly url: string
  readonly child: ChildProcess
  readonly readyMs: number
  /** Resolves with the first line that has this message. */
  logged(message: string): Promise<Record<string, unknown>>
}

async function startProcess(environment: NodeJS.ProcessEnv): Promise<Process> {
  const beganAt = performance.now()
  const child = spawn(process.execPath, [launcher, 'serve'], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Record<string, unknown>[] = []
  let heard = () => {}
  let text = ''
  let url = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    const parts = text.split('\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      url ||= /is ready on (\S+)/.exec(part)?.[1] ?? ''
      if (part.startsWith('{')) lines.push(JSON.parse(part) as Record<string, unknown>) // pino's own lines
    }
    heard()
  })
  const until = async <T>(look: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}.`)
      await Promise.race([
        new Promise<void>(resolve => {
          heard = resolve
        }),
        pause(1000),
      ])
    }
  }
  await until(() => url || undefined)
  const readyMs = performance.now() - beganAt
  return { url, child, readyMs, logged: message => until(() => lines.find(line => line.msg === message)) }
}

/** A receiver that answers at once, or never, and the times at which each event came. */
async function startReceiver() {
  const arrivals = new Map<string, number>()
  const server = createServer((request, response) => {
    request.resume()
    if (request.url === '/hang') return
    arrivals.set(String(request.headers['webhook-id']), performance.now())
    response.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, arrivals, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** Sends at a fixed rate until it is stopped. */
function keepSending(url: string, id: number, arrivals: ReadonlyMap<string, number>, rate: number) {
  const sent: { readonly at: number; readonly id: Promise<string> }[] = []
  const timer = setInterval(() => {
    const answer = fetch(`${url}/ingest/${id}`, { method: 'POST', body: '{"a":1}', headers: json })
    const id_ = answer.then(async response =>
      String(((await response.json()) as { webhook_id: string }).webhook_id),
    ) // as openapi.json has it
    sent.push({ at: performance.now(), id: id_.catch(() => '') })
  }, 1000 / rate)
  return {
    /** The latencies of what was sent since the last call, from the request to its arrival. */
    async take() {
      const taken = sent.splice(0)
      await pause(2000)
      const latencies: number[] = []
      for (const { at, id: name } of taken) {
        const arrivedAt = arrivals.get(await name)
        latencies.push(arrivedAt === undefined ? Number.POSITIVE_INFINITY : arrivedAt - at)
      }
      latencies.sort((one, other) => one - other)
      const at = (share: number) => rounded(latencies[Math.floor(latencies.length * share)] ?? Number.NaN, 1)
      return { events: latencies.length, p50_ms: at(0.5), p99_ms: at(0.99) }
    },
    stop: () => clearInterval(timer),
  }
}

const json = { 'content-type': 'application/json' }

async function subscribe(url: string, body: object): Promise<number> {
  const answer = await fetch(`${url}/subscriptions/`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: json,
  })
  if (!answer.ok) throw new Error(`not subscribed: ${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { id: number }).id // as openapi.json has it
}

const seconds = (ms: number) => rounded(ms / 1000, 1)

async function measure(options: Options, database: Database, environment: NodeJS.ProcessEnv) {
  const receiver = await startReceiver()
  const results: Record<string, unknown> = {}
  const note = (name: string, result: object) => {
    results[name] = result
    console.error(name, JSON.stringify(result))
  }
  const empty = await startProcess(environment)
  const id = await subscribe(empty.url, { target_url: receiver.origin })
  const hanging = await subscribe(empty.url, { target_url: `${receiver.origin}/hang`, max_in_flight: 64 })
  let load = keepSending(empty.url, id, receiver.arrivals, options.rate)
  await pause(3000)
  await load.take()
  await pause(options.seconds * 1000)
  note('empty', { ready_s: seconds(empty.readyMs), ...(await load.take()) })
  load.stop()
  await end(empty, 'SIGTERM')

  const beganAt = performance.now()
  const old = Math.round((options.rows * options.oldPercent) / 100)
  await fillBacklog(database, { old, recent: options.rows - old }, Date.now())
  note('fill', { rows: options.rows, seconds: seconds(performance.now() - beganAt) })

  const first = await startProcess({ ...environment, LOG_LEVEL: 'info' })
  load = keepSending(first.url, id, receiver.arrivals, options.rate)
  const startedAt = performance.now()
  note('start', { ready_s: seconds(first.readyMs) })
  const report = await first.logged('retention')
  const retentionMs = performance.now() - startedAt
  const { expired, carried, partitionsDropped } = report
  note('retention', {
    seconds: seconds(retentionMs),
    expired,
    carried,
    partitionsDropped,
    ...(await load.take()),
  })
  await pause(options.seconds * 1000)
  note('beside the backlog', await load.take())

  note('clean-up after a killed process', {
    ...(await killOne(options, database, environment, first, hanging)),
    ...(await load.take()),
  })
  const deps = { database, clock: { now: () => Date.now() }, logger: silentLogger() }
  const repairedAt = performance.now()
  let round = await repair(deps, new AbortController().signal)
  while (round === undefined) {
    await pause(100)
    round = await repair(deps, new AbortController().signal)
  }
  note('repair', { seconds: seconds(performance.now() - repairedAt), ...round, ...(await load.take()) })
  load.stop()
  await end(first, 'SIGTERM')
  receiver.server.closeAllConnections()
  receiver.server.close()
  return results
}

/** Kills a process that holds deliveries, and waits until another one has put them into their lanes. */
async function killOne(
  options: Options,
  database: Database,
  environment: NodeJS.ProcessEnv,
  other: Process,
  hanging: number,
) {
  const doomed = await startProcess(environment)
  const events = 500
  const from = uuidLowerBound(Date.now() - 60_000)
  for (let n = 0; n < events; n++) {
    await fetch(`${doomed.url}/ingest/${hanging}`, { method: 'POST', body: '{"a":1}', headers: json })
  }
  const heldBy = async () => {
    const { rows } = await database.query<{ n: number }>({
      text: `select count(*)::int as n from owed where webhook_id > $1 and subscription_id = $2 and owner is not null`,
      values: [from, hanging],
    })
    return rows[0]?.n ?? 0
  }
  const held = await heldBy()
  const killedAt = performance.now()
  await end(doomed, 'SIGKILL')
  await other.logged('recovered what a dead process held')
  while ((await heldBy()) > 0) await pause(50)
  return { rows: options.rows, held, seconds: seconds(performance.now() - killedAt) }
}

async function end(process: Process, signal: NodeJS.Signals): Promise<void> {
  const ended = once(process.child, 'exit')
  process.child.kill(signal)
  await ended
}

/** Nanoseconds for one delivery that comes to memory and leaves it. */
function measureHeld(): number {
  const held = new HeldSince()
  const now = Date.now()
  const deliveries = 10_000_000
  const inMemory = 10_000
  for (let n = 0; n < inMemory; n++) held.entered(now + n / 10)
  const beganAt = performance.now()
  for (let n = 0; n < deliveries; n++) {
    held.entered(now + (n + inMemory) / 10)
    held.left(now + n / 10)
  }
  return ((performance.now() - beganAt) * 1e6) / deliveries
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      rows: { ...text, default: '20000000' },
      old: { ...text, default: '55' },
      rate: { ...text, default: '50' },
      seconds: { ...text, default: '20' },
      only: text,
      out: text,
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return console.log(USAGE)
  const options: Options = {
    rows: Number(values.rows),
    oldPercent: Number(values.old),
    rate: Number(values.rate),
    seconds: Number(values.seconds),
  }
  const heldNs = rounded(measureHeld(), 1)
  console.log(JSON.stringify({ machine: readMachine(), held_ns: heldNs }))
  if (values.only === 'held') return
  const dataDir = values.out ?? (await mkdtemp(join(tmpdir(), 'webhooks-bench-beside-')))
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} })
  const { connection } = postgres
  const database = new Database({
    connection,
    poolSize: 2,
    queryTimeoutMs: 3_600_000,
    connectTimeoutMs: 10_000,
  })
  try {
    await migrate(database)
    // The service adopts the server that this program has started.
    const environment = {
      DATA_DIR: dataDir,
      PORT: '0',
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'warn',
      SHUTDOWN_DRAIN_MS: '0',
    }
    const results = await measure(options, database, environment)
    console.log(JSON.stringify({ machine: readMachine(), ...options, held_ns: heldNs, results }))
  } finally {
    await database.close()
    await postgres.stop()
    if (values.out === undefined) await rm(dataDir, { recursive: true, force: true })
  }
}

await main()
