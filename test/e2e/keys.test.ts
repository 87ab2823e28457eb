import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../src/config/config.ts'
import { createLogger, silentLogger } from '../../src/platform/logger.ts'
import { startService } from '../../src/service/service.ts'
import { testCluster } from '../support/cluster.ts'
import { aTenant } from '../support/keys.ts'
import { eventually, runCommandBeside, testService } from '../support/service.ts'

const json = { 'content-type': 'application/json' }
const firstKey = 'whk_0123456789abcdef0123456789abcdef'

const statusOf = async (url: string, key: string, path = '/me') =>
  (await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })).status

test('a key that one process revokes is refused by the other one within a second, and so is that of a deleted tenant', async () => {
  await using cluster = await testCluster({ AUTH: 'keys', FIRST_KEY: firstKey })
  const [one, other] = [await cluster.start('api'), await cluster.start('api')]
  const headers = { ...json, authorization: `Bearer ${firstKey}` }
  const make = async (path: string, body: object) =>
    Object(
      await (await fetch(one.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json(),
    )
  await make('/tenants', { id: 'acme', name: 'Acme' })
  const revoked = await make('/keys', { name: 'x', scope: 'read' })
  const ofTenant = await make('/keys', { name: 'y', scope: 'tenant', tenant: 'acme' })
  const portal = await make('/portal-tokens', { tenant: 'acme' })
  for (const key of [revoked.key, ofTenant.key, portal.token]) {
    await eventually(async () => (await statusOf(other.url, key)) === 200)
  }
  const refusedWithin = async (path: string, keys: readonly string[]) => {
    assert.equal((await fetch(one.url + path, { method: 'DELETE', headers })).status, 204)
    const beganAt = performance.now()
    for (const key of keys) {
      assert.equal(await statusOf(one.url, key), 401, 'at once where it was revoked')
      await eventually(async () => (await statusOf(other.url, key)) === 401)
    }
    return performance.now() - beganAt
  }
  // A second on a machine that has nothing else to do; without the notice it would take a minute.
  assert.ok((await refusedWithin(`/keys/${revoked.id}`, [revoked.key])) < 30_000)
  assert.ok((await refusedWithin('/tenants/acme', [ofTenant.key, portal.token])) < 30_000)
})

test('FIRST_KEY is the first key, is printed nowhere, and counts only while there is no other', async () => {
  await using world = await testService({ AUTH: 'keys', FIRST_KEY: firstKey })
  assert.equal(await statusOf(world.url, firstKey), 200)
  assert.equal(world.service.firstKeyFile, undefined)
  await assert.rejects(stat(join(world.environment.DATA_DIR ?? '', 'first-api-key')))
  const { rows } = await world.world.database.query({ text: 'select name, scopes, prefix from api_keys' })
  assert.deepEqual(rows, [{ name: 'first key', scopes: ['admin'], prefix: 'whk_0123' }])
  // A service that starts later with another one: there is a key already.
  const later = await startService({
    config: readConfig({ ...world.environment, FIRST_KEY: `${firstKey}0` }),
    logger: silentLogger(),
  })
  assert.equal(later.firstKey, undefined)
  assert.equal(await statusOf(later.url, `${firstKey}0`), 401)
  assert.equal(await statusOf(later.url, firstKey), 200)
  await later.close()
})

test('a start says that no valid key is left to manage the service with', async () => {
  await using world = await testService({ AUTH: 'keys', FIRST_KEY: firstKey })
  await world.world.database.query({ text: 'update api_keys set expires_at = now()' })
  const output: string[] = []
  const logger = createLogger({
    level: 'warn',
    format: 'json',
    output: { write: line => void output.push(line) },
  })
  const later = await startService({ config: readConfig(world.environment), logger })
  await later.close()
  assert.equal(later.firstKey, undefined)
  assert.match(output.join(''), /No valid key with scope admin is left.*webhooks keys create/)
})

test('the first key is in a file of its owner alone', async () => {
  await using world = await testService({ AUTH: 'keys' })
  const file = world.service.firstKeyFile ?? ''
  assert.equal((await readFile(file, 'utf8')).trim(), world.service.firstKey)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(await statusOf(world.url, world.service.firstKey ?? ''), 200)
})

test('with no place for the first key there is none, and the command makes one beside the running service', async () => {
  await using world = await testService({
    AUTH: 'keys',
    ENCRYPTION_KEYS: Buffer.alloc(32, 1).toString('base64'),
    DATA_DIR: '/dev/null/data', // also the superuser makes no folder there
  })
  assert.equal(world.service.firstKey, undefined)
  await aTenant(world.world.database, 'acme')
  const run = (...args: string[]) => runCommandBeside(['keys', ...args], world.environment)
  const made = await run('create', '--name', 'rescue', '--scope', 'admin')
  assert.equal(made.status, 0, made.stderr)
  assert.match(made.stdout, /^whk_[\w-]{43}\n$/)
  await eventually(async () => (await statusOf(world.url, made.stdout.trim())) === 200)
  const scoped = await run(
    'create',
    '--name',
    'x',
    '--scope',
    'publish',
    '--tenant',
    'acme',
    '--expires-in',
    '90d',
  )
  assert.equal(scoped.status, 0, scoped.stderr)
  const listed = await run('list', '--json')
  const keys = JSON.parse(listed.stdout) as { id: number; scope: string; expires_at: string | null }[]
  assert.deepEqual(
    keys.map(({ scope }) => scope),
    ['publish', 'admin'],
  )
  assert.ok(Math.abs(Date.parse(keys[0]?.expires_at ?? '') - Date.now() - 90 * 86_400_000) < 600_000)
  const revoked = await run('revoke', String(keys[1]?.id))
  assert.equal(revoked.status, 0, revoked.stderr)
  assert.match(revoked.stderr, /No valid key with scope admin is left/)
  await eventually(async () => (await statusOf(world.url, made.stdout.trim())) === 401)
})
