import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Environment, readConfig } from '../../src/config/config.ts'
import { audit } from '../../src/monitor/audit.ts'
import type { SteerableClock } from '../../src/platform/clock.ts'
import { type Logger, silentLogger } from '../../src/platform/logger.ts'
import type { Paces } from '../../src/service/compose.ts'
import { type Service, startService } from '../../src/service/service.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { eventually } from './eventually.ts'
import { compiledBeside, launcher } from './launcher.ts'

export { eventually } from './eventually.ts'

/** The real time plus what a test adds; nothing but the test moves it besides. */
export interface ShiftableClock extends SteerableClock {
  advance(ms: number): void
  /** From now on only the test moves it: what is due in a moment is not, however busy the machine is. */
  freeze(): void
}

export function shiftableClock(): ShiftableClock {
  let shift = 0
  let frozenAt: number | undefined
  return {
    now: () => (frozenAt ?? Date.now()) + shift,
    steer: () => {},
    advance: ms => {
      shift += ms
    },
    freeze: () => {
      frozenAt ??= Date.now()
    },
  }
}

/** A test that waits for what is done from time to time waits for a tenth of the time that it takes elsewhere. */
export const testPaces: Paces = {
  beatEveryMs: 250,
  looks: { lookEveryMs: 250, messageMs: 1200 },
  systemEventsEveryMs: 500,
  redisProbeEveryMs: 200,
}

/** A whole service in this process, with a database of its own. */
export interface TestService extends AsyncDisposable {
  readonly service: Service
  readonly url: string
  readonly world: TestDatabase
  readonly clock: ShiftableClock
  readonly environment: Environment
}

