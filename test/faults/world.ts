import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { client } from '../support/service.ts'
import { Crew, type Start } from './crew.ts'
import { type Fault, type Figures, figuresOf, repeated } from './figures.ts'
import { Load } from './load.ts'
import { PostgresServer } from './postgres-server.ts'
import { mostlyWell, Receiver, type Treatment } from './receiver.ts'
import type { Ground, Ran } from './scenario.ts'

export interface WorldOptions {
  /**
   * Processes of the service at the beginning: how many, or how each is started, which may depend on the server. The first
   * one accepts events.
   */
  readonly processes: number | readonly Start[] | ((server: PostgresServer) => Promise<readonly Start[]>)
  /** Half as many in the short form, where scenarios run side by side. */
  readonly perSecond: number
  /** Settings of all processes. */
  readonly env?: NodeJS.ProcessEnv
  readonly treat?: () => Treatment
  /** Run on the database before the service knows it. */
  readonly prepare?: (server: PostgresServer) => Promise<void>
  /** Where the service keeps a PostgreSQL of its own, instead of being given one. */
  readonly embeddedIn?: string
  /** Gives the port under which the service finds the database: that of a proxy. */
  readonly portFor?: (server: PostgresServer) => Promise<number>
}

/** Retries come after a second, and do not run out. */
const retry = { schedule_seconds: [1], max_attempts: 50 }
const subscriptions = 4

/** One installation under load: PostgreSQL, processes of the service, a receiver and senders. */
export class World implements AsyncDisposable {
  readonly faults: Fault[] = []
  readonly #postgres: PostgresServer | undefined
  readonly receiver: Receiver
  readonly crew: Crew
  readonly load: Load
  readonly #dataDir: string

  private constructor(
    parts: Pick<World, 'receiver' | 'crew' | 'load'>,
    dataDir: string,
    postgres: PostgresServer | undefined,
  ) {
    this.#postgres = postgres
    this.receiver = parts.receiver
    this.crew = parts.crew
    this.load = parts.load
    this.#dataDir = dataDir
  }

  static async open({ template, short }: Ground, options: WorldOptions): Promise<World> {
    const { processes, perSecond, env, treat = mostlyWell(0.05), prepare, portFor, embeddedIn } = options
    const dataDir = embeddedIn ?? (await mkdtemp(join(tmpdir(), 'webhooks-faults-')))
    const postgres = embeddedIn === undefined ? await PostgresServer.create(template) : undefined
    const receiver = new Receiver(treat)
    await receiver.listen()
    if (postgres) await prepare?.(postgres)
    const port = postgres && (await portFor?.(postgres))
    const server = postgres && { DATABASE_URL: postgres.url(port) }
    const crew = new Crew({ ...settings, ...server, DATA_DIR: dataDir, ...env })
    try {
      const [one, ...others] = await startsOf(processes, postgres)
      const first = await crew.start(one) // alone, as it makes the tables and the key
      await Promise.all(others.map(start => crew.start(start)))
      const load = await startLoad(crew, first.url ?? '', receiver.origin, short ? perSecond / 2 : perSecond)
      return new World({ receiver, crew, load }, dataDir, postgres)
    } catch (error) {
      await crew.close(postgres ? 'SIGKILL' : 'SIGTERM')
      await receiver.close()
      await postgres?.close()
      throw error
    }
  }

  /** The server that the service was given. */
  get postgres(): PostgresServer {
    if (!this.#postgres) throw new Error('the service has a PostgreSQL of its own here')
    return this.#postgres
  }

  /** Remembers a fault that lasts as long as `work`. */
  async fault(what: string, work: () => Promise<unknown> = async () => {}): Promise<Fault> {
    const at = performance.now()
    await work()
    const fault = { what, at, until: performance.now() }
    this.faults.push(fault)
    return fault
  }

  /**
   * Ends the load, waits until nothing is owed, and counts.
   *
   * @param boundMs how long what is owed may take
   */
  async finish(boundMs: number, allowed: (figures: Figures) => Ran['allowed']): Promise<Ran> {
    const problems: string[] = []
    await this.load.stop()
    const stoppedAt = performance.now()
    const owed = await this.#settle(boundMs)
    if (owed > 0) problems.push(`${owed} deliveries are still owed ${boundMs / 1000} s after the load ended`)
    const notes = [`nothing was owed any more ${seconds(performance.now() - stoppedAt)} after the load ended`]
    const { code, output } = await this.crew.command('audit')
    const missing = Number(/missing +(\d+)/.exec(output)?.[1] ?? Number.NaN)
    if (code !== 0 || missing !== 0) problems.push(`webhooks audit ended with ${code}: ${output}`)
    const figures = figuresOf(
      this.load,
      this.receiver.records,
      this.faults,
      { missing, owed },
      await this.#successes(),
    )
    const limit = allowed(figures)
    if (figures.repeats.total > limit.repeats) notes.push(...(await this.#describeRepeats()))
    return {
      kind: 'ran',
      figures,
      allowed: limit,
      notes,
      problems: [...problems, ...this.#wrongs(figures, limit.repeats)],
    }
  }

  #wrongs({ missing, repeats }: Figures, repeatsMax: number): readonly string[] {
    const { load, receiver } = this
    const problems: string[] = []
    if (load.accepted.length === 0) problems.push('nothing was accepted')
    if (missing.byReceiver > 0)
      problems.push(`${missing.byReceiver} accepted events never reached the receiver`)
    if (repeats.total > repeatsMax) problems.push(`${repeats.total} repeats, allowed are ${repeatsMax}`)
    if (receiver.mixedUp.length > 0) problems.push(`${receiver.mixedUp.length} ids came with another body`)
    const numbers = new Map(load.accepted.map(({ webhookId, n }) => [webhookId, n]))
    const swapped = [...receiver.records].filter(([id, { n }]) => (numbers.get(id) ?? n) !== n).length
    if (swapped > 0) problems.push(`${swapped} events were delivered with the body of another`)
    if (load.disorders > 0) problems.push(`${load.disorders} ids were not greater than the one before`)
    if (load.failed.length > 0)
      problems.push(`${load.failed.length} events were taken by no process within a minute`)
    if (load.wrong.length > 0)
      problems.push(
        `${load.wrong.length} answers were neither 202 nor 503 with Retry-After, such as ${load.wrong[0]}`,
      )
    return problems
  }

  /** Waits until nothing is owed to a subscription. @returns how much is owed when the time is over */
  untilSettled(subscriptionId: number, boundMs: number): Promise<number> {
    return this.#settle(boundMs, subscriptionId)
  }

  /** @returns how much is owed when the time is over */
  async #settle(boundMs: number, subscriptionId: number | null = null): Promise<number> {
    for (const end = performance.now() + boundMs; ; await sleep(100)) {
      const [{ owed } = { owed: 0 }] = await this.query<{ owed: number }>(
        'select count(*)::int as owed from owed where $1::int is null or subscription_id = $1',
        [subscriptionId],
      )
      if (owed === 0 || performance.now() > end) return owed
    }
  }

  async #successes(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.query<{ webhook_id: string; n: number }>(
      `select webhook_id, count(*)::int as n from delivery_logs
       where status = 'success' and webhook_id = any($1) group by webhook_id`,
      [repeated(this.receiver.records)],
    )
    return new Map(rows.map(row => [row.webhook_id, row.n]))
  }

