import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { aKey } from '../support/keys.ts'
import { atLength } from '../support/length.ts'
import { readStream, type Told } from '../support/live.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit } from '../support/service.ts'

test('what several processes do is told once and without a gap, though one is killed, all are restarted, and the reader comes back', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld()
  const [first, second] = [await world.start(), await world.start()]
  const { id } = await client(first.url).subscribe({ target_url: `${receiver.origin}/` })
  const told: Told[] = []
  let lastId: string | undefined
  const { promise: begun, resolve: begins } = Promise.withResolvers<void>()
  /** Reads until the stream ends, or has told all up to an id. */
  const read = async (url: string, until?: string) => {
    await using reader = await readStream(url, '', lastId === undefined ? {} : { 'last-event-id': lastId })
    await eventually(() => reader.lastId !== undefined)
    begins()
    if (until === undefined) await reader.ended
    else await eventually(() => (reader.lastId ?? '') >= until)
    told.push(...reader.told)
    lastId = reader.lastId
  }
  const send = (url: string, count: number) => client(url).ingestMany(id, count, 8)
  const newest = async () => {
    const { rows } = await world.world.database.query<{ id: string }>({
      text: `select greatest((select max(webhook_id::text) from events), (select max(id::text) from delivery_logs)) as id`,
    })
    return rows[0]?.id ?? ''
  }

  const reading = read(first.url)
  await begun
  await Promise.all([send(first.url, atLength(200, 100)), send(second.url, atLength(200, 100))])
  const dying = send(second.url, atLength(500, 250)).catch(() => {})
  await receiver.waitFor(atLength(450, 225))
  await second.end('SIGKILL')
  await Promise.all([dying, send(first.url, 50)])
  await first.end('SIGTERM')
  await reading // which the process has ended

  const third = await world.start()
  await send(third.url, 50)
  await settledAudit(world.world)
  const last = await newest()
  await read(third.url, last)

  const { rows } = await world.world.database.query<{ id: string }>({
    text: 'select webhook_id::text as id from events union all select id::text from delivery_logs order by id',
  })
  assert.ok(rows.length > atLength(1000, 500))
  const ids = told.filter(({ event }) => event !== 'subscription').map(({ id }) => id)
  assert.deepEqual(
    ids,
    rows.map(row => row.id),
  )
})

test('a key that was revoked, and a browser that has signed out, read on in no process', async () => {
  await using world = await processWorld({ AUTH: 'keys' })
  const { database } = world.world
  const [admin, short] = [await aKey(database, 'admin'), await aKey(database, 'read', null, 'short')]
  const [first, second] = [await world.start(), await world.start()]
  const own = { 'x-requested-by': 'dashboard', 'sec-fetch-site': 'same-origin' }
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  const signedIn = await fetch(`${first.url}/ui/session`, {
    method: 'POST',
    headers: { ...own, 'content-type': 'application/json' },
    body: JSON.stringify({ key: admin }),
  })
  const cookie = signedIn.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  await using ofKey = await readStream(second.url, '', bearer(short))
  await using ofSession = await readStream(second.url, '', { cookie })
  await using stays = await readStream(second.url, '', bearer(admin))
  const all = [ofKey, ofSession, stays]
  await eventually(() => all.every(reader => reader.lastId !== undefined))
  const from = performance.now()

  const listed = await fetch(`${first.url}/keys`, { headers: bearer(admin) })
  const { id } = ((await listed.json()) as { id: number; name: string }[]).find(
    ({ name }) => name === 'short',
  ) ?? { id: 0 }
  assert.equal(
    (await fetch(`${first.url}/keys/${id}`, { method: 'DELETE', headers: bearer(admin) })).status,
    204,
  )
  await ofKey.ended
  const out = await fetch(`${first.url}/ui/session`, { method: 'DELETE', headers: { ...own, cookie } })
  assert.equal(out.status, 204)
  await ofSession.ended
  // What nobody tells of ends with a heartbeat, which comes each 15 s.
  assert.ok(performance.now() - from < 10_000)
  for (const headers of [bearer(short), { cookie }])
    assert.equal((await fetch(`${second.url}/stream`, { headers })).status, 401)
  assert.equal((await fetch(`${second.url}/me`, { headers: bearer(admin) })).status, 200)
})
