import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { readConfig } from '../src/config/config.ts'
import { settings } from '../src/config/settings.ts'
import { databaseTests } from './support/database-tests.ts'
import { commandsIn, needsOf, stepsOf, workflow, workflows } from './support/workflows.ts'

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

test('every job of hosted CI is bounded in time, and may do no more than it says', () => {
  for (const { file, permissions, concurrency, jobs } of workflows()) {
    assert.ok(concurrency?.group, `${file} has no concurrency group`)
    assert.ok(
      Object.values(permissions ?? { all: 'write' }).every(level => level === 'read'),
      `${file} must begin with what may be read; a job says what it writes`,
    )
    for (const [name, job] of Object.entries(jobs)) {
      assert.ok(job.uses !== undefined || job['timeout-minutes'], `${file}: ${name} has no timeout-minutes`)
    }
  }
})

test('hosted CI runs no action that could change under its name, and leaves no credentials behind', () => {
  for (const flow of workflows()) {
    for (const [line] of flow.text.matchAll(/uses: .*/g)) {
      assert.match(line, /^uses: (\.\/.+|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/, flow.file)
    }
    const checkouts = stepsOf(flow).filter(({ uses }) => uses?.startsWith('actions/checkout@'))
    assert.ok(checkouts.every(step => step.with?.['persist-credentials'] === false))
  }
})

test('npm scripts and files that CI, the Dockerfile and the pages run exist', () => {
  const known = JSON.parse(read('package.json')) as { readonly scripts: object } // our own file
  const pages = globSync(['*.md', 'docs/*.md'], { cwd: fileURLToPath(root) })
  const texts = ['.ci/run', 'Dockerfile', ...pages].map(path => [path, read(path)] as const)
  for (const [file, text] of [...texts, ...workflows().map(flow => [flow.file, flow.text] as const)]) {
    const { scripts, paths } = commandsIn(text)
    for (const script of scripts) assert.ok(script in known.scripts, `${file} runs "npm run ${script}"`)
    for (const path of paths) assert.ok(existsSync(new URL(path, root)), `${file} needs ${path}`)
  }
  assert.ok(commandsIn(read('.ci/run')).scripts.length > 4 && commandsIn(read('.ci/run')).paths.length > 0)
})

test('a signal to npm reaches what its script runs: the shell becomes that program', () => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Record<string, string> } // our own file
  const runNode = Object.entries(scripts).filter(([, text]) => /^(exec )?node (?!scripts\/)[^&]*$/.test(text))
  assert.ok(runNode.length > 10)
  for (const [name, text] of runNode) assert.match(text, /^exec node /, name)
  assert.match(read('exec.cmd'), /^@%\*$/m, 'cmd.exe has no exec')
  const commands = dockerInstructions().filter(({ name }) => ['ENTRYPOINT', 'CMD'].includes(name))
  assert.ok(
    commands.length === 2 && commands.every(({ rest }) => rest.startsWith('[')),
    'no shell in the image',
  )
  assert.ok(!/(docker|start)Command:/.test(read('render.yaml')), 'Render runs the command of the image')
})

test('hosted CI tests every PostgreSQL and Node.js that is supported, and .ci/run the oldest PostgreSQL', () => {
  const { linux, macos } = workflow('ci.yml').jobs
  assert.deepEqual(linux?.strategy?.matrix, { postgres: [15, 16, 17, 18], node: [24, 26] })
  assert.deepEqual(macos?.strategy?.matrix, { node: [24, 26] })
  assert.match(read('.ci/run'), /^oldest=15$/m)
  assert.match(read('README.md'), /PostgreSQL 15 or newer/)
})

test('a release is published only after all of CI has passed, what users follow after npm, and signed', () => {
  const release = workflow('release.yml')
  assert.deepEqual(needsOf(release, 'release'), ['release', 'image-tags', 'npm', 'image', 'ci', 'version'])
  assert.equal(release.jobs.ci?.uses, './.github/workflows/ci.yml')
  const { environment, permissions, steps } = release.jobs.npm ?? {}
  assert.deepEqual([environment, permissions?.['id-token']], ['release', 'write'])
  assert.ok(steps?.some(({ run }) => run?.includes('npm publish --provenance')))
})

test('what CI runs again on the oldest PostgreSQL are the tests that make databases', () => {
  const all = globSync('test/**/*.test.ts', { cwd: fileURLToPath(root) })
  const chosen = databaseTests(all)
  const making = all.filter(path =>
    /\b(testDatabase|testService|testCluster|processWorld)\(/.test(read(path)),
  )
  for (const path of making) assert.ok(chosen.includes(path), path)
  assert.ok(making.length > 0 && chosen.length < all.length)
})

test('addresses of the repository are those of package.json, so that a fork has one to change', () => {
  const { homepage, bugs, repository } = JSON.parse(read('package.json')) // our own file
  const address = repository.url.replace(/^git\+|\.git$/g, '')
  assert.deepEqual([homepage, bugs], [`${address}#readme`, `${address}/issues`])
  const ours = new RegExp(`https://github\\.com/[^/\\s]+/${address.split('/').at(-1)}\\b`, 'g')
  for (const path of globSync(['*.md', 'docs/**/*.md', '.github/**/*.*'], { cwd: fileURLToPath(root) })) {
    for (const [found] of read(path).matchAll(ours)) assert.equal(found, address, path)
  }
})

test('links between the pages lead to files that are there', () => {
  for (const page of globSync(['*.md', 'docs/**/*.md'], { cwd: fileURLToPath(root) })) {
    for (const [, link = ''] of read(page).matchAll(/\]\((?!\w+:|#|\.\.\/\.\.\/security\/)([^)#\s]+)/g)) {
      assert.ok(existsSync(new URL(link, new URL(page, root))), `${page} links to ${link}`)
    }
  }
})
