import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { readConfig } from '../../src/config/config.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { startService } from '../../src/service/service.ts'
import { eventually } from '../support/eventually.ts'
import { aKey, aPortalToken } from '../support/keys.ts'
import { testRedis } from '../support/redis.ts'
import { type TestService, testService } from '../support/service.ts'

const limited = { AUTH: 'keys', ROLE: 'api', RATE_LIMIT_PER_KEY: '2' }

interface Answer {
  readonly status: number
  readonly text: string
  /** `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset`, `Retry-After`; null for one that is not there. */
  readonly limits: readonly (string | null)[]
  readonly headers: Headers
}

const notCounted = [null, null, null, null]

async function call(
  url: string,
  key: string | undefined,
  method = 'GET',
  body: string | null = null,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const authorization = key && { authorization: `Bearer ${key}` }
  const answer = await fetch(url, { method, body, headers: { ...more, ...authorization } })
  const names = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after']
  return {
    status: answer.status,
    text: await answer.text(),
    limits: names.map(name => answer.headers.get(name)),
    headers: answer.headers,
  }
}

/** The plugin counts by `Date.now`: from now on only the test ends its second. */
function stopTime(t: TestContext): void {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
}

async function aSubscription({ url }: TestService, key: string, secret?: string): Promise<string> {
  const body = JSON.stringify({
    ...{ target_url: 'https://example.com/', paused: true },
    ...(secret && { secret }),
  })
  const answer = await call(`${url}/subscriptions/`, key, 'POST', body, {
    'content-type': 'application/json',
  })
  assert.equal(answer.status, 201, answer.text)
  return String(Object(JSON.parse(answer.text)).id)
}

test('a key that sends too much is told when to come again; others, and health checks, are not touched', async t => {
  await using world = await testService(limited)
  const { url } = world
  const { database } = world.world
  const key = await aKey(database, 'admin')
  const other = await aKey(database, 'admin')
  const tokens = [await aPortalToken(database, 'default'), await aPortalToken(database, 'default')]
  stopTime(t)
  const first = await call(`${url}/me`, key)
  assert.deepEqual(first.limits, ['2', '1', '1', null])
  const last = await call(`${url}/subscriptions/`, key)
  assert.deepEqual([last.status, ...last.limits], [200, '2', '0', '1', null])
  const refused = await call(`${url}/tenants`, key)
  assert.deepEqual([refused.status, ...refused.limits], [429, '2', '0', '1', '1'])
  assert.equal(refused.headers.get('content-type'), 'application/problem+json')
  const problem = Object(JSON.parse(refused.text))
  assert.equal(problem.code, 'rate_limited')
  assert.match(problem.detail, /^This key may send 2 requests a second\. Wait/)
  assert.equal(problem.instance, `urn:uuid:${refused.headers.get('x-request-id')}`)

  assert.deepEqual((await call(`${url}/me`, other)).limits, ['2', '1', '1', null])
  // Keys and portal tokens are numbered apart: one of these has the id of the key.
  const sameId = tokens.find(({ id }) => `${id}` === `${Object(JSON.parse(first.text)).actor.id}`)
  assert.deepEqual((await call(`${url}/me`, sameId?.token)).limits, ['2', '1', '1', null])
  for (const path of ['/livez', '/readyz', '/openapi.json', '/errors/rate_limited', '/nowhere'])
    assert.deepEqual((await call(url + path, key)).limits, notCounted, path)
  const wrong = await call(`${url}/me`, `whk_${'x'.repeat(43)}`)
  assert.deepEqual([wrong.status, ...wrong.limits], [401, ...notCounted])

  t.mock.timers.tick(1001)
  assert.deepEqual((await call(`${url}/me`, key)).limits, ['2', '1', '1', null])
})

test('what a key may not do, or does not find, is counted like all else', async t => {
  await using world = await testService(limited)
  const key = await aKey(world.world.database, 'publish', 'default')
  stopTime(t)
  const answers = [
    await call(`${world.url}/tenants`, key),
    await call(`${world.url}/ingest/999`, key, 'POST', '{}'),
    await call(`${world.url}/tenants`, key),
    await call(`${world.url}/ingest/999`, key, 'POST', '{}'),
  ]
  assert.deepEqual(
    answers.map(({ status, limits }) => [status, limits[1]]),
    [
      [403, '1'],
      [404, '0'],
      [429, '0'],
      [429, '0'],
    ],
  )
})

