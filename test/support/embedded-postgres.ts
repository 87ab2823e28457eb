import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import {
  type EmbeddedConnection,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres/embedded-postgres.ts'
// Not a plain signal 0: where nobody collects orphans, a server that has ended stays listed as a zombie.
import { isAlive } from '../../src/platform/embedded-postgres/process.ts'
import { makeDataFolder } from './data-folder.ts'
import { eventually } from './eventually.ts'

/** For other processes to import. */
export const moduleUrl = new URL('../../src/platform/embedded-postgres/embedded-postgres.ts', import.meta.url)
  .href

let made: Promise<string> | undefined

/**
 * Copies the data of a first start, which was stopped, to a path that is not there yet. To make the data takes most of the
 * time of a start.
 */
export async function copyMadeData(dataDir: string): Promise<void> {
  made ??= madeOnce()
  execFileSync('cp', ['-a', await made, dataDir])
}

async function madeOnce(): Promise<string> {
  const folder = await makeDataFolder('embedded-made-')
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const server = await startEmbeddedPostgres({ dataDir, stateDir: join(folder, 'state'), log: () => {} })
  await server.stop()
  return dataDir
}

/** The same as `world`, where there was a first start before: for what is about later ones. */
export async function worldThatWasStarted(t: TestContext): Promise<World> {
  const here = await world(t)
  await copyMadeData(here.dataDir)
  return here
}

/** A folder that other accounts may pass, with what was started in it ended before it goes. */
export async function world(t: TestContext): Promise<World> {
  const folder = await makeDataFolder('embedded-')
  const pids = new Set<number>()
  t.after(async () => {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGQUIT')
    for (const pid of pids) await eventually(() => !isAlive(pid))
    await rm(folder, { recursive: true, force: true })
  })
  const dataDir = join(folder, 'data')
  const stateDir = join(folder, 'state')
  return {
    folder,
    dataDir,
    stateDir,
    pids,
    async start(options = {}) {
      const server = await startEmbeddedPostgres({ dataDir, stateDir, log: () => {}, ...options })
      pids.add(server.pid)
      return server
    },
  }
}

/** Where a test plays. */
export interface World {
  readonly folder: string
  readonly dataDir: string
  readonly stateDir: string
  /** Servers to be ended after the test. */
  readonly pids: Set<number>
  start(options?: {
    readonly dataDir?: string
    readonly binariesDir?: string
    readonly log?: (message: string) => void
    readonly signal?: AbortSignal
    readonly onUnexpectedExit?: () => void
  }): Promise<EmbeddedPostgres>
}

/** One statement on a connection of its own. @returns its first row */
export async function query(connection: EmbeddedConnection, text: string): Promise<Record<string, string>> {
  const client = new pg.Client(connection)
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query(text)
    return rows[0] ?? {}
  } finally {
    await client.end()
  }
}

interface Started {
  readonly pid: number
  readonly adopted: boolean
  readonly connection: EmbeddedConnection
}

/** Another process of the service: says what it started, and stops it when its standard input ends. */
export async function otherProcess(t: TestContext, { dataDir, stateDir, pids }: World, uid?: number) {
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(moduleUrl)})
    const [dataDir, stateDir] = process.argv.slice(1)
    const { pid, adopted, connection, stop } = await startEmbeddedPostgres({ dataDir, stateDir, log() {} })
      .then(server => ({ pid: server.pid, adopted: server.adopted, connection: server.connection, stop: () => server.stop() }))
    console.log(JSON.stringify({ pid, adopted, connection }))
    process.stdin.resume().on('end', stop)`
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', code, dataDir, stateDir],
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/', ...(uid === undefined ? {} : { uid, gid: uid }) },
  )
  t.after(() => child.kill('SIGKILL'))
  assert.ok(child.stdout)
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([exit]) => assert.fail(`the other process ended with ${exit}`)),
  ])
  const started: Started = JSON.parse(line)
  pids.add(started.pid)
  return {
    started,
    async end() {
      const ended = once(child, 'exit')
      child.stdin?.end()
      const [exit] = await ended
      assert.equal(exit, 0)
    },
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** The folder of the package with the binaries. */
export function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return dirname(
    dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}-${process.arch}`))),
  )
}

/** As whom a process runs. */
export async function uidOf(pid: number): Promise<number> {
  return (await stat(`/proc/${pid}`)).uid
}
