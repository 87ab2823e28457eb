import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLogger } from '../../src/platform/logger.ts'
import { openRedis, type RedisLink } from '../../src/platform/redis.ts'
import { eventually } from '../support/eventually.ts'
import { type TestRedis, testRedis } from '../support/redis.ts'
import { someTroubles } from '../support/troubles.ts'

interface World {
  readonly redis: TestRedis
  readonly link: RedisLink
  /** What was logged, one JSON line each. */
  readonly lines: readonly string[]
}

/** A server and a link to it that is in use; both go with the test. */
async function world(t: TestContext, options: readonly string[] = []): Promise<World | undefined> {
  const redis = await testRedis(t, options)
  if (!redis) return undefined
  const { link, lines } = openLink(redis.url)
  t.after(async () => {
    await link.close()
    await redis[Symbol.asyncDispose]()
  })
  await eventually(() => link.state === 'ok')
  return { redis, link, lines }
}

const commandTimeoutMs = 300

function openLink(url: string) {
  const lines: string[] = []
  const output = { write: (line: string) => void lines.push(line) }
  const logger = createLogger({ level: 'info', format: 'json', output })
  return {
    lines,
    link: openRedis({
      ...{ url, prefix: 'test', logger, troubles: someTroubles(logger), commandTimeoutMs },
      probeEveryMs: 200,
    }),
  }
}

const saying = (lines: readonly string[], words: RegExp) => lines.filter(line => words.test(line)).length

test('a killed Redis is known of at once, said once, and used again when it is back', async t => {
  const w = await world(t)
  if (!w) return
  const states: string[] = []
  w.link.onChange(state => states.push(state))
  await w.redis.kill()
  await eventually(() => w.link.isUsable === false)
  for (let n = 0; n < 20; n++) await assert.rejects(w.link.client.get('x'))
  assert.equal(saying(w.lines, /not available/), 1)
  await w.redis.start()
  await eventually(() => w.link.isUsable === true)
  assert.deepEqual(states, ['unavailable', 'ok'])
  assert.equal(saying(w.lines, /in use/), 2)
  assert.equal(
    saying(w.lines, /"level":"warn".*"seconds":[0-9.]+,.*in use again/),
    1,
    'and for how long it was away',
  )
})

test('a database that Redis does not have is said, and another one is not used instead', async t => {
  const redis = await testRedis(t, ['--databases', '4'])
  if (!redis) return
  await using server = redis
  const { link, lines } = openLink(`${server.url}/7`)
  t.after(() => link.close())
  await eventually(() => saying(lines, /REDIS_URL.*out of range.*not available/) === 1)
  // Its connection is made several times, and refused each time.
  await eventually(
    async () =>
      Number(/total_connections_received:(\d+)/.exec(await server.command('INFO', 'stats'))?.[1]) > 8,
  )
  assert.equal(link.isUsable, false)
  assert.equal(lines.length, 1, 'said once')
  assert.match(await server.command('DBSIZE'), /:0/)
  const { link: right } = openLink(`${server.url}/3`)
  t.after(() => right.close())
  await eventually(() => right.state === 'ok')
})

test('a link to a Redis that is not there yet finds it when it comes', async t => {
  const redis = await testRedis(t)
  if (!redis) return
  await using server = redis
  await server.kill()
  const { link, lines } = openLink(server.url)
  t.after(() => link.close())
  await eventually(() => saying(lines, /not available/) === 1)
  assert.equal(link.state, 'unavailable')
  await server.start()
  await eventually(() => link.state === 'ok')
})

test('a frozen Redis costs one timeout, and no command after it waits', async t => {
  const w = await world(t)
  if (!w) return
  w.redis.freeze()
  await assert.rejects(w.link.client.get('x'), /timed out/)
  assert.equal(w.link.isUsable, false)
  const from = performance.now()
  for (let n = 0; n < 50; n++) await assert.rejects(w.link.client.get('x'))
  assert.ok(performance.now() - from < (50 * commandTimeoutMs) / 2, 'they fail without waiting')
  w.redis.resume()
  await eventually(() => w.link.isUsable === true)
})

