import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { Database } from '../src/platform/postgres.ts'
import type { Children } from './children.ts'
import { type Contender, startContender } from './contenders.ts'

/** Filling takes long, so timeouts are long. */
const fillTimeoutMs = 3_600_000

/** A service with a database of its own, which is filled before the service is measured. */
export interface World {
  readonly contender: Contender
  readonly database: Database
  /** How to open a connection apart from `database`. */
  readonly connection: Readonly<Record<string, unknown>>
  close(): Promise<void>
}

/**
 * Starts a service that delivers to the receiver of the benchmark.
 *
 * @param settings of the service, by the names of the environment
 */
export async function openWorld(
  children: Children,
  receiverPort: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<World> {
  const before = { ...process.env }
  Object.assign(process.env, settings) // the service takes its settings from here
  const subscription = { max_in_flight: 64 }
  const contender = await startContender('service', { children, receiverPort, nodeFlags: [], subscription })
  for (const name of Object.keys(settings)) {
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
  }
  const { dataDir = '' } = contender
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => {} }) // the one the service has started
  const { connection } = postgres
  const database = new Database({
    connection,
    poolSize: 2,
    queryTimeoutMs: fillTimeoutMs,
    connectTimeoutMs: 10_000,
  })
  return {
    contender,
    database,
    connection: { ...connection },
    async close() {
      await database.close()
      await postgres.stop()
      await contender.stop()
    },
  }
}

/** Vacuum and a checkpoint now, so that they do not run in the middle of a phase. */
export async function settle(database: Database, tables: readonly string[]): Promise<void> {
  for (const table of tables) await database.query({ text: `vacuum analyze ${table}` })
  await database.query({ text: 'checkpoint' })
}

/** The subscription that events of the contender go to. */
export function subscriptionOf({ contender }: World): number {
  return Number(contender.path.split('/').at(-1))
}

export function pause(forMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, forMs))
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function rounded(value: number, digits = 3): number {
  return Math.round(value * 10 ** digits) / 10 ** digits
}
