import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { killAtRandom } from './process-scenarios.ts'
import type { Ground, Ran, Result, Scenario } from './scenario.ts'
import { between, World } from './world.ts'

/** What happens where some processes accept and others deliver, with PostgreSQL alone between them or Redis as well. */
export const roleScenarios: readonly Scenario[] = [
  {
    name: 'roles',
    title: 'processes that accept and processes that deliver are killed at random',
    isLong: true,
    run: ground => killAtRandom(ground, { processes: roles, perSecond: 200 }, ground.short ? 4 : 40),
  },
  {
    name: 'redis-roles',
    title: 'the same with Redis between them',
    run: ground =>
      withRedis(redis =>
        killAtRandom(
          ground,
          { processes: roles, perSecond: 200, env: { REDIS_URL: redis.url } },
          ground.short ? 4 : 40,
        ),
      ),
  },
  {
    name: 'redis',
    title:
      'Redis is flushed, killed and started empty, and frozen, between processes that accept and that deliver',
    run: ground => withRedis(redis => redisFaults(ground, redis)),
  },
]

const api = { args: ['--role', 'api'] }
const worker = { args: ['--role', 'worker'] }
const roles = [api, api, worker, worker]

/** Runs with a Redis of its own, or says why not. */
export async function withRedis(work: (redis: TestRedis) => Promise<Ran>): Promise<Result> {
  if (spawnSync('redis-server', ['--version']).status !== 0)
    return { kind: 'skipped', why: 'there is no redis-server on the PATH' }
  await using redis = await startRedis()
  return await work(redis)
}

async function redisFaults(ground: Ground, redis: TestRedis): Promise<Ran> {
  await using world = await World.open(ground, {
    processes: [api, worker, worker],
    perSecond: 200,
    env: { REDIS_URL: redis.url },
  })
  const faults = {
    FLUSHALL: () => redis.command('FLUSHALL'),
    'kill -9': async () => {
      await redis.kill()
      await sleep(between(500, 3000))
      await redis.start()
    },
    freeze: async () => {
      redis.freeze()
      await sleep(ground.short ? 4000 : 12_000)
      redis.resume()
    },
  }
  const rounds = ground.short ? 1 : 3
  for (let round = 0; round < rounds; round++) {
    for (const [what, fault] of Object.entries(faults)) {
      await sleep(between(1000, 2000))
      await world.fault(what, fault)
    }
    ground.say(`round ${round + 1}, ${world.load.accepted.length} accepted`)
  }
  await sleep(1000)
  return await world.finish(30_000, () => ({ repeats: 0, why: 'none' }))
}
