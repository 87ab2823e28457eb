import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { after, suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
// Not a plain signal 0: where nobody collects orphans, a process that has ended stays listed as a zombie.
import { isAlive } from '../../src/platform/embedded-postgres/process.ts'
import { makeDataFolder } from '../support/data-folder.ts'
import { copyMadeData } from '../support/embedded-postgres.ts'
import { eventually } from '../support/eventually.ts'
import { nodeEnvironment } from '../support/service.ts'

// Every way to start that the pages and the files for deployment name, in local mode, as a user or a service manager does.

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')
const instruction = (name: string): readonly string[] =>
  JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '[]')

/** `shell`: a shell of npm stands between the program that is started and the service, and a signal ends it. */
const ways: readonly { readonly command: readonly string[]; readonly shell?: true }[] = [
  { command: ['npm', 'start'] },
  { command: ['npm', 'start', '--', '--processes', '2'] },
  { command: ['npm', 'run', 'dev'] },
  { command: [...instruction('ENTRYPOINT'), ...instruction('CMD')] },
  { command: ['bin/webhooks.js', 'serve', '--processes', '2'] },
  { command: ['npx', 'webhooks', 'serve'], shell: true },
]

const folders: string[] = []
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** Data of its own for a test, of a start before. */
async function someData(): Promise<string> {
  const folder = await makeDataFolder('webhooks-ways-')
  folders.push(folder)
  const dataDir = join(folder, 'data')
  await copyMadeData(dataDir)
  return dataDir
}

/** For what never ends. The service gives itself 10.5 s, and a busy machine needs more to end programs. */
const limitMs = 60_000

// They wait more than they work.
suite('ways to start', { concurrency: 3 }, () => {
  for (const { command, shell } of ways) {
    test(`${command.join(' ')} ends on one SIGTERM to it, with all that it started`, async t => {
      if (process.platform !== 'linux') return t.skip('processes are found in /proc')
      const started = await start(t, command)
      started.child.kill('SIGTERM')
      await endsWhole(started)
      if (!shell) assert.equal(started.child.exitCode, 0, started.output())
      assert.match(started.output(), /stopped the embedded PostgreSQL/)
    })

    test(`${command.join(' ')} ends on Ctrl-C, which reaches all programs of the terminal, and finishes what it does`, async t => {
      if (process.platform !== 'linux') return t.skip('processes are found in /proc')
      const started = await start(t, command)
      process.kill(-started.pid, 'SIGINT')
      await endsWhole(started)
      assert.match(started.output(), /stopped the embedded PostgreSQL/, 'it was not cut off')
    })
  }

  test('a service that a script put into the background goes on when the script has ended', async t => {
    if (process.platform !== 'linux') return t.skip('processes are found in /proc')
    const started = await start(t, ['sh', '-c', 'node bin/webhooks.js serve & read line'])
    const service = started
      .family()
      .find(({ args }) => args.includes('bin/webhooks.js serve ') && !args.startsWith('sh'))
    const ended = once(started.child, 'exit')
    started.child.stdin?.end()
    await ended
    await sleep(1500) // longer than it takes to notice the end of a parent
    assert.equal((await fetch(`${started.url}/readyz`)).status, 200)
    process.kill(service?.pid ?? 0, 'SIGTERM')
    await endsWhole(started)
  })

  test('a command that started the embedded PostgreSQL for its time stops it when it is ended', async () => {
    const dataDir = await someData()
    const child = spawn(process.execPath, ['bin/webhooks.js', 'audit'], {
      cwd: checkout,
      env: { ...nodeEnvironment(), DATA_DIR: dataDir },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    let said = ''
    child.stderr?.on('data', chunk => {
      said += chunk
    })
    const ended = once(child, 'close')
    const postgres = await eventually(() => pidOfPostgres(dataDir))
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [1, null])
    assert.equal(said, 'webhooks: Ended before its time (SIGTERM).\n')
    assert.equal(isAlive(postgres), false)
  })

  test('a terminal that is closed ends it cleanly', async t => {
    if (process.platform !== 'linux') return t.skip('processes are found in /proc')
    if (spawnSync('script', ['--version']).status !== 0)
      return t.skip('there is no "script", which makes a terminal')
    const started = await start(t, ['script', '--quiet', '--command', 'npm start', '/dev/null'])
    started.child.kill('SIGKILL')
    await eventually(started.family, left => left.length === 0, limitMs)
    const left = await readFile(join(started.dataDir, 'postgres.log'), 'utf8')
    assert.match(left, /database system is shut down\s*$/)
  })

  test('it starts and goes on when the reader of its output is gone, and ends cleanly', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo // it listens on TCP
    free.close()
    const child = spawn(process.execPath, ['bin/webhooks.js', 'serve'], {
      cwd: checkout,
      env: { ...nodeEnvironment(), DATA_DIR: await someData(), PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child.stdout?.destroy()
    const isReady = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ status }) => status === 200,
        () => child.exitCode !== null,
      )
    await eventually(isReady)
    assert.equal(child.exitCode, null)
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })

  test('a second Ctrl-C ends it at once, and the next start goes on with what that leaves', async t => {
    if (process.platform !== 'linux') return t.skip('processes are found in /proc')
    const first = await start(t, ['npm', 'start'], { SHUTDOWN_DRAIN_MS: '60000' })
    const open = connect(Number(new URL(first.url).port), '127.0.0.1').on('error', () => {})
    // It waits for the rest of this request.
    open.write(
      'POST /subscriptions/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{',
    )
    await once(open, 'connect')
    await (await fetch(`${first.url}/livez`)).text() // what was sent before has come, too
    process.kill(-first.pid, 'SIGINT')
    await eventually(() => first.output().includes('a second signal leaves at once'))
    await sleep(1000) // what comes at once is the same Ctrl-C
    process.kill(-first.pid, 'SIGINT')
    await eventually(first.family, left => left.length === 0, 30_000) // it would wait for 60 s
    open.destroy()
    const second = await start(t, ['npm', 'start'], { DATA_DIR: first.dataDir })
    assert.match(second.output(), /adopted the embedded PostgreSQL/)
    second.child.kill('SIGTERM')
    await endsWhole(second)
  })
})

