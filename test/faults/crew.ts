import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { launcher } from '../support/launcher.ts'
import { nodeEnvironment } from '../support/service.ts'

/** How a process of the service is started. */
export interface Start {
  /** After the command, such as `--role worker`. */
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** The path of another version's bin/webhooks.js. */
  readonly launcher?: string
}

/** One process of the service. */
export interface Member {
  readonly child: ChildProcess
  /** How it was started, so that another can take its place. */
  readonly start: Start
  /** Where it listens; undefined until it is ready. */
  url: string | undefined
  /** What it wrote last. */
  output: string
  /** `performance.now()` when it was ready, when it was sent the signal to end, and when it had ended. */
  readyAt: number | undefined
  endAt: number | undefined
  endedAt: number | undefined
  /** Resolves when it is ready, or has ended before. */
  readonly settled: Promise<void>
}

/** The processes of one installation. */
export class Crew {
  readonly members: Member[] = []
  /** Those that have ended, too. */
  readonly everyone: Member[] = []
  readonly #environment: NodeJS.ProcessEnv

  /** @param environment of all of them */
  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = { ...nodeEnvironment(), LOG_FORMAT: 'json', ...environment }
  }

  /** Starts one, and does not wait for it. */
  launch(start: Start = {}): Member {
    const { args = [], env = {} } = start
    const child = spawn(process.execPath, [start.launcher ?? launcher(), 'serve', ...args], {
      env: { ...this.#environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { promise: settled, resolve } = Promise.withResolvers<void>()
    const member: Member = {
      child,
      start,
      url: undefined,
      output: '',
      readyAt: undefined,
      endAt: undefined,
      endedAt: undefined,
      settled,
    }
    const hear = (chunk: Buffer) => {
      member.output = (member.output + chunk.toString()).slice(-20_000)
      if (member.url !== undefined) return
      member.url = /is ready on (\S+)/.exec(member.output)?.[1]
      if (member.url === undefined) return
      member.readyAt = performance.now()
      resolve()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('exit', () => {
      member.endedAt = performance.now()
      this.members.splice(this.members.indexOf(member), 1)
      resolve()
    })
    this.members.push(member)
    this.everyone.push(member)
    return member
  }

  /** Starts one, and waits until it is ready. @throws when it ends instead */
  async start(start: Start = {}): Promise<Member> {
    const member = this.launch(start)
    await member.settled
    if (member.url === undefined) throw new Error(`a process of the service did not start:\n${member.output}`)
    return member
  }

  /** Those that take events, and were ready when they were last heard of. */
  urls(): readonly string[] {
    return this.members.flatMap(({ url, start }) => (start.args?.includes('worker') ? [] : (url ?? [])))
  }

  /** Sends a signal that ends it, and waits for the end. @returns exit code or signal */
  async end(member: Member, signal: NodeJS.Signals): Promise<number | string> {
    const { child } = member
    if (child.exitCode === null && child.signalCode === null) {
      member.endAt = performance.now()
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode ?? child.signalCode ?? 0
  }

  /** Runs another command of the service, to its end. */
  async command(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    const child = spawn(process.execPath, [launcher(), ...args], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    child.stderr.on('data', chunk => {
      output += chunk
    })
    const [code] = await once(child, 'close')
    return { code: typeof code === 'number' ? code : 1, output }
  }

  async close(signal: NodeJS.Signals): Promise<void> {
    await Promise.all([...this.members].map(member => this.end(member, signal)))
  }
}
