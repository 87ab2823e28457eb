// An api and a worker apart, over PostgreSQL alone and over Redis, beside one process: `npm run bench:roles`.
// With `-- shares` how several processes share `max_in_flight` instead. README.md says what is measured.
import { fileURLToPath } from 'node:url'
import { startRedis } from '../test/support/redis.ts'
import { Children } from './children.ts'
import { type Contender, startContender } from './contenders.ts'
import { median, pause, rounded } from './growth-world.ts'
import { readMachine } from './report.ts'
import { measureShares } from './shares.ts'
import { type Ends, type PhaseResult, runPhase, startEnds } from './trial.ts'

const rounds = 3
const steady = { seconds: 8, rate: 300, size: 500, connections: 64 }
const full = { seconds: 6, rate: 0, size: 500, connections: 64 }

interface Way {
  readonly name: string
  readonly contender: Contender
}

async function startWays(
  children: Children,
  receiverPort: number,
  redisUrl: string,
): Promise<readonly Way[]> {
  const subscription = { max_in_flight: 64 }
  const start = (settings: Readonly<Record<string, string>>) =>
    startContender('service', { children, receiverPort, nodeFlags: [], subscription, settings })
  const one = await start({})
  const ways: Way[] = [{ name: 'one process', contender: one }]
  for (const [name, settings] of [
    ['api and worker, PostgreSQL', {}],
    ['api and worker, Redis', { REDIS_URL: redisUrl }],
  ] as const) {
    const contender = await start({ ...settings, ROLE: 'api' })
    const { dataDir = '' } = contender
    const env = { ...settings, ROLE: 'worker', PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' }
    const file = fileURLToPath(new URL('../bin/webhooks.js', import.meta.url))
    children.launch({ name: 'worker', file, args: ['serve'], env, ipc: false })
    ways.push({ name, contender })
  }
  return ways
}

interface Sample {
  readonly steady: PhaseResult
  readonly full: PhaseResult
}

async function measure(ends: Ends, ways: readonly Way[]): Promise<readonly Sample[][]> {
  for (const { contender } of ways) await runPhase(ends, contender, { ...full, seconds: 3 })
  const samples: Sample[][] = ways.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { contender }] of ways.entries()) {
      const sample = {
        steady: await runPhase(ends, contender, steady),
        full: await runPhase(ends, contender, full),
      }
      samples[index]?.push(sample)
      await pause(500)
    }
  }
  return samples
}

const children = new Children()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const redis = await startRedis()
if (process.argv.includes('shares')) {
  await measureShares([
    { between: 'PostgreSQL alone', settings: {} },
    { between: 'Redis', settings: { REDIS_URL: redis.url } },
  ]).finally(() => redis[Symbol.asyncDispose]())
  process.exit()
}
try {
  const ends = await startEnds(children)
  const ways = await startWays(children, ends.receiverPort, redis.url)
  await pause(3000) // until the workers are known
  const samples = await measure(ends, ways)
  const figures = ways.map(({ name }, index) => {
    const of = (read: (sample: Sample) => number) => rounded(median((samples[index] ?? []).map(read)), 2)
    return {
      way: name,
      p50_ms: of(sample => sample.steady.latency.p50Us / 1e3),
      p99_ms: of(sample => sample.steady.latency.p99Us / 1e3),
      accepted_per_s: Math.round(of(sample => sample.full.acceptedPerSecond)),
      delivered_per_s: Math.round(of(sample => sample.full.deliveredPerSecond)),
      missing: (samples[index] ?? []).reduce((sum, one) => sum + one.steady.missing + one.full.missing, 0),
      duplicates: (samples[index] ?? []).reduce(
        (sum, one) => sum + one.steady.duplicates + one.full.duplicates,
        0,
      ),
    }
  })
  const columns = Object.keys(figures[0] ?? {})
  console.log(`| ${columns.join(' | ')} |\n|${columns.map(() => '---').join('|')}|`)
  for (const figure of figures) console.log(`| ${Object.values(figure).join(' | ')} |`)
  console.log(`\n${JSON.stringify({ machine: readMachine(), rounds, figures })}`)
  process.exitCode = figures.some(({ missing }) => missing > 0) ? 1 : 0
} finally {
  children.killAll()
  await redis[Symbol.asyncDispose]()
}
process.exit()
