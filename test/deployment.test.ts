import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { readConfig } from '../src/config/config.ts'
import { settings } from '../src/config/settings.ts'

// What can be said about the deployment files without the engines that run them.

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const known = new Set(
  Object.values(settings).flatMap(({ variable, secret }) =>
    secret ? [variable, `${variable}_FILE`] : [variable],
  ),
)

interface ComposeService {
  readonly image?: string
  readonly env_file?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes: readonly string[]
  readonly command?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly stop_grace_period?: string
  readonly profiles?: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<'app' | 'worker' | 'db' | 'redis', ComposeService>>
  readonly volumes: Readonly<Record<string, null>>
}

interface EnvVar {
  readonly key: string
  readonly value?: string
  readonly generateValue?: boolean
  readonly fromDatabase?: { readonly name: string; readonly property: string }
  readonly fromService?: { readonly type: string; readonly name: string; readonly property: string }
}

interface Blueprint {
  readonly services: readonly {
    readonly type: string
    readonly name: string
    readonly healthCheckPath?: string
    readonly maxmemoryPolicy?: string
    readonly ipAllowList?: readonly unknown[]
    readonly envVars?: readonly EnvVar[]
  }[]
  readonly databases: readonly { readonly name: string }[]
}

// Our own files: the tests below are what checks their shape.
const compose = parse(read('docker-compose.yml')) as Compose
const blueprint = parse(read('render.yaml')) as Blueprint

