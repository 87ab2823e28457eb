import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { ensureFirstKey } from '../../src/keys/first-key.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { Database } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { testServer } from '../support/server.ts'

function handClock() {
  let now = 1_000_000
  return {
    now: () => now,
    pass(ms: number) {
      now += ms
    },
  }
}

test('of processes that start together one makes the first key, and nobody makes a second', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const made = await Promise.all(Array.from({ length: 4 }, () => ensureFirstKey(database)))
  const [key, ...others] = made.filter(value => value !== undefined)
  assert.match(key ?? '', /^whk_[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(others, [])
  assert.equal(await ensureFirstKey(database), undefined)
  const { rows } = await database.query<{ row: string }>({
    text: 'select row_to_json(k)::text as row from api_keys k',
  })
  assert.equal(rows.length, 1)
  assert.ok(!rows[0]?.row.includes(String(key)))
})

test('a valid key is accepted however the scheme is written, and nothing else is', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const key = await ensureFirstKey(database)
  const keys = new ApiKeys({ database, clock: handClock() })
  assert.ok(await keys.identify(`Bearer ${key}`))
  assert.ok(keys.identify(`bearer  ${key}`)) // from memory: no promise any more
  for (const value of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `${key}`,
    `Basic ${key}`,
    `Bearer ${key}x`,
    `Bearer ${key} y`,
    `Bearer ${'x'.repeat(1000)}`,
  ]) {
    assert.equal(await keys.identify(value), undefined, value)
  }
})

test('an unknown key is looked up once a second at most; a new one works after that', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  await ensureFirstKey(database)
  const clock = handClock()
  const keys = new ApiKeys({ database, clock })
  assert.equal(await keys.identify('Bearer whk_new'), undefined)
  await database.query({
    text: "insert into api_keys (name, hash, prefix) values ('new', $1, 'whk_new')",
    values: [Buffer.from(hash('sha256', 'whk_new'), 'hex')],
  })
  assert.equal(keys.identify('Bearer whk_new'), undefined) // answered at once, without the table
  clock.pass(1001)
  assert.ok(await keys.identify('Bearer whk_new'))
})

test('guessing many keys looks 20 of them up in a second, and the others are refused at once', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const clock = handClock()
  const keys = new ApiKeys({ database, clock })
  const guess = (n: number) => keys.identify(`Bearer whk_guess${n}`)
  const looked = Array.from({ length: 30 }, (_, n) => guess(n) instanceof Promise)
  assert.equal(looked.filter(Boolean).length, 20)
  clock.pass(1000)
  assert.ok(guess(31) instanceof Promise)
  await keys.load() // after all of them
})

test('a deleted key is refused soon after', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const key = `Bearer ${await ensureFirstKey(database)}`
  const clock = handClock()
  const keys = new ApiKeys({ database, clock })
  assert.ok(await keys.identify(key))
  await database.query({ text: 'delete from api_keys' })
  clock.pass(60_001)
  assert.ok(keys.identify(key)) // known so far; the table is being read
  await keys.load()
  assert.equal(await keys.identify(key), undefined)
})

test('a key is refused from the moment at which it expires, also while the database is away', async t => {
  const { database, close, connection } = await testDatabase()
  t.after(close)
  const key = `Bearer ${await ensureFirstKey(database)}`
  const clock = handClock()
  const expire = (ms: number) =>
    database.query({ text: 'update api_keys set expires_at = $1', values: [new Date(ms)] })
  await expire(clock.now() + 500)
  const gone = new Database({ connection, poolSize: 1, queryTimeoutMs: 1000, connectTimeoutMs: 1000 })
  const cutOff = new ApiKeys({ database: gone, clock })
  const keys = new ApiKeys({ database, clock })
  for (const each of [cutOff, keys]) assert.ok(await each.identify(key))
  await gone.close()
  clock.pass(499)
  for (const each of [cutOff, keys]) assert.ok(each.identify(key))
  clock.pass(1)
  for (const each of [cutOff, keys]) assert.equal(each.identify(key), undefined)
  await expire(clock.now() + 60_000)
  clock.pass(1001)
  assert.ok(await keys.identify(key), 'it was given more time')
})

test('a key has one scope, and is of one tenant or of none', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const key = `Bearer ${await ensureFirstKey(database)}`
  for (const [scope, tenant] of [
    ['read', null],
    ['publish', 'default'],
    ['tenant', 'default'],
  ]) {
    await database.query({ text: 'update api_keys set scopes = $1, tenant = $2', values: [[scope], tenant] })
    const caller = await new ApiKeys({ database, clock: handClock() }).identify(key)
    assert.equal(caller?.scope, scope)
    assert.equal(caller?.reach.tenant, tenant)
  }
})

test('the first key may do everything, never expires, and is recognised by how it begins', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const key = await ensureFirstKey(database)
  const { rows } = await database.query({ text: 'select prefix, scopes, tenant, expires_at from api_keys' })
  assert.deepEqual(rows, [{ prefix: key?.slice(0, 8), scopes: ['admin'], tenant: null, expires_at: null }])
})

test('without a database, known keys stay valid and unknown ones wait for it', async t => {
  const { database, close, connection } = await testDatabase()
  t.after(close)
  const key = await ensureFirstKey(database)
  const clock = handClock()
  const gone = new Database({ connection, poolSize: 1, queryTimeoutMs: 1000, connectTimeoutMs: 1000 })
  const keys = new ApiKeys({ database: gone, clock })
  assert.ok(await keys.identify(`Bearer ${key}`))
  await gone.close()
  clock.pass(60_000)
  assert.ok(keys.identify(`Bearer ${key}`))
  await assert.rejects(async () => keys.identify('Bearer whk_other'), AppError)
})

test('with keys on, the API answers 401 without one; health and the documentation stay open', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const key = await ensureFirstKey(database)
  await using server = await testServer({ keys: new ApiKeys({ database, clock: handClock() }) })
  const uuid = '0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e'
  for (const [method, path] of [
    ['GET', '/subscriptions/'],
    ['POST', '/subscriptions/'],
    ['GET', '/subscriptions/1'],
    ['PUT', '/subscriptions/1'],
    ['PATCH', '/subscriptions/1'],
    ['DELETE', '/subscriptions/1'],
    ['GET', '/logs/1'],
    ['GET', `/status/${uuid}`],
  ] as const) {
    for (const headers of [{}, { authorization: 'Bearer whk_wrong' }]) {
      const answer = await server.request(path, { method, headers })
      assert.equal(answer.status, 401, `${method} ${path}`)
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
      assert.match(answer.text, /"code":"unauthorized"/)
    }
  }
  const headers = { authorization: `Bearer ${key}` }
  assert.equal((await server.request('/subscriptions/', { headers })).status, 200)
  for (const path of ['/livez', '/readyz', '/healthz', '/docs', '/errors/unauthorized']) {
    assert.equal((await server.request(path)).status, 200, path)
  }
})
