// What a delivery costs by how many subscriptions its event goes to: `npm run bench:fan-out`. README.md says more.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { Database } from '../src/platform/postgres.ts'
import { pause, rounded } from './growth-world.ts'
import { cpuOf } from './measure.ts'
import { readMachine } from './report.ts'

const { values } = parseArgs({
  options: {
    /** Subscriptions that each event goes to. */
    sizes: { type: 'string', default: '1,10,100,1000' },
    /** Of each round. */
    deliveries: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
  },
})
const sizes = values.sizes.split(',').map(Number)
const deliveries = Number(values.deliveries)
const most = Math.max(...sizes)

const launcher = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))
const json = { 'content-type': 'application/json' }
const payload = JSON.stringify({ data: 'x'.repeat(480) })

/** Requests under way at a time. */
const senders = 32

async function startService(environment: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [launcher, 'serve'], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const chunk of child.stdout) {
    output += String(chunk)
    const url = /is ready on (\S+)/.exec(output)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return { child, url }
  }
  throw new Error(`the service did not start:\n${output}`)
}

/** Each subscription wants the events of all sizes that reach it. */
async function subscribeAll(url: string, origin: string): Promise<void> {
  let next = 0
  const work = async () => {
    for (let n = next++; n < most; n = next++) {
      const answer = await fetch(`${url}/subscriptions/`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({
          target_url: `${origin}/${n}`,
          event_types: sizes.filter(size => n < size).map(size => `to.${size}`),
        }),
      })
      if (answer.status !== 201) throw new Error(await answer.text())
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

interface Round {
  readonly perSecond: number
  readonly cpuUs: number
  readonly answerMs: number
}

async function publishTo(url: string, pid: number, size: number, received: () => number): Promise<Round> {
  const events = Math.max(1, Math.round(deliveries / size))
  const before = { received: received(), cpuUs: cpuOf(pid) ?? 0, at: performance.now() }
  const answers: number[] = []
  let left = events
  const send = async () => {
    while (left-- > 0) {
      const beganAt = performance.now()
      const headers = { ...json, 'x-event-type': `to.${size}` }
      let status = 503
      while (status === 503) {
        const answer = await fetch(`${url}/events`, { method: 'POST', headers, body: payload })
        await answer.arrayBuffer()
        status = answer.status
        if (status === 503) await pause(50)
      }
      if (status !== 202) throw new Error(`answered ${status}`)
      answers.push(performance.now() - beganAt)
    }
  }
  await Promise.all(Array.from({ length: senders }, send))
  const due = before.received + events * size
  while (received() < due) await pause(5)
  const seconds = (performance.now() - before.at) / 1000
  await pause(500) // what is settled after the last receipt is part of the cost
  answers.sort((one, other) => one - other)
  return {
    perSecond: (events * size) / seconds,
    cpuUs: ((cpuOf(pid) ?? 0) - before.cpuUs) / (events * size),
    answerMs: answers[answers.length >> 1] ?? 0,
  }
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0

let received = 0
const receiver = createServer((request, response) => {
  request.resume().on('end', () => {
    received++
    response.writeHead(204).end()
  })
})
await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}` // it listens on TCP
const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-bench-'))
const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} })
try {
  const { user, password, host, port, database: name } = postgres.connection
  const { child, url } = await startService({
    DATABASE_URL: `postgresql://${user}:${password}@${encodeURIComponent(String(host))}:${port}/${name}`,
    DATA_DIR: dataDir,
    PORT: '0',
    HOST: '127.0.0.1',
    AUTH: 'none',
    ALLOW_PRIVATE_TARGETS: 'true',
    LOG_EVENTS: 'none',
    LOG_LEVEL: 'warn',
  })
  await subscribeAll(url, origin)
  const database = new Database({
    connection: postgres.connection,
    poolSize: 1,
    queryTimeoutMs: 60_000,
    connectTimeoutMs: 10_000,
  })
  const rounds = new Map<number, Round[]>(sizes.map(size => [size, []]))
  // The first round of each warms up, and does not count.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const size of sizes) {
      const figures = await publishTo(url, child.pid ?? 0, size, () => received)
      if (round > 0) rounds.get(size)?.push(figures)
      while ((await database.query({ text: 'select from owed limit 1' })).rowCount > 0) await pause(20)
    }
  }
  console.log('| an event goes to | delivered/s | CPU of the service per delivery, µs | answer, median, ms |')
  console.log('|---|---|---|---|')
  for (const [size, figures] of rounds) {
    const of = (figure: keyof Round) => median(figures.map(one => one[figure]))
    const [perSecond, cpuUs] = [of('perSecond'), of('cpuUs')]
    console.log(
      `| ${size} | ${rounded(perSecond, 0)} | ${rounded(cpuUs, 0)} | ${rounded(of('answerMs'), 1)} |`,
    )
  }
  console.log(JSON.stringify(readMachine()))
  await database.close()
  child.kill('SIGTERM')
  await once(child, 'exit')
} finally {
  receiver.close()
  receiver.closeAllConnections()
  await postgres.stop()
  await rm(dataDir, { recursive: true, force: true })
}
