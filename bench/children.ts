import { type ChildProcess, fork, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command, Reply } from './protocol.ts'

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
const LOG_TAIL_BYTES = 3_000
/** Waits of 20 ms each. PostgreSQL itself kills its processes after 5 s. */
const POSTMASTER_WAITS = 350

/** A process of the benchmark. What it writes goes to a file, so that it can be shown when it fails. */
export interface Child {
  readonly name: string
  readonly pid: number
  readonly process: ChildProcess
  readonly logFile: string
}

/** How to start a process: a file of this folder talks over IPC, the service only over HTTP. */
export interface Launch {
  readonly name: string
  readonly file: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly nodeFlags?: readonly string[]
  readonly ipc: boolean
}

/** Everything that was opened: processes, stop actions and one temporary directory. All are closed together. */
export class Children {
  readonly directory: string
  readonly #children = new Set<Child>()

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'webhooks-bench-'))
    // The last resort: an exit cannot wait, so what still runs is killed. Usually nothing does.
    process.on('exit', () => this.killAll())
  }

  /** The path of a subdirectory, which its user makes. PostgreSQL may run as another account, which must be able to enter. */
  async path(name: string): Promise<string> {
    await chmod(this.directory, 0o755)
    return join(this.directory, name)
  }

  launch(launch: Launch): Child {
    const logFile = join(this.directory, `${launch.name}-${this.#children.size}-${Date.now()}.log`)
    const output = openSync(logFile, 'a')
    const args = [...(launch.args ?? [])]
    const env = { ...process.env, ...launch.env }
    const flags = [...(launch.nodeFlags ?? [])]
    const child = launch.ipc
      ? fork(launch.file, args, { env, execArgv: flags, stdio: ['ignore', output, output, 'ipc'] })
      : spawn(process.execPath, [...flags, launch.file, ...args], { env, stdio: ['ignore', output, output] })
    closeSync(output)
    if (child.pid === undefined) throw new Error(`${launch.name} could not be started.`)
    const started = { name: launch.name, pid: child.pid, process: child, logFile }
    this.#children.add(started)
    return started
  }

  /** SIGTERM, then SIGKILL when it takes too long. */
  async stop(child: Child): Promise<void> {
    if (!this.#children.delete(child)) return
    if (child.process.exitCode !== null || child.process.signalCode !== null) return
    const exited = new Promise<void>(resolve => child.process.once('exit', () => resolve()))
    child.process.kill('SIGTERM')
    const timer = setTimeout(() => child.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }

  /**
   * Ends everything that is left by its pid, and removes the directory. Safe to call again. A PostgreSQL that the service
   * started is no child of this process, so its pid is read from the file it wrote.
   */
  killAll(): void {
    for (const child of this.#children) child.process.kill('SIGKILL')
    this.#children.clear()
    if (!existsSync(this.directory)) return
    const postmasters = postmastersIn(this.directory).filter(isPostmaster)
    for (const pid of postmasters) process.kill(pid, 'SIGQUIT')
    // A process writes until it has ended, and a directory that is written to cannot be removed.
    for (let wait = 0; wait < POSTMASTER_WAITS && postmasters.some(isPostmaster); wait++) sleep(20)
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

/**
 * The PostgreSQL servers with data directories in this directory. They are found by their pid files, which works whoever
 * started them.
 */
export function postmastersIn(directory: string): readonly number[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('postmaster.pid'))
    .map(file => Number.parseInt(readFileSync(join(directory, file), 'utf8'), 10))
}

/** Whether it is still that server: another process may have the pid by now, or the server may have ended as a zombie. */
function isPostmaster(pid: number): boolean {
  try {
    return /\(postgres\) [^Z]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** Blocks, because an exit handler cannot wait in another way. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The end of a process's output, for the message of an error. */
export function logTail(child: Child): string {
  return readFileSync(child.logFile, 'utf8').slice(-LOG_TAIL_BYTES)
}

/** Waits for the child's reply of this kind. Fails with the end of its output when it ends, or does not reply in time. */
export function expect<Kind extends Reply['kind']>(
  child: Child,
  kind: Kind,
  timeoutMs = START_TIMEOUT_MS,
): Promise<Extract<Reply, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      done()
      reject(new Error(`${child.name} ${why}.\n${logTail(child)}`))
    }
    const onMessage = (message: unknown) => {
      // Both ends of the channel are this folder's, see protocol.ts.
      const reply = message as Reply
      if (reply.kind !== kind) return
      done()
      resolve(reply as Extract<Reply, { kind: Kind }>)
    }
    const onExit = () => fail('ended too early')
    const timer = setTimeout(() => fail(`did not say "${kind}" within ${timeoutMs} ms`), timeoutMs)
    const done = () => {
      clearTimeout(timer)
      child.process.off('message', onMessage).off('exit', onExit)
    }
    child.process.on('message', onMessage).on('exit', onExit)
  })
}

/** Sends a command and waits for its reply. */
export function ask<Kind extends Reply['kind']>(
  child: Child,
  command: Command,
  kind: Kind,
  timeoutMs: number,
): Promise<Extract<Reply, { kind: Kind }>> {
  const answer = expect(child, kind, timeoutMs)
  child.process.send(command)
  return answer
}