/** The variables that a file of `NAME=value` lines sets. */
function environmentFile(path: string): Record<string, string> {
  const lines = read(path)
    .split('\n')
    .filter(line => /^[A-Z]/.test(line))
  return Object.fromEntries(
    lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

/** The instructions of the Dockerfile, continued lines joined, comments gone. */
function dockerInstructions(): readonly { readonly name: string; readonly rest: string }[] {
  const text = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
  return text.split('\n').flatMap(line => {
    const match = /^([A-Z]+) (.*)$/.exec(line)
    return match ? [{ name: match[1] ?? '', rest: match[2] ?? '' }] : []
  })
}

test('.env.example gives the variables of Compose, and the service accepts them', () => {
  const environment = environmentFile('.env.example')
  assert.deepEqual(environment, {
    DATABASE_URL: 'postgresql://postgres:postgres@db:5432/webhooks',
    REDIS_URL: 'redis://redis:6379/0',
    LOG_RETENTION_HOURS: '72',
    AUTH: 'none',
  })
  const config = readConfig({ ...environment, ...compose.services.app.environment })
  assert.equal(config.mode, 'server')
  assert.equal(config.host, '0.0.0.0', 'in a container the port must be reachable from outside it')
  assert.equal(config.port, 8000)
})

test('.env.example tells every setting there is', () => {
  const text = read('.env.example')
  for (const { variable } of Object.values(settings)) {
    assert.match(text, new RegExp(`^#?${variable}=`, 'm'), `run "npm run generate": ${variable} is missing`)
  }
})

test('Compose has the services app, db and redis, published on the loopback only', () => {
  const { app, db, redis, ...others } = compose.services
  assert.ok(Object.values(others).every(({ profiles }) => profiles !== undefined))
  assert.deepEqual(app.ports, ['127.0.0.1:8000:8000'])
  assert.deepEqual(db.ports, ['127.0.0.1:5432:5432'])
  assert.deepEqual(redis.ports, ['127.0.0.1:6379:6379'])
  assert.match(db.image ?? '', /^postgres:(1[5-9]|[2-9]\d)$/)
  assert.match(redis.image ?? '', /^redis:7/)
})

test('a worker of Compose delivers only, with the key of app, and starts only when asked for', () => {
  const { app, worker } = compose.services
  assert.deepEqual(worker.profiles, ['workers'])
  const config = readConfig({ ...environmentFile('.env.example'), ...worker.environment })
  assert.equal(config.role, 'worker')
  assert.deepEqual([worker.volumes, worker.env_file], [app.volumes, app.env_file])
})

test('Compose keeps the data of all three in named volumes', () => {
  const { app, db, redis } = compose.services
  assert.deepEqual(Object.keys(compose.volumes).sort(), ['app_data', 'db_data', 'redis_data'])
  assert.deepEqual(db.volumes, ['db_data:/var/lib/postgresql/data'])
  assert.deepEqual(redis.volumes, ['redis_data:/data'])
  assert.deepEqual(
    app.volumes,
    [`app_data:${app.environment?.DATA_DIR}`],
    'the encryption key must outlive the container',
  )
})

test('Compose starts the service when the database is ready, and lets it stop in its own time', () => {
  const { app, redis } = compose.services
  assert.equal(app.env_file, '.env')
  assert.deepEqual(app.depends_on, { db: { condition: 'service_healthy' } })
  const graceMs = Number.parseInt(app.stop_grace_period ?? '', 10) * 1000
  assert.ok(
    graceMs > readConfig({}).shutdownDrainMs + readConfig({}).shutdownTimeoutMs,
    'stop_grace_period must be longer than SHUTDOWN_DRAIN_MS and SHUTDOWN_TIMEOUT_MS',
  )
  assert.match(redis.command?.join(' ') ?? '', /--appendonly yes --maxmemory-policy noeviction/)
})

test('the Dockerfile copies only what is there and what .dockerignore lets through', () => {
  const ignored = read('.dockerignore').split('\n')
  const copied = dockerInstructions()
    .filter(({ name, rest }) => name === 'COPY' && !rest.includes('--from='))
    .flatMap(({ rest }) => rest.split(' ').slice(0, -1))
  assert.ok(copied.length > 0)
  for (const path of copied) {
    assert.ok(existsSync(new URL(path, root)), `${path} is copied but not there`)
    assert.ok(
      ignored.includes(`!${path}`),
      `${path} is copied, so .dockerignore must let it through with !${path}`,
    )
  }
  assert.ok(ignored.includes('*'), 'only what is named goes to the build')
})

test('the image holds what the published package holds', () => {
  const { files } = JSON.parse(read('package.json')) as { readonly files: readonly string[] } // our own file
  const runtime = dockerInstructions().slice(
    dockerInstructions().findLastIndex(({ name }) => name === 'FROM'),
  )
  const copied = runtime.filter(({ name }) => name === 'COPY').map(({ rest }) => rest)
  for (const path of files.filter(file => file !== 'CHANGELOG.md' && existsSync(new URL(file, root)))) {
    assert.ok(
      copied.some(rest => rest.includes(path)),
      `the last stage of the Dockerfile does not copy ${path}`,
    )
  }
})

test('npm scripts that the Dockerfile and the pages run exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: object } // our own file
  for (const path of ['Dockerfile', 'docs/deployment.md']) {
    const named = [...read(path).matchAll(/npm run ([\w:]+)/g)].map(([, script = '']) => script)
    assert.ok(named.length > 0, path)
    for (const script of named) assert.ok(script in scripts, `${path} runs "npm run ${script}"`)
  }
})

test('the image runs as nobody in particular, with commands in exec form and a health check', () => {
  const instructions = dockerInstructions()
  const rests = (wanted: string) => instructions.filter(({ name }) => name === wanted).map(({ rest }) => rest)
  assert.deepEqual(rests('USER'), ['node'])
  assert.deepEqual(rests('ENTRYPOINT'), ['["node", "bin/webhooks.js"]'])
  assert.deepEqual(rests('CMD'), ['["serve"]'])
  assert.match(rests('HEALTHCHECK').join(), /CMD \["node", "bin\/webhooks.js", "healthcheck"\]$/)
  const nodeMajor = read('.nvmrc').trim()
  for (const image of rests('FROM')) assert.match(image, new RegExp(`^node:${nodeMajor}-slim`))
})

test('Render gets a service that is reached, checked and given what it needs', () => {
  const web = blueprint.services.find(({ type }) => type === 'web')
  const cache = blueprint.services.find(({ type }) => type === 'keyvalue')
  assert.ok(web && cache)
  assert.equal(web.healthCheckPath, '/readyz')
  const variables = new Map(web.envVars?.map(variable => [variable.key, variable]))
  assert.equal(variables.get('PORT')?.value, '10000')
  assert.equal(variables.get('LOG_RETENTION_HOURS')?.value, '72')
  assert.equal(variables.get('ENCRYPTION_KEYS')?.generateValue, true)
  const database = variables.get('DATABASE_URL')?.fromDatabase
  assert.ok(blueprint.databases.some(({ name }) => name === database?.name))
  assert.equal(variables.get('REDIS_URL')?.fromService?.name, cache.name)
  assert.equal(cache.maxmemoryPolicy, 'noeviction')
  assert.deepEqual(cache.ipAllowList, [])
})

test('every variable that a deployment file sets is a setting', () => {
  const image = dockerInstructions()
    .filter(({ name }) => name === 'ENV')
    .flatMap(({ rest }) => [...rest.matchAll(/(\w+)=/g)].map(match => match[1] ?? ''))
  const units = [...read('docs/deployment.md').matchAll(/^(?:Environment=)?([A-Z][A-Z_]+)=/gm)].map(
    match => match[1] ?? '',
  )
  const all = [
    ...image,
    ...units,
    ...Object.keys(compose.services.app.environment ?? {}),
    ...blueprint.services.flatMap(({ envVars }) => envVars?.map(({ key }) => key) ?? []),
  ]
  assert.ok(image.includes('DATA_DIR') && units.includes('DATABASE_URL'))
  for (const variable of all) assert.ok(known.has(variable), `${variable} is not in src/config/settings.ts`)
})