export async function testService(
  settings: Environment = {},
  logger: Logger = silentLogger(),
): Promise<TestService> {
  const world = await testDatabase({ partitions: 'hourly' })
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-e2e-'))
  const clock = shiftableClock()
  const environment = { ...serviceEnvironment(world, dataDir), ...settings }
  const service = await startService({ config: readConfig(environment), logger, clock, paces: testPaces })
  return {
    service,
    url: service.url,
    world,
    clock,
    environment,
    async [Symbol.asyncDispose]() {
      await service.close()
      await world.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export function serviceEnvironment(world: TestDatabase, dataDir: string): Environment {
  return {
    DATABASE_URL: world.url,
    DATA_DIR: dataDir,
    AUTH: 'none',
    ALLOW_PRIVATE_TARGETS: 'true', // receivers are on this machine
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
    SHUTDOWN_DRAIN_MS: '0', // fetch keeps its connections open
  }
}

/** A whole service as a process of its own, as a user starts it. */
export interface ServiceProcess {
  readonly child: ChildProcess
  readonly url: string
  /** All that it has said so far. */
  readonly output: () => string
  /** The lines of that which are whole. */
  readonly lines: () => readonly string[]
  /** Sends a signal and waits for the end. @returns exit code, or the signal that ended it */
  end(signal: NodeJS.Signals): Promise<number | string>
}

/** What a process is given of this one's environment: what it needs to start, and to start soon; no setting. */
export function nodeEnvironment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE, TEST_LAUNCHER } = process.env
  const folder = TEST_LAUNCHER ? compiledBeside(TEST_LAUNCHER) : NODE_COMPILE_CACHE
  return { PATH, ...(folder && { NODE_COMPILE_CACHE: folder }) }
}

export interface StartOptions {
  /** In a process group of its own, as a terminal starts it. */
  readonly group?: boolean
  /** File descriptors that it may have open. */
  readonly descriptors?: number
}

/** All that a process has said is read when its output is closed, which what it has left behind may keep open. */
const heirsMs = 2000

/** Starts `webhooks serve` and waits until it is ready. @throws with its output when it is not within 100 s */
export async function startProcess(
  environment: Environment,
  options: StartOptions = {},
): Promise<ServiceProcess> {
  const { descriptors } = options
  const [command, ...first] =
    descriptors === undefined
      ? [process.execPath]
      : ['/bin/sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, process.execPath]
  const child = spawn(command ?? '', [...first, launcher(), 'serve'], {
    env: { ...nodeEnvironment(), LOG_FORMAT: 'json', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.group ?? false,
  })
  const closed = once(child, 'close')
  let whole = ''
  // A line of one stream is not cut in two by what the other one says.
  const begun = ['', '']
  for (const [index, stream] of [child.stdout, child.stderr].entries()) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${begun[index]}${text}`.split('\n')
      begun[index] = lines.pop() ?? ''
      whole += lines.map(line => `${line}\n`).join('')
    })
  }
  const output = () => whole + begun.join('')
  const url = await new Promise<string>((resolve, reject) => {
    const tooLate = setTimeout(() => {
      reject(new Error(`not ready within 90 s:\n${output()}`))
      child.kill('SIGKILL') // the test that failed by this would never end
    }, 90_000).unref()
    const look = () => {
      const found = /is ready on (\S+)\s/.exec(whole)?.[1]
      if (found === undefined) return
      clearTimeout(tooLate)
      resolve(found)
    }
    child.stdout.on('data', look)
    child.on('exit', code => reject(new Error(`ended with ${code} before it was ready:\n${output()}`)))
  })
  return {
    child,
    url,
    output,
    lines: () => whole.split('\n').slice(0, -1),
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await once(child, 'exit')
      }
      await Promise.race([closed, sleep(heirsMs, undefined, { ref: false })])
      return child.exitCode ?? child.signalCode ?? 0
    },
  }
}

/** Runs `webhooks` with these arguments to its end. */
export function runCommand(args: readonly string[], environment: Environment) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher(), ...args], {
    env: { ...nodeEnvironment(), ...environment },
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, stdout, stderr }
}

/** The same while this process goes on with other things. */
export async function runCommandBeside(args: readonly string[], environment: Environment) {
  const child = spawn(process.execPath, [launcher(), ...args], {
    env: { ...nodeEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const [status] = await once(child, 'close')
  return { status: status as number | null, stdout, stderr } // as node:child_process has it
}

/** A world for processes: a database and a data folder. Whatever was started in it ends with it. */
export async function processWorld(settings: Environment = {}) {
  const world = await testDatabase({ partitions: 'hourly' })
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-e2e-'))
  const environment = { ...serviceEnvironment(world, dataDir), ...settings }
  const started: ServiceProcess[] = []
  return {
    world,
    environment,
    async start(options?: StartOptions): Promise<ServiceProcess> {
      const service = await startProcess(environment, options)
      started.push(service)
      return service
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map(service => service.end('SIGKILL')))
      await world.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export interface DeliveryStatus {
  readonly webhook_id: string
  readonly status: string
  readonly deliveries: readonly {
    readonly subscription_id: number
    readonly status: string
    readonly next_attempt_at: string | null
    readonly attempts: readonly AttemptAnswer[]
  }[]
}

export interface AttemptAnswer {
  readonly attempt: number
  readonly status: string
  readonly verdict: string
  readonly http_status: number | null
  readonly error: string | null
  readonly timestamp: string
  readonly next_attempt_at: string | null
}

/** What a user does with curl. */
export function client(url: string) {
  const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers })
  const json = { 'content-type': 'application/json' }
  const accepted = (ask: () => Promise<Response>) => eventually(ask, ({ status }) => status !== 503)
  const ingest = async (
    id: number,
    body: string | Buffer = '{"a":1}',
    headers: Record<string, string> = json,
  ): Promise<string> => {
    const answer = await accepted(() => post(`/ingest/${id}`, body, headers))
    if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${await answer.text()}`)
    return ((await answer.json()) as { webhook_id: string }).webhook_id // as openapi.json has it
  }
  return {
    post,
    /**
     * Again after a 503, which a busy machine says to many at once.
     *
     * @returns the subscription, as the 201 shows it
     */
    async subscribe(body: object): Promise<{ readonly id: number; readonly signing_secret: string }> {
      const answer = await accepted(() => post('/subscriptions/', JSON.stringify(body), json))
      if (answer.status !== 201) throw new Error(`not created: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as { id: number; signing_secret: string } // as openapi.json has it
    },
    /**
     * As senders do it: again after a 503, which a busy machine says to many at once.
     *
     * @returns the webhook id of the 202
     */
    ingest,
    /** Ingests many, a few at a time. */
    async ingestMany(id: number, events: number, senders = 20): Promise<void> {
      let left = events
      const send = async () => {
        while (left-- > 0) await ingest(id)
      }
      await Promise.all(Array.from({ length: senders }, send))
    },
    /** Publishes up to 1,000 events in one request, which costs a hundredth of as many. */
    async publishMany(events: number, event_type: string): Promise<void> {
      const batch = JSON.stringify(Array.from({ length: events }, (_, n) => ({ event_type, payload: { n } })))
      const answer = await accepted(() => post('/events/batch', batch, json))
      if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${await answer.text()}`)
    },
    async status(webhookId: string): Promise<DeliveryStatus> {
      return (await (await fetch(`${url}/status/${webhookId}`)).json()) as DeliveryStatus // as openapi.json has it
    },
    async logs(id: number): Promise<readonly AttemptAnswer[]> {
      return (await (await fetch(`${url}/logs/${id}`)).json()) as AttemptAnswer[] // as openapi.json has it
    },
    patch: (id: number, body: object) =>
      fetch(`${url}/subscriptions/${id}`, { method: 'PATCH', body: JSON.stringify(body), headers: json }),
  }
}

/** Waits until nothing is owed any more, and gives the audit of that moment. */
export async function settledAudit(world: TestDatabase, timeoutMs?: number) {
  await eventually(() => owesNothing(world), Boolean, timeoutMs)
  return eventually(
    () => audit(world.database),
    report => report.owed === 0,
    timeoutMs,
  )
}

/** An audit reads every event: too much to ask for it again and again. */
async function owesNothing({ database }: TestDatabase): Promise<boolean> {
  const { rows } = await database.query({ text: 'select from owed limit 1' })
  return rows.length === 0
}
