import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { RevealedSecrets } from '../../src/subscriptions/reveal-secret.ts'
import { fakeClock } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { type TestServer, testServer, testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
const clock = fakeClock(Date.now())
const server = await testServer({
  subscriptions: testSubscriptions(world, { clock }),
  database: world.database,
})
after(async () => {
  await server[Symbol.asyncDispose]()
  await world.close()
})

const schema = Compile(RevealedSecrets)
const post = (path: string, json?: unknown, at: TestServer = server) =>
  at.request(path, { method: 'POST', ...(json === undefined ? {} : { json }) })

async function create(signing: object = {}) {
  const answer = await post('/subscriptions/', { target_url: 'https://example.com/hooks', signing })
  return answer.json as { id: number; signing_secret: string } // as openapi.json has it
}

async function reveal(id: number) {
  const answer = await post(`/subscriptions/${id}/reveal-secret`)
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.ok(schema.Check(answer.json), answer.text)
  return answer.json
}

async function recorded(id: number): Promise<number> {
  const answer = await server.request(`/audit?action=subscription.secret_revealed&subject=subscription:${id}`)
  return (answer.json as unknown[]).length
}

test('the secret in force is shown again, and it is recorded who asked', async () => {
  const { id, signing_secret: secret } = await create()
  assert.deepEqual(await reveal(id), {
    id,
    secrets: [{ secret, expires_at: null, scheme: ['v1'] }],
    public_keys: [],
  })
  assert.equal(await recorded(id), 1)
  assert.doesNotMatch((await server.request('/audit')).text, /whsec_/)
})

test('while two secrets sign both are shown, and the older one no longer when it has ended', async () => {
  const { id, signing_secret: first } = await create({ scheme: ['v1', 'v1a', 'hub-sha256'] })
  const rotated = Object((await post(`/subscriptions/${id}/rotate-secret`, { overlap_seconds: 60 })).json)
  const shown = await reveal(id)
  assert.deepEqual(shown.secrets, [
    { secret: rotated.signing_secret, expires_at: null, scheme: ['v1', 'hub-sha256'] },
    { secret: first, expires_at: rotated.expires_at, scheme: ['v1', 'hub-sha256'] },
  ])
  assert.deepEqual(
    shown.public_keys.map(({ expires_at: end }) => end),
    [null, rotated.expires_at],
  )
  assert.match(shown.public_keys[0]?.public_key ?? '', /^whpk_/)
  clock.advance(61_000)
  const later = await reveal(id)
  assert.deepEqual([later.secrets.length, later.public_keys.length], [1, 1])
})

test('where secrets are not shown again it is refused, and nothing is recorded', async () => {
  const { id } = await create()
  const subscriptions = testSubscriptions(world, { mayReveal: false })
  await using strict = await testServer({ subscriptions, database: world.database })
  const answer = await post(`/subscriptions/${id}/reveal-secret`, undefined, strict)
  assert.equal(answer.status, 403)
  assert.match(Object(answer.json).detail, /REVEAL_SECRETS=false.*rotate-secret/)
  assert.equal(await recorded(id), 0)
})

test('without its entry nothing is shown, and of what is not there nothing is recorded', async () => {
  const { id } = await create()
  await world.database.query({ text: 'alter table audit_log rename to audit_log_away' })
  const answer = await post(`/subscriptions/${id}/reveal-secret`)
  await world.database.query({ text: 'alter table audit_log_away rename to audit_log' })
  assert.equal(answer.status, 500)
  assert.doesNotMatch(answer.text, /whsec_/)
  assert.equal((await post('/subscriptions/999999/reveal-secret')).status, 404)
  assert.equal(await recorded(999_999), 0)
})
