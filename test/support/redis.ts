import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'

/** A real redis-server of a test's own, on a port of its own; what it holds goes with it. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Ends it like a power cut. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>
  /** It keeps its connections and answers nothing, until `resume`. */
  freeze(): void
  resume(): void
  /** Sends one command, as `CONFIG SET maxmemory 1`, over a connection of its own. @returns the answer as it came */
  command(...words: readonly string[]): Promise<string>
}

/** Without redis-server a test is skipped; in CI it fails, or nobody would notice. @returns undefined when skipped */
export async function testRedis(
  t: TestContext,
  options: readonly string[] = [],
): Promise<TestRedis | undefined> {
  const found = isInstalled()
  if (!found && process.env.CI) throw new Error('redis-server is not on PATH; .ci/run installs it')
  if (!found) {
    t.skip('redis-server is not on PATH')
    return undefined
  }
  return await startRedis(options)
}

let installed: boolean | undefined

/** Asked once in a process: it takes 17 ms of the processor. */
function isInstalled(): boolean {
  installed ??= spawnSync('redis-server', ['--version']).status === 0
  return installed
}

/** For what is no test: without redis-server it fails. */
export async function startRedis(options: readonly string[] = []): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'webhooks-redis-'))
  const port = await freePort()
  const password = options[options.indexOf('--requirepass') + 1]
  const auth = options.includes('--requirepass') ? `:${password}@` : ''
  const fixed = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir]
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn('redis-server', [...fixed, ...options], { stdio: 'ignore' })
    await eventually(
      () => send(port, ['PING']).catch(String),
      answer => /PONG|NOAUTH/.test(answer),
    )
  }

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  await start()
  return {
    url: `redis://${auth}127.0.0.1:${port}`,
    port,
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    command: (...words) => send(port, words, auth === '' ? undefined : password),
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** One command in the plain protocol: a test of the client is not to rest on the client. */
async function send(port: number, words: readonly string[], password?: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    if (password !== undefined) {
      socket.write(encode(['AUTH', password]))
      await once(socket, 'data')
    }
    socket.write(encode(words))
    const [answer] = await once(socket, 'data')
    return String(answer).trim()
  } finally {
    socket.destroy()
  }
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port was given')
  return address.port
}
