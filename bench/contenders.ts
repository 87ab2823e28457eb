import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { type Child, type Children, expect, logTail, postmastersIn } from './children.ts'
import { Meter } from './measure.ts'

const READY_TIMEOUT_MS = 60_000

/**
 * What is compared: the service with a subscription that sets `max_in_flight`, the same with one that leaves everything at
 * its default, and with one whose deliveries all go through its lane; the simplest program that forwards, the same with the
 * commits that a durable one cannot do without, and the simplest durable design. `watched` and `crowded` are the service with
 * 1 and 100 readers of its event stream.
 */
export type ContenderName =
  | 'floor'
  | 'durable'
  | 'service'
  | 'default'
  | 'lane'
  | 'watched'
  | 'crowded'
  | 'naive'

/** The contenders, in the order in which they run and are printed. */
export const CONTENDERS: readonly ContenderName[] = [
  'floor',
  'durable',
  'service',
  'default',
  'lane',
  'watched',
  'crowded',
  'naive',
]

/** Those that run unless others are asked for. */
export const USUAL: readonly ContenderName[] = ['floor', 'service', 'default', 'naive']

/** A running contender, ready for events. */
export interface Contender {
  readonly name: ContenderName
  readonly child: Child
  readonly port: number
  /** Where events are published. */
  readonly path: string
  readonly meter: Meter
  /** Of the service: DATA_DIR. */
  readonly dataDir?: string
  stop(): Promise<void>
}

/** What a contender needs to know to start. */
export interface Start {
  readonly children: Children
  readonly receiverPort: number
  /** Flags for its Node, to profile it. */
  readonly nodeFlags: readonly string[]
  /** Members for the subscription beside its `target_url`. */
  readonly subscription: Readonly<Record<string, unknown>>
  /** Of the service, by the names of the environment. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts one contender in a process of its own, with an empty database. */
export async function startContender(name: ContenderName, start: Start): Promise<Contender> {
  switch (name) {
    case 'floor':
      return startFloor(start)
    case 'service':
    case 'default':
    case 'lane':
      return startService(name, start)
    case 'watched':
      return watched(await startService(name, start), start, 1)
    case 'crowded':
      return watched(await startService(name, start), start, 100)
    case 'naive':
    case 'durable':
      return startDurable(name, start)
  }
}

async function startFloor({ children, receiverPort, nodeFlags }: Start): Promise<Contender> {
  const env = { BENCH_TARGET_PORT: String(receiverPort) }
  const child = children.launch({ name: 'floor', file: fileOf('floor.ts'), env, nodeFlags, ipc: true })
  const { port } = await expect(child, 'ready')
  const meter = new Meter(child.pid, undefined)
  return { name: 'floor', child, port, path: '/', meter, stop: () => stopAll(children, child, meter) }
}

async function startDurable(
  name: 'naive' | 'durable',
  { children, receiverPort, nodeFlags }: Start,
): Promise<Contender> {
  const dataDir = await children.path(`${name}-${Date.now()}`)
  // The same PostgreSQL with the same settings as the service's, fsync and all: only the design differs.
  const database = await startEmbeddedPostgres({ dataDir, log: () => {} })
  const [postmaster] = postmastersIn(dataDir)
  const env = {
    BENCH_TARGET_PORT: String(receiverPort),
    BENCH_DATABASE: JSON.stringify(database.connection),
  }
  const child = children.launch({ name, file: fileOf(`${name}.ts`), env, nodeFlags, ipc: true })
  const { port } = await expect(child, 'ready')
  const meter = new Meter(child.pid, postmaster)
  const stop = async () => {
    await stopAll(children, child, meter)
    await database.stop()
  }
  return { name, child, port, path: '/', meter, stop }
}

async function startService(
  name: Exclude<ContenderName, 'floor' | 'durable' | 'naive'>,
  { children, receiverPort, nodeFlags, subscription, settings }: Start,
): Promise<Contender> {
  const dataDir = await children.path(`service-${Date.now()}`)
  const port = await freePort()
  const env = {
    PORT: String(port),
    DATA_DIR: dataDir,
    LOG_LEVEL: 'warn',
    // Local mode with its embedded PostgreSQL, whatever the shell has set.
    DATABASE_URL: undefined,
    REDIS_URL: undefined,
    ...settings,
  }
  const file = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))
  const child = children.launch({ name: 'service', file, args: ['serve'], env, nodeFlags, ipc: false })
  await untilReady(child, `http://127.0.0.1:${port}/readyz`)
  const [postmaster] = postmastersIn(dataDir)
  const meter = new Meter(child.pid, postmaster)
  const path = await subscribe(port, { target_url: `http://127.0.0.1:${receiverPort}/`, ...subscription })
  return { name, child, port, path, meter, dataDir, stop: () => stopAll(children, child, meter) }
}

/** The same with readers of its event stream. */
async function watched(service: Contender, { children }: Start, count: number): Promise<Contender> {
  const env = { BENCH_PORT: String(service.port), BENCH_WATCHERS: String(count) }
  const watchers = children.launch({ name: 'watchers', file: fileOf('watchers.ts'), env, ipc: true })
  await expect(watchers, 'ready')
  return {
    ...service,
    async stop() {
      await children.stop(watchers)
      await service.stop()
    },
  }
}

/** Makes a subscription. @returns where events for it are published */
export async function subscribe(
  port: number,
  subscription: Readonly<Record<string, unknown>>,
): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/subscriptions/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(subscription),
    signal: AbortSignal.timeout(10_000),
  })
  const text = await response.text()
  if (response.status !== 201) throw new Error(`No subscription was made: ${response.status} ${text}`)
  // The contract of openapi.json: 201 with the subscription, whose id is an integer.
  const { id } = JSON.parse(text) as { readonly id: number }
  return `/ingest/${id}`
}

async function untilReady(child: Child, url: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (child.process.exitCode !== null) throw new Error(`The service ended too early.\n${logTail(child)}`)
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.status === 200) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`The service was not ready after ${READY_TIMEOUT_MS} ms.\n${logTail(child)}`)
}

async function stopAll(children: Children, child: Child, meter: Meter): Promise<void> {
  meter.close()
  await children.stop(child)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