test('a frozen Redis is found out by the probe though nobody asks anything', async t => {
  const w = await world(t)
  if (!w) return
  w.redis.freeze()
  await eventually(() => w.link.state === 'unavailable')
  w.redis.resume()
  await eventually(() => w.link.state === 'ok')
})

test('a Redis without memory is full, not away, and of use again when it has some', async t => {
  const w = await world(t)
  if (!w) return
  await w.redis.command('CONFIG', 'SET', 'maxmemory', '1')
  await assert.rejects(w.link.client.set('x', '1'), /OOM/)
  assert.equal(w.link.state, 'full')
  assert.equal(w.link.isUsable, false)
  assert.equal(saying(w.lines, /is full/), 1)
  await w.redis.command('CONFIG', 'SET', 'maxmemory', '0')
  await eventually(() => w.link.state === 'ok')
})

test('a wrong password is said without any password, and the right one heals it', async t => {
  const redis = await testRedis(t, ['--requirepass', 'open-sesame'])
  if (!redis) return
  await using server = redis
  const { link, lines } = openLink(server.url.replace('open-sesame', 'hunter2-secret'))
  t.after(() => link.close())
  const errors: unknown[] = []
  link.client.on('error', error => errors.push(error))
  await eventually(() => saying(lines, /WRONGPASS/) === 1)
  await server.command('CONFIG', 'SET', 'requirepass', 'hunter2-secret')
  await eventually(() => link.state === 'ok')
  assert.doesNotMatch(lines.join(''), /hunter2|sesame/)
  assert.doesNotMatch(JSON.stringify(errors.map(error => ({ ...Object(error) }))), /hunter2|sesame/)
})

test('a failed command shows what it was, not what it held', async t => {
  const w = await world(t)
  if (!w) return
  await w.link.client.set('text', 'x')
  const error: unknown = await w.link.client.lpush('text', 'a secret').catch(failure => failure)
  assert.match(String(error), /WRONGTYPE/)
  assert.deepEqual({ ...Object(error) }, { command: { name: 'lpush' } })
  assert.equal(w.link.isUsable, true) // the command was wrong, not Redis
})

test('who listens hears what is published, and again after Redis was away', async t => {
  const w = await world(t)
  if (!w) return
  const heard: string[] = []
  const end = w.link.subscribe('news', message => heard.push(message))
  const hears = (message: string) =>
    eventually(() => {
      w.link.publish('news', message)
      return heard.includes(message)
    })
  await hears('one')
  await w.redis.kill()
  w.link.publish('news', 'to nobody')
  await w.redis.start()
  await hears('two')
  w.redis.freeze()
  await eventually(() => w.link.isUsable === false)
  w.redis.resume()
  await hears('three')
  end()
  assert.ok(!heard.includes('to nobody'))
})

test('a Redis that may throw keys away is warned of, once', async t => {
  const w = await world(t, ['--maxmemory-policy', 'allkeys-lru'])
  if (!w) return
  await eventually(() => saying(w.lines, /noeviction/) === 1)
  await w.redis.kill()
  await eventually(() => w.link.isUsable === false)
  await w.redis.start()
  await eventually(() => w.link.isUsable === true)
  assert.equal(saying(w.lines, /noeviction/), 1)
})

test('a link closes in time though Redis is frozen, and says nothing more', async t => {
  const w = await world(t)
  if (!w) return
  w.link.subscribe('news', () => {})
  w.link.bullConnection('worker')
  w.redis.freeze()
  const before = w.lines.length
  const from = performance.now()
  await w.link.close()
  assert.ok(performance.now() - from < 30_000)
  assert.equal(w.lines.length, before)
  assert.equal(w.link.isUsable, false)
})

test('a link closes what was made of its connections too, though Redis is away and they wait for it', async t => {
  const w = await world(t)
  if (!w) return
  const further = w.link.bullConnection('worker').duplicate()
  await eventually(() => further.status === 'ready')
  await w.redis.kill()
  await eventually(() => further.status === 'reconnecting')
  await w.link.close()
  let tries = 0
  further.on('connecting', () => tries++)
  await new Promise(resolve => setTimeout(resolve, 1000)) // the time itself: it was to try again after 0.3 s at most
  assert.equal(tries, 0)
})
