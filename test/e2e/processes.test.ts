import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runTail } from '../../src/cli/tail.ts'
import { audit } from '../../src/monitor/audit.ts'
// Not a plain signal 0: where nobody collects orphans, a process that has ended stays listed as a zombie.
import { isAlive } from '../../src/platform/embedded-postgres/process.ts'
import { makeDataFolder } from '../support/data-folder.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import {
  client,
  processWorld,
  runCommand,
  type ServiceProcess,
  settledAudit,
  startProcess,
} from '../support/service.ts'

/** The children that the banner names. */
function childrenOf(service: ServiceProcess): readonly number[] {
  const [, list] = /processes +\d+, sharing the port \(([\d, ]+)\)/.exec(service.output()) ?? []
  return (list ?? '').split(', ').map(Number)
}

/** The lines that are JSON objects: the log. */
function logLines(service: ServiceProcess): readonly { readonly msg?: string; readonly pid?: number }[] {
  return service
    .lines()
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line))
}

const gone = (pids: readonly number[]) =>
  eventually(
    () => pids.filter(isAlive),
    alive => alive.length === 0,
  )

/** Sends on connections of its own until told to stop; remembers what was accepted. */
function keepSending(url: string, id: number, senders: number) {
  const accepted: string[] = []
  let running = true
  const send = async () => {
    while (running) {
      await client(url)
        .ingest(id, '{"a":1}', { 'content-type': 'application/json', connection: 'close' })
        .then(
          webhookId => accepted.push(webhookId),
          () => {}, // a cut connection is not an answer
        )
      await sleep(5) // without a pause they take the processor from the process that is to start
    }
  }
  const done = Promise.all(Array.from({ length: senders }, send))
  const stop = async () => {
    running = false
    await done
  }
  return { accepted, stop, [Symbol.asyncDispose]: stop }
}

test('all children serve the one port, the banner comes once, and a stop leaves none of them', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ PROCESSES: '3', LOG_LEVEL: 'info' })
  const service = await world.start()
  const children = childrenOf(service)
  assert.equal(children.length, 3)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  await using load = keepSending(service.url, id, 6)
  const serving = () => new Set(logLines(service).flatMap(({ msg, pid }) => (msg === 'accepted' ? pid : [])))
  await eventually(() => serving().size === 3)
  await load.stop()
  assert.deepEqual([...serving()].sort(), [...children].sort(), 'lines say which child they are of')
  assert.equal((await settledAudit(world.world)).missing, 0)
  assert.equal(await service.end('SIGTERM'), 0)
  assert.equal(service.output().match(/is ready on/g)?.length, 1)
  assert.deepEqual(children.filter(isAlive), [])
})

test('kill -9 of a child under load: the port stays, another takes its place, and nothing is lost', async () => {
  await using receiver = await startReceiver({ delayMs: 2 })
  await using world = await processWorld({
    PROCESSES: '2',
    LOG_LEVEL: 'info',
    SUBSCRIPTION_MAX_IN_FLIGHT: '50',
  })
  const service = await world.start()
  const [victim = 0, other] = childrenOf(service)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  await using load = keepSending(service.url, id, 8)
  await eventually(() => load.accepted.length > 200)
  process.kill(victim, 'SIGKILL')
  await eventually(() => logLines(service).some(({ msg }) => msg === 'a new process is ready'))
  const serving = () =>
    new Set(logLines(service).flatMap(({ msg, pid }) => (msg === 'accepted' && pid !== victim ? pid : [])))
  await eventually(() => serving().size === 2)
  assert.ok(serving().has(other))
  await load.stop()
  assert.equal((await settledAudit(world.world)).missing, 0)
  const received = new Set(receiver.received.map(got => String(got.headers['webhook-id'])))
  assert.deepEqual(
    load.accepted.filter(webhookId => !received.has(webhookId)),
    [],
  )
  assert.equal(await service.end('SIGTERM'), 0)
})

test('`webhooks tail` shows what every child accepts, once each, also when both are killed one after the other', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ PROCESSES: '2', LOG_LEVEL: 'info' })
  const service = await world.start()
  const children = childrenOf(service)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  const [lines, notes]: [string[], string[]] = [[], []]
  const stop = new AbortController()
  const io = { out: (text: string) => lines.push(text), err: (text: string) => notes.push(text) }
  const tailing = runTail(
    [service.url, '--kind', 'accepted', '--json'],
    { ...io, environment: {} },
    stop.signal,
  )
  const shown = (): ReadonlySet<string> => new Set(lines.map(line => JSON.parse(line).data.webhook_id))
  // From now on it is connected.
  const first = [await client(service.url).ingest(id)]
  await eventually(async () => {
    if (lines.length > 0) return true
    first.push(await client(service.url).ingest(id))
    return false
  })
  await using load = keepSending(service.url, id, 2)
  const ready = () => logLines(service).filter(({ msg }) => msg === 'a new process is ready').length
  for (const [index, child] of children.entries()) {
    const before = load.accepted.length
    await eventually(() => load.accepted.length > before + 50)
    process.kill(child, 'SIGKILL')
    await eventually(() => ready() === index + 1)
  }
  const before = load.accepted.length
  await eventually(() => load.accepted.length > before + 50)
  await load.stop()
  await eventually(
    () => {
      const all = shown()
      return load.accepted.filter(webhookId => !all.has(webhookId))
    },
    missing => missing.length === 0,
  )
  stop.abort()
  assert.equal(await tailing, 0)
  assert.ok(
    notes.some(note => note.startsWith('no connection')),
    'the child that it was connected to was killed',
  )
  assert.equal(lines.length, shown().size, 'nothing is shown twice')
})

