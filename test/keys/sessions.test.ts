import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type EntryRow, listEntries } from '../../src/audit/store.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { Sessions } from '../../src/keys/sessions.ts'
import { Reach } from '../../src/model/caller.ts'
import { fakeClock } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { aKey, aPortalToken, aTenant } from '../support/keys.ts'
import { testDashboard, testServer } from '../support/server.ts'

const own = { 'x-requested-by': 'dashboard', 'sec-fetch-site': 'same-origin' }

/** A service that asks for keys, with a browser's way in. */
async function world(t: TestContext) {
  const { database, close } = await testDatabase()
  t.after(close)
  await aTenant(database, 'acme')
  const admin = await aKey(database, 'admin')
  const reader = await aKey(database, 'read', 'acme')
  const clock = fakeClock()
  const keys = new ApiKeys({ database, clock })
  await keys.load()
  const sessions = new Sessions({ database, clock, keys, hours: 12 })
  const server = await testServer({ keys, sessions, dashboard: { ...testDashboard, auth: 'keys' } })
  t.after(() => server[Symbol.asyncDispose]())
  const signIn = (key: string, headers: Record<string, string> = own) =>
    server.request('/ui/session', { method: 'POST', json: { key }, headers })
  /** @returns what the browser sends from then on */
  const cookieFor = async (key: string): Promise<string> => {
    const answer = await signIn(key)
    assert.equal(answer.status, 204, answer.text)
    return answer.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  }
  return { database, clock, keys, sessions, server, admin, reader, signIn, cookieFor }
}

