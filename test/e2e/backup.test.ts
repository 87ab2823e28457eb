import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
// Not a plain signal 0: where nobody collects orphans, a process that has ended stays listed as a zombie.
import { isAlive } from '../../src/platform/embedded-postgres/process.ts'
import { makeDataFolder } from '../support/data-folder.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import {
  client,
  processWorld,
  runCommand,
  runCommandBeside,
  type ServiceProcess,
  startProcess,
} from '../support/service.ts'

test('local mode: a backup under load, everything killed, restored elsewhere: nothing of then is missing, and it goes on', async () => {
  const folder = await makeDataFolder('webhooks-backup-')
  const here = { DATA_DIR: join(folder, 'here'), PORT: '0' }
  const there = { DATA_DIR: join(folder, 'there'), PORT: '0' }
  // One in five fails the first time, so that lanes have work.
  const failed = new Set<string>()
  await using receiver = await startReceiver(({ headers }, index) => {
    const id = String(headers['webhook-id'])
    if (index % 5 > 0 || failed.has(id)) return { delayMs: 3 }
    failed.add(id)
    return { status: 500 }
  })
  let source: ServiceProcess | undefined
  let target: ServiceProcess | undefined
  try {
    source = await startProcess(here)
    const { url } = source
    const retry = { schedule_seconds: [1, 1, 1] }
    const { id } = await client(url).subscribe({
      target_url: receiver.origin,
      retry,
      headers: { 'x-a': 'secret' },
    })
    const paused = await client(url).subscribe({ target_url: receiver.origin, retry })
    await client(url).patch(paused.id, { paused: true })
    const waiting = [await client(url).ingest(paused.id), await client(url).ingest(paused.id)]
    const before: string[] = []
    const load = keepSending(url, id, before)
    await eventually(() => before.length > 300)
    const surelyIn = before.length
    const file = join(folder, 'one.backup')
    const made = await runCommandBeside(['backup', file], here)
    assert.equal(made.status, 0, made.stderr)
    assert.match(made.stdout, /Backed up \d+ rows.*\nThe encryption key is in it/)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const later = before.length
    await eventually(() => before.length > later + 50)
    await killAll(source)
    await load.stop()

    const restored = runCommand(['restore', file], there)
    assert.equal(restored.status, 0, restored.stderr)
    const audited = runCommand(['audit'], there)
    assert.equal(audited.status, 0, audited.stdout)
    assert.match(audited.stdout, /missing\s+0/)

    target = await startProcess(there)
    const restoredService = client(target.url)
    const recorded = await fetch(`${target.url}/audit?action=backup.restored`)
    assert.equal(((await recorded.json()) as unknown[]).length, 1)
    for (const webhookId of before.slice(0, surelyIn)) {
      const { status } = await eventually(
        () => restoredService.status(webhookId),
        answer => answer.status !== 'pending',
      )
      assert.equal(status, 'success', webhookId)
    }
    // What waited waits still, and its secrets can be opened.
    assert.equal((await restoredService.status(waiting[0] ?? '')).status, 'pending')
    await restoredService.patch(paused.id, { paused: false })
    await eventually(() =>
      waiting.every(wanted => receiver.received.some(got => got.headers['webhook-id'] === wanted)),
    )
    const last = receiver.received.at(-1)
    assert.ok(last?.headers['webhook-signature'])
    await restoredService.ingest(id)
    await eventually(() => receiver.received.at(-1)?.headers['x-a'] === 'secret')
    assert.equal(await target.end('SIGTERM'), 0)
  } finally {
    await source?.end('SIGKILL')
    await target?.end('SIGTERM')
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
})

/** Senders that end with the service. */
function keepSending(url: string, id: number, accepted: string[]) {
  let running = true
  const send = async () => {
    while (running) {
      await client(url)
        .ingest(id)
        .then(
          webhookId => accepted.push(webhookId),
          () => {}, // nobody takes it now; it is counted when somebody has
        )
      await sleep(10) // without a pause they take the processor from the backup
    }
  }
  const all = Promise.all(Array.from({ length: 4 }, send))
  return {
    async stop() {
      running = false
      await all
    },
  }
}

async function killAll(service: ServiceProcess): Promise<void> {
  const postgres = Number(/"postgres_pid":(\d+)/.exec(service.output())?.[1])
  await service.end('SIGKILL')
  process.kill(postgres, 'SIGKILL')
  await eventually(() => !isAlive(postgres))
}

const key = Buffer.alloc(32, 7).toString('base64')
const otherKey = Buffer.alloc(32, 8).toString('base64')

test('server mode: the keys of ENCRYPTION_KEYS are not in a backup, and a restore asks for them before it changes anything', async () => {
  await using world = await processWorld({ ENCRYPTION_KEYS: key })
  const service = await world.start()
  await client(service.url).subscribe({ target_url: 'https://example.org', paused: true })
  const folder = join(world.environment.DATA_DIR ?? '', 'backups')
  await mkdir(folder)
  const made = runCommand(['backup', folder], world.environment)
  assert.equal(made.status, 0, made.stderr)
  assert.match(made.stdout, /The encryption key [0-9a-f]{8} is NOT in it. Keep ENCRYPTION_KEYS as well/)
  const [name = ''] = await readdir(folder)
  assert.match(name, /^webhooks-\d{4}-\d\d-\d\dT\d{6}Z\.backup$/)
  await service.end('SIGTERM')

  const target = await testDatabase({ migrated: false })
  try {
    const elsewhere = { ...world.environment, DATABASE_URL: target.url, DATA_DIR: join(folder, 'other') }
    const restore = (settings: object) => runCommand(['restore', folder], { ...elsewhere, ...settings })
    const without = restore({ ENCRYPTION_KEYS: undefined })
    assert.equal(without.status, 1)
    assert.match(
      without.stderr,
      /^webhooks: The secrets in this backup are sealed .* Set ENCRYPTION_KEYS .* Nothing was changed\.\n$/,
    )
    assert.match(restore({ ENCRYPTION_KEYS: otherKey }).stderr, /which ENCRYPTION_KEYS does not have/)
    const { rows } = await target.database.query({ text: "select to_regclass('owed') as owed" })
    assert.deepEqual(rows, [{ owed: null }])
    assert.equal(restore({ ENCRYPTION_KEYS: `${otherKey},${key}` }).status, 0)
    const again = restore({})
    assert.match(again.stderr, /not empty .*--force/)
    assert.equal(runCommand(['restore', folder, '--force'], elsewhere).status, 0)
  } finally {
    await target.close()
  }
})

test('a backup overwrites nothing, and leaves nothing half made', async () => {
  await using world = await processWorld()
  const folder = join(world.environment.DATA_DIR ?? '', 'backups')
  await mkdir(folder)
  const file = join(folder, 'mine')
  await writeFile(file, 'mine')
  const refused = runCommand(['backup', file], world.environment)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /exists already/)
  assert.equal(await readFile(file, 'utf8'), 'mine')
  await world.world.database.query({
    text: 'drop table lanes cascade; create view lanes as select 1/0 as broken',
  })
  const failed = runCommand(['backup', folder], world.environment)
  assert.equal(failed.status, 1, failed.stdout)
  assert.deepEqual(await readdir(folder), ['mine'])
  assert.match(runCommand(['backup'], {}).stderr, /takes one path/)
  assert.match(runCommand(['restore', join(folder, 'none')], world.environment).stderr, /There is no /)
  assert.match(
    runCommand(['restore', file], world.environment).stderr,
    /no backup of the webhook delivery service/,
  )
})
