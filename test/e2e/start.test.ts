import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { glob, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeDataFolder } from '../support/data-folder.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, runCommand, type ServiceProcess, startProcess } from '../support/service.ts'

test('wrong settings are all named at once, with exit code 1 and no stack', () => {
  const { status, stderr } = runCommand(['serve'], { PORT: 'abc', LOG_RETENTION_HOURS: '-1', AUTH: 'maybe' })
  assert.equal(status, 1)
  for (const name of ['PORT', 'LOG_RETENTION_HOURS', 'AUTH']) assert.match(stderr, new RegExp(name))
  assert.doesNotMatch(stderr, /\n\s+at /)
})

test('an unreachable database is one clear line and exit code 1', () => {
  const { status, stderr } = runCommand(['serve'], {
    DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:9/none',
    AUTH: 'none',
    PORT: '0',
  })
  assert.equal(status, 1)
  assert.match(stderr, /Cannot use the database 127\.0\.0\.1:9\/none: .*ECONNREFUSED.*DATABASE_URL/)
  assert.doesNotMatch(stderr, /hunter2/)
  assert.equal(stderr.trim().split('\n').length, 1)
})

test('a port that is taken is one clear line and exit code 1, and costs nobody the first API key', async () => {
  await using world = await processWorld({ AUTH: 'keys' })
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { status, stderr } = runCommand(['serve'], { ...world.environment, PORT: String(port) })
  other.close()
  assert.equal(status, 1)
  assert.match(stderr, /Cannot listen on 127\.0\.0\.1:\d+ .*PORT/)

  const { url, output } = await world.start()
  assert.doesNotMatch(output(), /whk_/)
  const [, file = ''] = /KEY=\$\(cat (\S+)\)/.exec(output()) ?? []
  const key = (await readFile(file, 'utf8')).trim()
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const answer = await fetch(`${url}/subscriptions/`, { headers: { authorization: `Bearer ${key}` } })
  assert.equal(answer.status, 200)
})

test('a port that is taken is noticed before a database is made, with one process and with several', async () => {
  const folder = await makeDataFolder('webhooks-e2e-')
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const port = typeof address === 'object' ? address?.port : 0
  for (const processes of ['1', '2']) {
    const environment = { DATA_DIR: join(folder, 'data'), PORT: String(port), PROCESSES: processes }
    const { status, stderr } = runCommand(['serve'], environment)
    assert.equal(status, 1)
    assert.match(stderr, /^webhooks: Cannot listen on 127\.0\.0\.1:\d+ .*PORT.*\n$/)
    assert.deepEqual(await readdir(folder), [])
  }
  other.close()
  await rm(folder, { recursive: true })
})

test('an address that is not of this machine is said to be that', async () => {
  await using world = await processWorld()
  const { status, stderr } = runCommand(['serve'], { ...world.environment, HOST: '192.0.2.1' })
  assert.equal(status, 1)
  assert.match(stderr, /Cannot listen on 192\.0\.2\.1:0 .*Set HOST/)
})

test('an unknown command says what there is', () => {
  const { status, stdout, stderr } = runCommand(['sevre'], {})
  assert.equal(status, 2)
  assert.match(stderr, /no command "sevre"/)
  assert.match(stdout, /serve/)
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const [, listed = ''] = /### Commands\n([\s\S]*?)\n### /.exec(readme) ?? []
  const names = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = '']) => name)
  assert.ok(names.length > 10)
  assert.deepEqual(
    names.filter(name => !listed.includes(`\`${name}`) && !listed.includes(`webhooks ${name}`)),
    [],
    'the README lists all of them',
  )
})

test('a command says what it does, and refuses what it does not take', () => {
  const nowhere = { DATABASE_URL: 'postgresql://u@127.0.0.1:9/none' }
  const help = runCommand(['prune', '--help'], nowhere)
  assert.equal(help.status, 0)
  assert.match(help.stdout, /Usage: webhooks prune[\s\S]*retention/)
  const refused = runCommand(['audit', 'all'], nowhere)
  assert.equal(refused.status, 2)
  assert.match(refused.stderr, /audit takes no arguments \(got all\)/)
})

test('local mode: the embedded PostgreSQL survives a kill -9 of the service and is adopted, and one of its own', async () => {
  const dataDir = await makeDataFolder('webhooks-e2e-')
  const environment = { DATA_DIR: dataDir, PORT: '0' }
  await using receiver = await startReceiver()
  const started: ServiceProcess[] = []
  const start = async () => {
    const service = await startProcess(environment)
    started.push(service)
    return service
  }
  try {
    const first = await start()
    const { id } = await client(first.url).subscribe({ target_url: receiver.origin, paused: true })
    const webhookId = await client(first.url).ingest(id)
    await first.end('SIGKILL')

    const second = await start()
    assert.match(second.output(), /adopted/)
    assert.equal((await client(second.url).status(webhookId)).status, 'pending')
    await client(second.url).patch(id, { paused: false })
    await receiver.waitFor(1)

    // Now the database itself: 503 while it is away, then all is well again, by itself.
    const pid = Number(await readPid(dataDir))
    const refusal = firstRefusal(() =>
      client(second.url).post(`/ingest/${id}`, '{}', { 'content-type': 'application/json' }),
    )
    process.kill(pid, 'SIGKILL')
    assert.ok((await refusal).headers.get('retry-after'))
    const after = await eventually(
      () =>
        client(second.url)
          .ingest(id)
          .catch(() => ''),
      answer => answer !== '',
    )
    await eventually(
      () => client(second.url).status(after),
      answer => answer.status === 'success',
    )

    const audited = runCommand(['audit'], environment)
    assert.equal(audited.status, 0, audited.stdout + audited.stderr)
    assert.match(audited.stdout, /missing\s+0/)
    assert.equal(await second.end('SIGTERM'), 0)
  } finally {
    await Promise.all(started.map(service => service.end('SIGTERM')))
    await rm(dataDir, { recursive: true, force: true })
  }
})

/**
 * Asks without a pause, so that it meets what lasts for a moment: something is always under way then. @returns the first
 * answer that is a 503
 */
async function firstRefusal(ask: () => Promise<Response>): Promise<Response> {
  const end = performance.now() + 60_000
  for (;;) {
    const answer = await ask()
    if (answer.status === 503) return answer
    assert.ok(performance.now() < end, `it answers ${answer.status}`)
    await answer.body?.cancel()
  }
}

/** The first line of the pid file that PostgreSQL keeps in its data directory. */
async function readPid(dataDir: string): Promise<string> {
  for await (const path of glob('**/postmaster.pid', { cwd: dataDir })) {
    return (await readFile(join(dataDir, path), 'utf8')).split('\n')[0] ?? ''
  }
  throw new Error(`no postmaster.pid below ${dataDir}`)
}

test('what one process compiled the next one has, beside the code', async () => {
  const cache = new URL('../../node_modules/.cache/webhooks/', import.meta.url)
  const launcher = fileURLToPath(new URL('../../bin/webhooks.js', import.meta.url))
  const { status } = spawnSync(process.execPath, [launcher, 'audit'], {
    env: { PATH: process.env.PATH, DATABASE_URL: 'postgresql://u@127.0.0.1:9/none' },
  })
  assert.equal(status, 1)
  assert.ok((await readdir(cache)).length > 0)
})
