import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { migrationsDirectory, readMigrations } from '../../src/platform/migration-files.ts'
import { Crew, type Member } from '../faults/crew.ts'
import { Load } from '../faults/load.ts'
import { mostlyWell, Receiver } from '../faults/receiver.ts'
import { testDatabase } from '../support/database.ts'
import { client, eventually, serviceEnvironment, settledAudit } from '../support/service.ts'
import { exportRelease, findPreviousRelease } from './previous-release.ts'

// What docs/guides/upgrading.md promises: the previous release runs beside this one, on the schema of this one.

/** Retries come after a second, and do not run out. */
const retry = { schedule_seconds: [1], max_attempts: 50 }

/** An empty database, a receiver, and ways to start a process of the previous release and of this version. */
async function aWorld(t: TestContext) {
  const release = findPreviousRelease()
  if (release.kind === 'missing') {
    assert.ok(!process.env.CI, release.why)
    t.skip(release.why)
    return
  }
  const folder = await exportRelease(t, release.ref)
  const known = new Set(
    (await readMigrations(pathToFileURL(join(folder, 'migrations/')))).map(({ name }) => name),
  )
  const newer = (await readMigrations(migrationsDirectory)).filter(({ name }) => !known.has(name))
  t.diagnostic(`from ${release.ref}, with ${newer.map(({ name }) => name).join(', ') || 'no migration'}`)

  const world = await testDatabase({ migrated: false })
  const dataDir = await mkdtemp(join(tmpdir(), 'webhooks-upgrade-'))
  const receiver = new Receiver(mostlyWell(0.05))
  await receiver.listen()
  const crew = new Crew({ ...serviceEnvironment(world, dataDir) })
  t.after(async () => {
    await crew.close('SIGKILL')
    await receiver.close()
    await world.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const launcher = join(folder, 'bin/webhooks.js')
  return {
    world,
    receiver,
    crew,
    /** Whether one of the migrations since keeps the previous release from running. */
    isBreaking: newer.some(migration => migration.isBreaking),
    startPrevious: () => crew.start({ launcher }),
    startThis: (...args: readonly string[]) => crew.start({ args }),
  }
}

const api = (member: Member) => client(member.url ?? '')

/** Five processes of the service are started: some 20 s on two cores of its own, and more beside other tests. */
const timeout = 300_000

test('the previous release works beside this one, on its schema, under load, and nothing is lost', {
  timeout,
}, async t => {
  const upgrade = await aWorld(t)
  if (upgrade === undefined) return
  const { world, receiver, crew, startPrevious, startThis } = upgrade
  if (upgrade.isBreaking) return t.skip('a migration since then is marked as breaking')

  let previous = await startPrevious()
  const subscribe = (by: Member, path: string) =>
    api(by).subscribe({ target_url: `${receiver.origin}/${path}`, retry, max_in_flight: 20 })
  const subscriptionIds = (await Promise.all(['a', 'b'].map(path => subscribe(previous, path)))).map(
    ({ id }) => id,
  )
  let takers: readonly Member[] = [previous]
  const urls = () => takers.filter(taker => crew.members.includes(taker)).flatMap(({ url }) => url ?? [])
  const load = new Load({ urls, subscriptionIds, perSecond: 150 })
  t.after(() => load.stop())
  /** Sends to these alone from now on, and waits until they have taken some. */
  const through = async (...members: readonly Member[]) => {
    takers = members
    const before = load.accepted.length
    await eventually(
      async () => load.accepted.length - before,
      taken => taken > 100,
      60_000,
    )
  }

  await through(previous)
  let latest = await startThis() // which migrates the database while the previous release works on it
  await through(previous, latest)
  await manage(previous, latest, await subscribe(previous, 'managed'))
  await manage(latest, previous, await subscribe(latest, 'managed'))

  await Promise.all([crew.end(previous, 'SIGKILL'), through(latest)])
  previous = await startPrevious() // on the schema of this version
  await through(previous)
  await crew.end(latest, 'SIGKILL') // what it held the previous release cleans up
  await through(previous)
  latest = await startThis('--role', 'api')
  await through(latest) // and the previous release delivers it

  await load.stop()
  assert.equal((await settledAudit(world, 60_000)).missing, 0)
  const reached = ({ webhookId }: { readonly webhookId: string }) =>
    receiver.records.get(webhookId)?.arrivals.some(arrival => arrival.isAccepted)
  assert.deepEqual(
    load.accepted.filter(event => !reached(event)),
    [],
  )
  assert.deepEqual([load.wrong, load.failed, load.disorders, receiver.mixedUp], [[], [], 0, []])
})

/** What both have: only the newer one has the other members, also within members. */
function common(of: unknown, other: unknown): unknown {
  if (!isPlain(of) || !isPlain(other)) return of
  const names = Object.keys(of).filter(name => name in other)
  return Object.fromEntries(names.map(name => [name, common(of[name], other[name])]))
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What one changes the other sees, and a subscription that it deletes is gone for both, with a tombstone. */
async function manage(by: Member, seenBy: Member, { id }: { readonly id: number }): Promise<void> {
  const read = async () => (await fetch(`${seenBy.url}/subscriptions/${id}`)).json()
  const answer = await api(by).patch(id, {
    description: 'changed',
    rate_limit: { requests: 5, per_seconds: 1 },
  })
  assert.equal(answer.status, 200)
  const [seen, answered] = [Object(await read()), Object(await answer.json())]
  assert.ok(Object.keys(seen).filter(name => name in answered).length > 20)
  assert.deepEqual(common(seen, answered), common(answered, seen))
  const webhookId = await api(seenBy).ingest(id, '{"n":-1}')
  await eventually(
    () => api(by).status(webhookId),
    ({ status }) => status === 'success',
  )
  assert.equal((await api(by).logs(id))[0]?.status, 'success')
  const deleted = await fetch(`${by.url}/subscriptions/${id}`, { method: 'DELETE' })
  assert.equal(deleted.status, 204)
  await eventually(
    async () => (await api(seenBy).post(`/ingest/${id}`, '{}')).status,
    status => status === 404,
  )
}

test('or it is refused with a clear sentence, where a migration since then is marked as breaking', async t => {
  const upgrade = await aWorld(t)
  if (upgrade === undefined) return
  const { crew, startPrevious, startThis } = upgrade
  if (!upgrade.isBreaking) return t.skip('no migration since then is')
  await crew.end(await startPrevious(), 'SIGTERM')
  await startThis()
  await assert.rejects(startPrevious(), /migrated by a newer version of this program.*Run the newer version/)
})
