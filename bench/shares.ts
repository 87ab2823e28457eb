// How much of a subscription's `max_in_flight` is used by several processes that deliver: `npm run bench:roles -- shares`.
// README.md says what is measured.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Children } from './children.ts'
import { type Contender, startContender } from './contenders.ts'

const maxInFlight = 10
const answerMs = 100
const events = 400
const counts = [2, 4]

/** Two heartbeats: until then not all processes know how many they are. */
const acquaintedMs = 5000

type Settings = Readonly<Record<string, string>>

/** What one load came to; at best `maxInFlight` every 100 ms, which is 100/s. */
interface Seen {
  readonly perSecond: number
  readonly atOnce: number
}

/** Takes 100 ms for each request, and notes when each came. */
async function startSlowReceiver() {
  let arrivals: number[] = []
  let inFlight = 0
  let most = 0
  const server = createServer((request, response) => {
    arrivals.push(performance.now())
    most = Math.max(most, ++inFlight)
    request.resume()
    setTimeout(() => {
      inFlight--
      response.writeHead(204).end()
    }, answerMs)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    /** Waits for all events. @returns how fast the second to the ninth tenth of them came */
    async settle(): Promise<Seen> {
      const until = performance.now() + 120_000
      while (arrivals.length < events) {
        if (performance.now() > until) throw new Error(`only ${arrivals.length} of ${events} were delivered`)
        await sleep(20)
      }
      const [from, to] = [events * 0.1, events * 0.9]
      const tookMs = (arrivals[to] ?? 0) - (arrivals[from] ?? 0)
      const seen = { perSecond: Math.round(((to - from) * 1000) / tookMs), atOnce: most }
      arrivals = []
      most = 0
      return seen
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function post({ port }: Contender, path: string, status: number): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: '{}' })
  await answer.body?.cancel()
  if (answer.status !== status) throw new Error(`${path}: ${answer.status}`)
}

async function publish(contender: Contender): Promise<void> {
  for (let sent = 0; sent < events; sent += 40)
    await Promise.all(Array.from({ length: 40 }, () => post(contender, contender.path, 202)))
}

/** An installation of its own: the first process takes the events, and `count` deliver, this one among them or not. */
async function start(
  children: Children,
  receiverPort: number,
  count: number,
  isApart: boolean,
  given: Settings,
): Promise<Contender> {
  const contender = await startContender('service', {
    children,
    receiverPort,
    nodeFlags: [],
    subscription: { max_in_flight: maxInFlight },
    settings: { ...given, ROLE: isApart ? 'api' : 'all' },
  })
  const { dataDir = '' } = contender
  const env = { ...given, ROLE: isApart ? 'worker' : 'all', PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' }
  const file = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))
  for (let started = isApart ? 0 : 1; started < count; started++)
    children.launch({ name: 'another', file, args: ['serve'], env, ipc: false })
  const isComplete = async () => {
    const answer = await fetch(`http://127.0.0.1:${contender.port}/system`)
    const { processes } = (await answer.json()) as { readonly processes: readonly object[] } // as its schema has it
    return processes.length === count + (isApart ? 1 : 0)
  }
  while (!(await isComplete())) await sleep(100)
  await sleep(acquaintedMs)
  return contender
}

/** Measures each load with each way between 2 and 4 processes, and prints a table. */
export async function measureShares(ways: readonly { between: string; settings: Settings }[]): Promise<void> {
  const receiver = await startSlowReceiver()
  console.log('| processes | between them | load | delivered/s | at once |\n|---|---|---|---|---|')
  try {
    for (const count of counts) {
      for (const { between, settings } of ways) {
        for (const isApart of [false, true]) {
          const children = new Children()
          const contender = await start(children, receiver.port, count, isApart, settings)
          const tell = async (load: string) => {
            const { perSecond, atOnce } = await receiver.settle()
            console.log(`| ${count} | ${between} | ${load} | ${perSecond} | ${atOnce} |`)
          }
          await publish(contender)
          await tell(isApart ? 'an api chooses workers' : 'one process accepts all')
          const subscription = contender.path.replace('/ingest/', '/subscriptions/')
          await post(contender, `${subscription}/pause`, 200)
          await publish(contender)
          await post(contender, `${subscription}/resume`, 200)
          await tell('a backlog in its lane')
          children.killAll()
        }
      }
    }
  } finally {
    receiver.close()
  }
}