test('Ctrl-C reaches supervisor and children alike, and is one request to stop: what is in flight is finished', async t => {
  if (process.platform === 'win32') return t.skip('Windows has no process groups to signal')
  await using receiver = await startReceiver({ delayMs: 600 })
  await using world = await processWorld({ PROCESSES: '2' })
  const service = await world.start({ group: true })
  const children = childrenOf(service)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  await client(service.url).ingest(id)
  await receiver.waitFor(1)
  process.kill(-(service.child.pid ?? 0), 'SIGINT')
  await once(service.child, 'exit')
  assert.equal(service.child.exitCode, 0)
  assert.deepEqual(children.filter(isAlive), [])
  const report = await settledAudit(world.world)
  assert.deepEqual([report.final, report.missing], [1, 0])
  assert.equal(receiver.received.length, 1, 'it was not cut off')
})

test('a second signal ends all of them at once', async () => {
  await using receiver = await startReceiver({ fault: 'hang' })
  await using world = await processWorld({ PROCESSES: '2', LOG_LEVEL: 'info', SHUTDOWN_TIMEOUT_MS: '60000' })
  const service = await world.start()
  const children = childrenOf(service)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin, timeout_ms: 30_000 })
  await client(service.url).ingest(id)
  await receiver.waitFor(1)
  service.child.kill('SIGTERM')
  await eventually(() => logLines(service).some(({ msg }) => msg?.startsWith('stopping; a second signal')))
  const askedAt = performance.now()
  const again = setInterval(() => service.child.kill('SIGTERM'), 200) // those that come at once are the same request
  await once(service.child, 'exit')
  clearInterval(again)
  assert.equal(service.child.exitCode, 143)
  await gone(children)
  assert.ok(performance.now() - askedAt < 28_000, 'they waited for nothing')
})

test('children do not outlive a supervisor that was killed: they stop as if asked to', async () => {
  await using receiver = await startReceiver({ delayMs: 600 })
  await using world = await processWorld({ PROCESSES: '2' })
  const service = await world.start()
  const children = childrenOf(service)
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  await client(service.url).ingest(id)
  await receiver.waitFor(1)
  await service.end('SIGKILL')
  await gone(children)
  const { final, owed, missing } = await audit(world.world.database)
  assert.deepEqual([final, owed, missing], [1, 0, 0])
  assert.equal(receiver.received.length, 1, 'it was not cut off')
})

test('what keeps the children from starting is said once, and nothing stays behind', async () => {
  await using world = await processWorld({ AUTH: 'keys' })
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { status, stdout, stderr } = runCommand(['serve', '--processes', '2'], {
    ...world.environment,
    PORT: String(port),
  })
  other.close()
  assert.equal(status, 1)
  assert.match(stderr, /^webhooks: Cannot listen on 127\.0\.0\.1:\d+ .*PORT.*\n$/)
  assert.doesNotMatch(stdout, /KEY=/)
})

test('several processes say once where the first API key is, and all of them take it', async () => {
  await using world = await processWorld({ AUTH: 'keys', PROCESSES: '2' })
  const service = await world.start()
  const files = [...service.output().matchAll(/KEY=\$\(cat (\S+)\)/g)]
  assert.equal(files.length, 1)
  assert.doesNotMatch(service.output(), /whk_/)
  const authorization = `Bearer ${(await readFile(files[0]?.[1] ?? '', 'utf8')).trim()}`
  for (let n = 0; n < 6; n++) {
    const answer = await fetch(`${service.url}/subscriptions/`, {
      headers: { authorization, connection: 'close' },
    })
    assert.equal(answer.status, 200)
  }
  await service.end('SIGTERM')
})

test('local mode: the database survives the child that started it, commands join in, and the stop stops it', async () => {
  const dataDir = await makeDataFolder('webhooks-processes-')
  const environment = { DATA_DIR: dataDir, PORT: '0', PROCESSES: '2' }
  await using receiver = await startReceiver()
  let service: ServiceProcess | undefined
  try {
    service = await startProcess(environment)
    const { url, output } = service
    const postgres = Number(/"postgres_pid":(\d+)/.exec(output())?.[1])
    const { id } = await client(url).subscribe({ target_url: receiver.origin })
    process.kill(childrenOf(service)[0] ?? 0, 'SIGKILL') // the first one to start is the one that started it
    await eventually(
      () =>
        client(url)
          .ingest(id)
          .catch(() => ''),
      webhookId => webhookId !== '',
    )
    assert.doesNotMatch(output(), /a new process is ready/, 'the other one took it')
    await receiver.waitFor(1)
    assert.ok(isAlive(postgres))
    const audited = runCommand(['audit'], { DATA_DIR: dataDir })
    assert.equal(audited.status, 0, audited.stderr)
    await eventually(() => output().includes('a new process is ready'))
    assert.equal(await service.end('SIGTERM'), 0)
    await gone([postgres])
  } finally {
    await service?.end('SIGTERM')
    await rm(dataDir, { recursive: true, force: true })
  }
})