/** The process that the pid file of the embedded PostgreSQL names; 0: none. */
const pidOfPostgres = (dataDir: string) =>
  Number(read(join(dataDir, 'postgres', 'postmaster.pid')).split('\n')[0])

interface Started {
  readonly child: ChildProcess
  readonly dataDir: string
  readonly pid: number
  readonly url: string
  readonly output: () => string
  /** What descends from it, or has its environment, and still runs. */
  readonly family: () => readonly Running[]
}

interface Running {
  readonly pid: number
  readonly args: string
}

let marks = 0

async function start(
  t: TestContext,
  command: readonly string[],
  settings: Readonly<Record<string, string | undefined>> = {},
): Promise<Started> {
  const [program = '', ...args] = command
  const mark = `ways-${process.pid}-${++marks}`
  const dataDir = settings.DATA_DIR ?? (await someData())
  const node = nodeEnvironment()
  const child = spawn(program === 'bin/webhooks.js' ? `${checkout}/${program}` : program, args, {
    cwd: checkout,
    env: {
      ...node,
      // "node" is the one that runs this test.
      PATH: `${dirname(process.execPath)}${delimiter}${node.PATH}`,
      HOME: process.env.HOME,
      DATA_DIR: dataDir,
      PORT: '0',
      LOG_FORMAT: 'json',
      TEST_MARK: mark,
      ...settings,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // in a process group of its own, as a terminal starts it
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (output += chunk))
  const family = () => running().filter(({ pid }) => environmentOf(pid).includes(`TEST_MARK=${mark}`))
  t.after(() => {
    for (const { pid } of family()) process.kill(pid, 'SIGKILL')
  })
  const url = await eventually(
    () => /is ready on (\S+)/.exec(output)?.[1] ?? (child.exitCode === null ? '' : assert.fail(output)),
    found => found !== '',
    90_000,
  )
  return { child, dataDir, pid: child.pid ?? 0, url, output: () => output, family }
}

/** Waits until nothing of it is left: no process, no database, no port. */
async function endsWhole(started: Started): Promise<void> {
  const { child, output, family, url } = started
  const postgres = Number(/"postgres_pid":(\d+)/.exec(output())?.[1])
  assert.ok(postgres > 0)
  if (child.exitCode === null && child.signalCode === null) {
    await Promise.race([
      once(child, 'exit'),
      sleep(limitMs).then(() => assert.fail(`it goes on:\n${output()}`)),
    ])
  }
  await eventually(family, left => left.length === 0, limitMs)
  assert.equal(isAlive(postgres), false)
  await assert.rejects(fetch(`${url}/readyz`))
}

function running(): readonly Running[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => pid > 0 && isAlive(pid))
    .map(pid => ({ pid, args: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
}

const environmentOf = (pid: number) => read(`/proc/${pid}/environ`).split('\0')

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // it has ended meanwhile
  }
}
