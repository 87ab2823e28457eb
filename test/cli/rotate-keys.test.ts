import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { exitCode } from '../../src/cli/command.ts'
import { runRotateKeys } from '../../src/cli/rotate-keys.ts'
import type { Environment } from '../../src/config/config.ts'
import { agreeOnKey, createSealer } from '../../src/platform/seal.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

const [oldKey, newKey] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const ring = (...keys: readonly Buffer[]) => keys.map(key => key.toString('base64')).join(',')

async function rotateKeys(environment: Environment) {
  const lines: string[] = []
  const write = (text: string) => void lines.push(text)
  const code = await runRotateKeys([], { out: write, err: write, environment })
  return { code, text: lines.join('\n') }
}

type World = Awaited<ReturnType<typeof testService>>

/** The ids of the keys that anything in the table is sealed with. */
async function keyIdsIn({ world }: World): Promise<readonly string[]> {
  const { rows } = await world.database.query<{ text: string }>({
    text: 'select s::text as text from subscriptions s',
  })
  const found = rows.flatMap(({ text }) =>
    [...text.matchAll(/v1:([0-9a-f]{8}):/g)].map(([, id]) => String(id)),
  )
  return [...new Set(found)]
}

const json = { 'content-type': 'application/json' }
const newId = String(createSealer([newKey]).keyIds[0])

test('everything is sealed with the newest key while a service works, and the old one can go', async () => {
  await using receiver = await startReceiver()
  await using world = await testService({ ENCRYPTION_KEYS: ring(oldKey, newKey) })
  const api = client(world.url)
  const made = await Promise.all(
    Array.from({ length: 120 }, () =>
      api.subscribe({
        target_url: receiver.origin,
        secret: 'inbound',
        headers: { 'X-Key': 'value' },
        signing: { scheme: ['v1', 'v1a'] },
      }),
    ),
  )
  const [one] = made
  assert.ok(one)
  await api.post(`/subscriptions/${one.id}/rotate-secret`, '{}', json)
  const before = Object(await (await fetch(`${world.url}/subscriptions/${one.id}`)).json())

  const environment = { ...world.environment, ENCRYPTION_KEYS: ring(newKey, oldKey) }
  const changing = Promise.all(made.map(({ id }) => api.patch(id, { description: 'changed meanwhile' })))
  const { code, text } = await rotateKeys(environment)
  assert.equal(code, exitCode.ok, text)
  assert.match(text, new RegExp(newId))
  assert.doesNotMatch(text, /whsec_|value|inbound/)
  for (const { status } of await changing) assert.ok([200, 500, 503].includes(status), `answered ${status}`)
  assert.deepEqual(await keyIdsIn(world), [newId])
  await agreeOnKey(world.world.database, createSealer([newKey])) // a start without the old key
  const audit = await fetch(`${world.url}/audit?action=encryption_key.rotated`)
  const [entry, ...more] = (await audit.json()) as { actor: object; subject: object }[] // as openapi.json has it
  assert.deepEqual(entry?.actor, { kind: 'operator', id: null, name: 'command line' })
  assert.deepEqual(entry?.subject, { kind: 'encryption_key', id: newId })
  assert.deepEqual(more, [])

  const after = Object(await (await fetch(`${world.url}/subscriptions/${one.id}`)).json())
  assert.equal(after.signing_public_key, before.signing_public_key)
  const unsigned = await api.subscribe({ target_url: receiver.origin }).catch(error => String(error))
  assert.match(String(unsigned), /500/, 'a process that still seals with the retired key must not write')
  assert.deepEqual(await keyIdsIn(world), [newId])
})

test('running it again changes nothing, and versions stay as they are', async () => {
  await using receiver = await startReceiver()
  await using world = await testService({ ENCRYPTION_KEYS: ring(newKey, oldKey) })
  const api = client(world.url)
  const { id, signing_secret } = await api.subscribe({
    target_url: receiver.origin,
    headers: { 'X-Key': 'a' },
  })
  for (const _time of [1, 2]) {
    const { code, text } = await rotateKeys(world.environment)
    assert.equal(code, exitCode.ok)
    assert.match(text, /of 0 subscriptions/)
  }
  assert.equal(Object(await (await api.patch(id, { paused: false })).json()).version, 2)
  await api.ingest(id, '{}')
  await receiver.waitFor(1)
  const [got] = receiver.received
  assert.ok(got)
  assert.equal(got.headers['x-key'], 'a')
  new Webhook(signing_secret).verify(got.body, {
    'webhook-id': String(got.headers['webhook-id']),
    'webhook-timestamp': String(got.headers['webhook-timestamp']),
    'webhook-signature': String(got.headers['webhook-signature']),
  })
})

test('what cannot be opened is named, the rest is sealed, and the old key is still asked for', async () => {
  await using world = await testService({ ENCRYPTION_KEYS: ring(oldKey, newKey) })
  const api = client(world.url)
  const [broken, whole] = [
    await api.subscribe({ target_url: 'http://a.test/' }),
    await api.subscribe({ target_url: 'http://b.test/' }),
  ]
  await world.world.database.query({
    text: `update subscriptions a set signing_secrets = b.signing_secrets from subscriptions b where a.id = $1 and b.id = $2`,
    values: [broken.id, whole.id],
  })
  const environment = { ...world.environment, ENCRYPTION_KEYS: ring(newKey, oldKey) }
  const { code, text } = await rotateKeys(environment)
  assert.equal(code, exitCode.failure)
  assert.match(text, new RegExp(`Subscription ${broken.id} stays as it was`))
  assert.match(text, /of 1 subscriptions/)
  await assert.rejects(agreeOnKey(world.world.database, createSealer([newKey])), /Set ENCRYPTION_KEYS/)
})

test('is refused without a key that something may be sealed with', async () => {
  await using world = await testService({ ENCRYPTION_KEYS: ring(oldKey) })
  const environment = { ...world.environment, ENCRYPTION_KEYS: ring(newKey) }
  await assert.rejects(rotateKeys(environment), /Secrets in this database are sealed with the encryption key/)
})