test('a key is exchanged for a cookie that no script can read, and is as good as the key', async t => {
  const { server, admin, reader, signIn, cookieFor } = await world(t)
  const answer = await signIn(admin)
  const cookie = answer.headers.get('set-cookie') ?? ''
  assert.match(cookie, /^webhooks_session=whs_[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  const secure = await signIn(admin, { ...own, 'x-forwarded-proto': 'https' })
  assert.match(secure.headers.get('set-cookie') ?? '', /; Secure$/)

  const me = await server.request('/me', { headers: { cookie: cookie.split(';', 1)[0] ?? '' } })
  assert.equal((me.json as { scope: string }).scope, 'admin')
  const readers = { ...own, cookie: `other=1; ${await cookieFor(reader)}` }
  assert.equal((await server.request('/subscriptions/', { headers: readers })).status, 200)
  const refused = await server.request('/tenants', {
    method: 'POST',
    json: { id: 'x', name: 'x' },
    headers: readers,
  })
  assert.equal(refused.status, 403)
})

test('a wrong key, a portal token and what is no key open no session', async t => {
  const { database, signIn } = await world(t)
  assert.equal((await signIn('whk_wrong')).status, 401)
  const { token } = await aPortalToken(database, 'acme')
  assert.equal((await signIn(token)).status, 403)
  assert.equal((await signIn('')).status, 422)
})

test('trying keys at the door is slowed down as everywhere', async t => {
  const { signIn, admin } = await world(t)
  const tries = Array.from({ length: 40 }, async (_, index) => (await signIn(`whk_${index}`)).status)
  const statuses = await Promise.all(tries)
  assert.deepEqual([...new Set(statuses)].sort(), [401, 429])
  assert.equal((await signIn(admin)).status, 204, 'a valid one is accepted at once')
})

test('another page cannot use a session, nor open or close one', async t => {
  const { server, admin, signIn, cookieFor } = await world(t)
  const cookie = await cookieFor(admin)
  const make = (headers: Record<string, string>) =>
    server.request('/tenants', {
      method: 'POST',
      json: { id: 'made', name: 'made' },
      headers: { cookie, ...headers },
    })
  const foreign = [
    { 'sec-fetch-site': 'cross-site', 'x-requested-by': 'dashboard' },
    { 'sec-fetch-site': 'same-site', 'x-requested-by': 'dashboard' },
    { 'sec-fetch-site': 'same-origin' },
    { origin: 'https://evil.example', 'x-requested-by': 'dashboard' },
    {},
  ]
  for (const headers of foreign) {
    const answer = await make(headers as Record<string, string>)
    assert.equal(answer.status, 403, JSON.stringify(headers))
    assert.match(answer.text, /origin_not_allowed/)
  }
  for (const headers of foreign)
    assert.equal((await signIn(admin, headers as Record<string, string>)).status, 403)
  const read = await server.request('/tenants', { headers: { cookie, 'sec-fetch-site': 'cross-site' } })
  assert.equal(read.status, 403)
  assert.equal((await server.request('/tenants', { headers: { cookie } })).status, 200)
  assert.equal((await make({ origin: server.url, 'x-requested-by': 'dashboard' })).status, 201)
})

test('a session ends when its owner signs out, when its key is revoked, and after its time', async t => {
  const { database, clock, keys, sessions, server, admin, reader, cookieFor } = await world(t)
  const status = async (cookie: string) =>
    (await server.request('/me', { headers: { ...own, cookie } })).status
  const [first, second, third] = [await cookieFor(admin), await cookieFor(admin), await cookieFor(reader)]
  const out = await server.request('/ui/session', { method: 'DELETE', headers: { ...own, cookie: first } })
  assert.equal(out.status, 204)
  assert.match(out.headers.get('set-cookie') ?? '', /Max-Age=0/)
  assert.deepEqual([await status(first), await status(second), await status(third)], [401, 200, 200])

  await database.query({ text: `delete from api_keys where scopes[1] = 'read'` })
  await keys.load()
  assert.deepEqual([await status(second), await status(third)], [200, 401])

  clock.advance(12 * 3_600_000 - 1)
  assert.equal(await status(second), 200)
  clock.advance(1)
  assert.equal(await status(second), 401)
  await sessions.removeExpired(new AbortController().signal)
  const { rows } = await database.query({ text: 'select from ui_sessions' })
  assert.equal(rows.length, 0)
})

test('what is kept is a hash', async t => {
  const { database, admin, cookieFor } = await world(t)
  const cookie = await cookieFor(admin)
  const { rows } = await database.query<{ text: string }>({
    text: `select encode(hash, 'escape') as text from ui_sessions`,
  })
  assert.equal(rows.length, 1)
  assert.ok(!rows[0]?.text.includes(cookie.split('=')[1] ?? ''))
})

test('signing in and out is in the audit log, with the key, the address, and no way to sign in', async t => {
  const { database, server, admin, reader, signIn, cookieFor } = await world(t)
  const cookie = await cookieFor(admin)
  await signIn(reader, { ...own, 'x-forwarded-for': '203.0.113.7' })
  await signIn('whk_wrong')
  const leave = () => server.request('/ui/session', { method: 'DELETE', headers: { ...own, cookie } })
  assert.equal((await leave()).status, 204)
  assert.equal((await leave()).status, 204, 'a session that is over ends once')

  const page = { limit: 10, before: undefined }
  const entries = await listEntries(
    database,
    Reach.all,
    { subject: { kind: 'session', id: undefined } },
    page,
  )
  const told = entries.map(({ action, actor_name: name, tenant }) => [action, name, tenant])
  assert.deepEqual(told, [
    ['session.ended', 'admin of all', null],
    ['session.created', 'read of acme', 'acme'],
    ['session.created', 'admin of all', null],
  ])
  assert.equal(entries[0]?.subject_id, entries[2]?.subject_id, 'the same session')
  const fields = (entry: EntryRow | undefined) =>
    Object.fromEntries((entry?.changes ?? []).map(({ field, after }) => [field, after]))
  assert.match(String(fields(entries[1]).address), /127\.0\.0\.1$/)
  assert.equal(fields(entries[1]).forwarded_for, '203.0.113.7')
  assert.ok(Number.isFinite(Date.parse(String(fields(entries[1]).expires_at))))
  assert.doesNotMatch(JSON.stringify(entries), /whs_|whk_/)
})
