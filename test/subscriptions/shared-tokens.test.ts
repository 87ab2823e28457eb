import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createSealer } from '../../src/platform/seal.ts'
import { dropOldTokens, SharedTokens } from '../../src/subscriptions/shared-tokens.ts'
import { testDatabase } from '../support/database.ts'
import { testSealer, testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const subscriptions = testSubscriptions(world)
const shared = new SharedTokens({ database, seal: testSealer, logger: silentLogger() })
const token = { token: 'abc', fetchedAt: 1000, expiresAt: 2000 }

async function aClient() {
  const { id } = await subscriptions.create(localOperator, {
    target_url: 'https://example.com/hooks',
    auth: { type: 'oauth2', token_url: 'https://auth.test/token', client_id: 'me', client_secret: 'hush' },
  })
  const client = subscriptions.get(id)?.credentials?.oauth
  assert.ok(client)
  return client
}

test('a token is read as it was written, and with other credentials not at all', async () => {
  const client = await aClient()
  assert.equal(await shared.read(client), undefined)
  await shared.write(client, token)
  assert.deepEqual(await shared.read(client), token)
  assert.equal(await shared.read({ ...client, fingerprint: 'other' }), undefined)
})

test('one may fetch at a time, until it has written, given up, or taken too long', async () => {
  const client = await aClient()
  assert.deepEqual([await shared.claim(client, 60_000), await shared.claim(client, 60_000)], [true, false])
  assert.equal(
    await shared.claim({ ...client, fingerprint: 'other' }, 60_000),
    true,
    'what it fetched is of no use',
  )
  await shared.write(client, token)
  assert.equal(await shared.claim(client, 60_000), true)
  assert.deepEqual(await shared.read(client), token, 'the old one is still there')
  await shared.giveUp(client)
  assert.equal(await shared.claim(client, 0), true)
  assert.equal(await shared.claim(client, 0), true)
})

test('nothing is kept for a subscription that is not saved, or is gone', async () => {
  const client = await aClient()
  const draft = { ...client, subscriptionId: 0 }
  assert.equal(await shared.claim(draft, 60_000), true)
  await shared.write(draft, token)
  assert.equal(await shared.read(draft), undefined)
  await subscriptions.remove(localOperator, client.subscriptionId)
  await shared.write(client, token)
  assert.equal(await shared.read(client), undefined)
})

test('while the database cannot be used each process fetches its own', async () => {
  const client = await aClient()
  const closed = await testDatabase()
  const alone = new SharedTokens({ database: closed.database, seal: testSealer, logger: silentLogger() })
  await closed.close()
  assert.equal(await alone.read(client), undefined)
  assert.equal(await alone.claim(client, 60_000), true)
  await alone.write(client, token)
  await alone.giveUp(client)
})

test('with a new encryption key tokens that an older one has sealed are fetched again', async () => {
  const client = await aClient()
  await shared.write(client, token)
  await dropOldTokens(database, testSealer)
  assert.deepEqual(await shared.read(client), token)
  await dropOldTokens(database, createSealer([Buffer.alloc(32, 9)]))
  assert.equal(await shared.read(client), undefined)
})
