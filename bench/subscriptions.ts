// How a start and memory grow with the number of subscriptions: `npm run bench:subscriptions`. README.md says more.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { Database } from '../src/platform/postgres.ts'
import { pause, rounded } from './growth-world.ts'

const { values } = parseArgs({ options: { sizes: { type: 'string', default: '1,100000,1000000' } } })
const sizes = values.sizes.split(',').map(Number)

const launcher = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))
const json = { 'content-type': 'application/json' }

/** A running service. */
interface Started {
  readonly url: string
  readonly readyMs: number
  /** In MB, resident now and at the most. */
  memory(): { readonly now: number; readonly most: number }
  stop(): Promise<void>
}

async function start(environment: NodeJS.ProcessEnv): Promise<Started> {
  const beganAt = performance.now()
  const child = spawn(process.execPath, [launcher, 'serve'], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  let url: string | undefined
  for await (const chunk of child.stdout) {
    output += String(chunk)
    url = /is ready on (\S+)/.exec(output)?.[1]
    if (url !== undefined) break
  }
  if (url === undefined) throw new Error('the service did not start')
  return {
    url,
    readyMs: performance.now() - beganAt,
    memory() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      const mb = (name: string) =>
        rounded(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1000, 0)
      return { now: mb('VmRSS'), most: mb('VmHWM') }
    },
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

/** Copies the first subscription, with its sealed secret, until there are `count`. */
async function fill(database: Database, count: number): Promise<void> {
  await database.query({
    text: `with s as (
             insert into subscriptions (target_url, signing_secrets, event_types, max_in_flight)
             select 'https://receiver-' || n || '.example.com/hooks/incoming', signing_secrets, event_types, max_in_flight
             from subscriptions, generate_series((select count(*) from subscriptions) + 1, $1::int) n where id = 1
             returning id)
           insert into lanes (subscription_id) select id from s`,
    values: [count],
  })
  await database.query({ text: 'vacuum (analyze) subscriptions' })
  await database.query({ text: 'vacuum (analyze) lanes' })
}

const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-bench-'))
const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} })
try {
  const database = new Database({
    connection: postgres.connection,
    poolSize: 2,
    queryTimeoutMs: 600_000,
    connectTimeoutMs: 10_000,
  })
  const { user, password, host, port, database: name } = postgres.connection
  const url = `postgresql://${user}:${password}@${encodeURIComponent(String(host))}:${port}/${name}`
  const environment = { DATABASE_URL: url, DATA_DIR: dataDir, PORT: '0', AUTH: 'none', LOG_LEVEL: 'warn' }
  const first = await start(environment)
  await fetch(`${first.url}/subscriptions/`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({
      target_url: 'https://example.com/',
      event_types: ['order.created', 'order.paid'],
    }),
  })
  await first.stop()
  console.log('| subscriptions | ready, s | resident, MB | at the most, MB | bytes each, resident |')
  console.log('|---|---|---|---|---|')
  let empty: number | undefined
  for (const size of sizes) {
    await fill(database, size)
    const service = await start(environment)
    await pause(5000)
    const { now, most } = service.memory()
    empty ??= now
    const each = size > 1 ? rounded(((now - empty) * 1e6) / size, 0) : ''
    console.log(
      `| ${size.toLocaleString('en')} | ${rounded(service.readyMs / 1000, 1)} | ${now} | ${most} | ${each} |`,
    )
    await service.stop()
  }
  await database.close()
} finally {
  await postgres.stop()
  await rm(dataDir, { recursive: true, force: true })
}