  /** What is known of some of the repeats, and what the processes said, to find out why there were more than allowed. */
  async #describeRepeats(): Promise<readonly string[]> {
    const from = this.faults[0]?.at ?? 0
    const since = (at: number) => seconds(at - from)
    const lines = this.faults.map(({ what, at, until }) => `${what} from ${since(at)} to ${since(until)}`)
    for (const id of repeated(this.receiver.records).slice(0, 10)) {
      const arrivals = this.receiver.records.get(id)?.arrivals ?? []
      lines.push(`${id} was read at ${arrivals.map(({ at }) => since(at)).join(', ')}`)
      const log = await this.query<{ line: string }>(
        `select format('attempt %s: %s after %s ms, logged at %s%s', attempt, verdict, duration_ms, "timestamp",
           case when (select timings ->> 'repeated' from attempt_details d where d.id = l.id) = 'true'
             then ', sent twice within the attempt' end) as line
         from delivery_logs l where webhook_id = $1 order by id`,
        [id],
      )
      lines.push(...log.map(({ line }) => `  ${line}`))
    }
    for (const { child, endAt, endedAt, output } of this.crew.everyone) {
      const left = endAt && endedAt ? `, which left from ${since(endAt)} to ${since(endedAt)},` : ''
      lines.push(`process ${child.pid}${left} said last:\n${output.slice(-2000)}`)
    }
    return lines
  }

  /** One statement on a connection of its own, not through any proxy. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<readonly Row[]> {
    return queryOn<Row>(this.#postgres?.url() ?? (await embeddedUrl(this.#dataDir)), text, values)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In local mode the last process that leaves takes its PostgreSQL with it; one that is killed cannot.
    await this.crew.close(this.#postgres ? 'SIGKILL' : 'SIGTERM')
    await this.load.stop()
    await this.receiver.close()
    await this.#postgres?.close()
    await rm(this.#dataDir, { recursive: true, force: true })
  }
}

/** What all processes of all scenarios are started with. */
export const settings = {
  AUTH: 'none',
  ALLOW_PRIVATE_TARGETS: 'true', // the receiver is on this machine
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_LEVEL: 'warn',
} as const

async function startsOf(
  processes: WorldOptions['processes'],
  postgres: PostgresServer | undefined,
): Promise<readonly Start[]> {
  if (typeof processes === 'number') return Array.from({ length: processes }, () => ({}))
  if (typeof processes !== 'function') return processes
  if (!postgres) throw new Error('the service has a PostgreSQL of its own here')
  return processes(postgres)
}

/** Subscribes, and begins to send as soon as all processes know of it. */
export async function startLoad(crew: Crew, url: string, origin: string, perSecond: number): Promise<Load> {
  const created = Array.from({ length: subscriptions }, (_, index) =>
    client(url).subscribe({ target_url: `${origin}/${index}`, retry, max_in_flight: 20, ...wayOf(index) }),
  )
  const subscriptionIds = (await Promise.all(created)).map(({ id }) => id)
  return new Load({ urls: () => crew.urls(), subscriptionIds, perSecond })
}

/** Every third goes through its lane: its rate is never reached. */
function wayOf(index: number): object {
  return index % 3 === 2 ? { rate_limit: { requests: 10_000, per_seconds: 1 } } : {}
}

export async function queryOn<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<readonly Row[]> {
  const connection = new pg.Client({ connectionString: url })
  connection.on('error', () => {})
  await connection.connect()
  try {
    return (await connection.query<Row>(text, values)).rows
  } finally {
    await connection.end()
  }
}

/** Where the PostgreSQL of a service in local mode listens: it writes that down itself. */
async function embeddedUrl(dataDir: string): Promise<string> {
  const password = (await readFile(join(dataDir, 'postgres.password'), 'utf8')).trim()
  const lines = (await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')
  return `postgresql://webhooks:${password}@${encodeURIComponent(lines[4] ?? '')}:${lines[3]}/webhooks`
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** A random time from one to the other. */
export function between(fromMs: number, toMs: number): number {
  return fromMs + Math.random() * (toMs - fromMs)
}
