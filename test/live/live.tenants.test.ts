import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { Sessions } from '../../src/keys/sessions.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidLowerBound } from '../../src/platform/id.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { aKey, aPortalToken, aTenant } from '../support/keys.ts'
import { readStream, testLive } from '../support/live.ts'
import { ended, subscribe } from '../support/replay.ts'
import { testServer, testSubscriptions } from '../support/server.ts'

const own = await testDatabase()
const { database } = own
for (const [id, tenant] of [
  [1, 'blue'],
  [2, 'red'],
] as const) {
  await aTenant(database, tenant)
  await subscribe(database, [id], { tenant })
}
const tokens = {
  admin: await aKey(database, 'admin'),
  'read of all': await aKey(database, 'read'),
  tenant: await aKey(database, 'tenant', 'blue'),
  read: await aKey(database, 'read', 'blue'),
  portal: (await aPortalToken(database, 'blue', true)).token,
}
const keys = new ApiKeys({ database, clock: systemClock() })
await keys.load()
const unwritten = new Unwritten(systemClock())
const server = await testServer({
  ...{ keys, database, subscriptions: testSubscriptions(own) },
  live: testLive(own, {
    ...{ unwritten, heartbeatMs: 100 },
    retentionMs: tenant => (tenant === 'blue' ? 1 : 72) * 3_600_000,
  }),
})
after(async () => {
  await server[Symbol.asyncDispose]()
  await own.close()
})

const open = (token: string, query = '') =>
  readStream(server.url, query, { authorization: `Bearer ${token}` })

/** One event of each tenant, with its attempt, and a subscription of each that is paused. */
async function happen(): Promise<void> {
  for (const [id, tenant] of [
    [1, 'blue'],
    [2, 'red'],
  ] as const) {
    await unwritten.during(() => ended(database, { [id]: 'delivered' }, { tenant, eventType: 'last' }))
    await database.query({ text: 'update subscriptions set paused = not paused where id = $1', values: [id] })
  }
}

test('a key is told what is its tenant’s alone, live and afterwards; an operator is told all', async () => {
  const from = uuidLowerBound(Date.now())
  const readers = new Map(
    await Promise.all(
      Object.entries(tokens).map(async ([name, token]) => [name, await open(token)] as const),
    ),
  )
  for (const reader of readers.values()) await eventually(() => reader.lastId)
  await happen()
  const isWhole = (name: string) => name === 'admin' || name === 'read of all'
  const seen = (told: readonly { readonly data: Readonly<Record<string, unknown>> }[]) =>
    told.map(({ data }) => data.tenant).sort()
  const expected = (name: string) =>
    isWhole(name) ? ['blue', 'blue', 'blue', 'red', 'red', 'red'] : ['blue', 'blue', 'blue']
  // The operator is told last what is red's, so that all is there by then.
  await eventually(() => readers.get('admin')?.told.length === 6)
  for (const [name, reader] of readers) {
    await eventually(() => reader.told.length >= expected(name).length)
    assert.deepEqual(seen(reader.told), expected(name), name)
    await reader[Symbol.asyncDispose]()
    await using again = await open(tokens[name as keyof typeof tokens], `?last_event_id=${from}`)
    await eventually(() => (again.lastId ?? '') > (reader.told.at(-1)?.id ?? '~'))
    assert.deepEqual(seen(again.told), expected(name), name)
  }
})

test('an operator can ask for one tenant; a key for another one is refused', async () => {
  await using reader = await open(tokens.admin, '?tenant=red')
  await eventually(() => reader.lastId)
  await happen()
  await eventually(() => reader.told.length === 3)
  assert.ok(reader.told.every(({ data }) => data.tenant === 'red'))
  await using refused = await open(tokens.read, '?tenant=red')
  assert.equal(refused.response.status, 403)
  await using theirs = await open(tokens.read, '?subscription_id=2')
  assert.equal(theirs.response.status, 404)
})

test('what is older than the log of a tenant is a gap for its keys alone', async () => {
  await using reader = await open(tokens.read, `?last_event_id=${uuidLowerBound(Date.now() - 2 * 3_600_000)}`)
  await eventually(() => reader.told.length > 0)
  assert.deepEqual(reader.told[0]?.data, { dropped: null, reason: 'retention' })
  await using operator = await open(
    tokens.admin,
    `?last_event_id=${uuidLowerBound(Date.now() - 2 * 3_600_000)}`,
  )
  await eventually(() => operator.lastId)
  assert.ok(operator.told.every(({ event }) => event !== 'gap'))
})

test('the streams of a key end soon after it was revoked', async () => {
  const token = await aKey(database, 'read', 'blue', 'short-lived')
  await using reader = await open(token)
  assert.equal(reader.response.status, 200)
  await using other = await open(tokens.read)
  await database.query({ text: `update api_keys set expires_at = now() where name = 'short-lived'` })
  await keys.load()
  await reader.ended
  assert.equal(other.response.status, 200)
  await happen()
  await eventually(() => other.told.length > 0)
})

test('the streams of a browser end when it has signed out, though more others read on than are asked at a time', async () => {
  const sessions = new Sessions({ ...{ database, keys, hours: 12 }, clock: systemClock() })
  const live = testLive(own, { heartbeatMs: 3_600_000, streamsMax: 1000 })
  await using other = await testServer({ keys, sessions, live })
  const signIn = async () => {
    const caller = await keys.identify(`Bearer ${tokens.admin}`)
    assert.ok(caller)
    const { text } = await sessions.open(caller, { address: undefined, forwarded_for: undefined })
    return { text, read: () => readStream(other.url, '', { cookie: `webhooks_session=${text}` }) }
  }
  const [stays, leaves] = [await signIn(), await signIn()]
  await using opened = new AsyncDisposableStack()
  // More sessions than are looked up at a time.
  for (let count = 0; count < 110; count++) opened.use(await stays.read())
  const reader = opened.use(await leaves.read())
  await eventually(() => live.size === 111)
  await sessions.close(leaves.text, { address: undefined, forwarded_for: undefined })
  live.lookAgain()
  await reader.ended
  assert.equal(live.size, 110)
  assert.equal((await leaves.read()).response.status, 401)
})