test('all ways to send events are counted together, and who signs without a key is not', async t => {
  await using world = await testService({ ...limited, RATE_LIMIT_PER_KEY: '3' })
  const { url } = world
  const { database } = world.world
  const admin = await aKey(database, 'admin')
  const open = await aSubscription(world, admin)
  const signed = await aSubscription(world, admin, 'mysecret')
  const key = await aKey(database, 'publish', 'default')
  stopTime(t)
  const json = { 'content-type': 'application/json' }
  const send = (path: string, body = '{}') => call(url + path, key, 'POST', body, json)
  const answers = [
    await send('/events?event_type=order.created'),
    await send('/events/batch', '[{"event_type":"order.created","payload":1}]'),
    await send(`/ingest/${open}`),
  ]
  assert.deepEqual(
    answers.map(({ status, limits }) => [status, ...limits]),
    [
      [202, '3', '2', '1', null],
      [202, '3', '1', '1', null],
      [202, '3', '0', '1', null],
    ],
  )
  for (const path of ['/events?event_type=order.created', '/events/batch', `/ingest/${open}`])
    assert.equal((await send(path)).status, 429, path)
  const signature = `sha256=${createHmac('sha256', 'mysecret').update('{}').digest('hex')}`
  const bySignature = { ...json, 'x-hub-signature-256': signature }
  for (let sent = 0; sent < 5; sent++) {
    const answer = await call(`${url}/ingest/${signed}`, undefined, 'POST', '{}', bySignature)
    assert.deepEqual([answer.status, ...answer.limits], [202, ...notCounted])
  }
})

test('the body of a limited request is not read', async t => {
  await using world = await testService({ ...limited, RATE_LIMIT_PER_KEY: '1' })
  const admin = await aKey(world.world.database, 'admin')
  const id = await aSubscription(world, admin)
  stopTime(t)
  for (const path of ['/events?event_type=a', '/events/batch', `/ingest/${id}`, '/subscriptions/']) {
    const key = await aKey(world.world.database, 'admin')
    const first = await sendWhenAsked(world.url + path, key)
    assert.ok(first.wasAsked && first.status < 300, `${path} ${first.status}`)
    assert.deepEqual(await sendWhenAsked(world.url + path, key), { status: 429, wasAsked: false }, path)
  }
})

/** The server asks for the body (100 Continue) when something begins to read it. */
async function sendWhenAsked(url: string, key: string): Promise<{ status: number; wasAsked: boolean }> {
  const isBatch = url.endsWith('/batch')
  const body = isBatch ? '[{"payload":1}]' : '{"target_url":"https://example.com/","paused":true}'
  const sending = request(url, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': body.length,
      expect: '100-continue',
    },
  })
  let wasAsked = false
  sending.on('continue', () => {
    wasAsked = true
    sending.end(body)
  })
  sending.flushHeaders()
  const [answer] = await once(sending, 'response')
  answer.resume()
  sending.destroy()
  return { status: answer.statusCode, wasAsked }
}

test('nothing is counted unless the setting is given, nor where no keys are asked for', async () => {
  for (const settings of [
    { AUTH: 'keys', ROLE: 'api' },
    { ...limited, AUTH: 'none', RATE_LIMIT_PER_KEY: '1' },
  ]) {
    await using world = await testService(settings)
    const key = await aKey(world.world.database, 'admin')
    for (let sent = 0; sent < 3; sent++) {
      const read = await call(`${world.url}/me`, key)
      assert.deepEqual([read.status, ...read.limits], [200, ...notCounted])
      const published = await call(`${world.url}/events?event_type=a`, key, 'POST', '{}')
      assert.deepEqual([published.status, ...published.limits], [202, ...notCounted])
    }
  }
})

test('two processes count together in Redis, and each for itself when it is away', async t => {
  const redis = await testRedis(t)
  if (redis === undefined) return
  await using stack = new AsyncDisposableStack()
  stack.use(redis)
  const settings = { ...limited, RATE_LIMIT_PER_KEY: '4', REDIS_URL: redis.url }
  const world = stack.use(await testService(settings))
  const config = readConfig(world.environment)
  const second = await startService({ config, logger: silentLogger(), clock: world.clock })
  stack.defer(() => second.close())
  const { database } = world.world
  const key = await aKey(database, 'admin')
  const urls = [world.url, second.url] as const
  for (const url of urls)
    await eventually(
      async () => (await fetch(`${url}/readyz`)).text(),
      text => text.includes('"redis":"ok"'),
    )
  // One request was counted already, in a window that lasts for ten minutes.
  const { rows } = await database.query<{ id: string; key: string }>({
    text: `select value #>> '{}' as id, (select max(id)::text from api_keys) as key from installation where name = 'id'`,
  })
  const name = `webhooks:${rows[0]?.id}:rate-limit:key:${rows[0]?.key}`
  assert.equal(await redis.command('SET', name, '1', 'PX', '600000'), '+OK')
  const answers = []
  for (const url of [...urls, ...urls]) answers.push(await call(`${url}/me`, key))
  /** The window runs meanwhile. */
  const about = (seconds: string | null) =>
    seconds !== null && Number(seconds) > 540 && Number(seconds) <= 600 ? '600' : seconds
  assert.deepEqual(
    answers.map(({ status, limits: [limit, left, ...seconds] }) => [
      ...[status, limit, left],
      ...seconds.map(about),
    ]),
    [
      [200, '4', '2', '600', null],
      [200, '4', '1', '600', null],
      [200, '4', '0', '600', null],
      [429, '4', '0', '600', '600'],
    ],
  )

  stopTime(t)
  redis.freeze() // the first request waits for its answer in vain
  for (const url of urls) {
    const alone = []
    for (let sent = 0; sent < 5; sent++) alone.push((await call(`${url}/me`, key)).status)
    assert.deepEqual(alone, [200, 200, 200, 200, 429])
  }
})
