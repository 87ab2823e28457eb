import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { compileService } from './compiled.ts'
import { dropTemplates, startTestServer, testServer, urlOf } from './database.ts'
import { databaseTests } from './database-tests.ts'
import { groupsOf, writeEntries } from './groups.ts'

// Runs the tests (all, or the files and folders given) against one PostgreSQL that lives as long as the run; each
// test makes a database of its own on it. With TEST_DATABASE_URL set, that server is used instead.
//   --with-database   of these, only the files that load test/support/database.ts
//   --without FOLDER  of these, only the files that are not in it
//   --name PATTERN    of these, only the tests whose name matches
//   --long            also those that are long (<name>.long.test.ts), and those with a size of their own at that size
//                     (length.ts)
//   --apart           every file in a process of its own
//   --inspect         waits for a debugger, and lets it take its time

console.log(`Node.js ${process.version}`)
const root = new URL('../../', import.meta.url)
const { values, positionals } = parseArgs({
  options: {
    'with-database': { type: 'boolean', default: false },
    without: { type: 'string', multiple: true, default: [] },
    name: { type: 'string' },
    apart: { type: 'boolean', default: false },
    inspect: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
/** Not in the suite: each takes as long as a tenth of it. They have commands of their own, and .ci/run runs those. */
const own = ['test/upgrade/', 'test/e2e/ways-to-start.test.ts']
const found = (await testFiles(positionals)).filter(
  path =>
    !values.without.some(folder => path.startsWith(`${folder.replace(/\/+$/, '')}/`)) &&
    (values.long || positionals.includes(path) || !path.endsWith('.long.test.ts')) &&
    (positionals.length > 0 || !own.some(start => path.startsWith(start))),
)
const withDatabase = databaseTests(found)
const files = values['with-database'] ? withDatabase : found
if (files.length === 0) {
  console.error('No test files match what was given.')
  process.exit(1)
}

// Ctrl-C reaches the tests too, as they are in this process group; here it must not skip stopping the server.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => running?.kill('SIGTERM'))

let running: ReturnType<typeof spawn> | undefined
const isGiven = Boolean(process.env.TEST_DATABASE_URL)
// Tests that need no database begin at once.
const server = isGiven || withDatabase.length === 0 ? undefined : await startTestServer()
const name = `${process.pid}`
// The tests are several processes, and start more of them.
const compiled = withDatabase.length === 0 ? undefined : await compileService()
// A pattern of names is meant for the names of tests, not for those of files.
const isApart = values.apart || values.inspect || values.name !== undefined
const entries = isApart ? undefined : await writeEntries(groupsOf(files))
try {
  process.exitCode = await run({
    ...(server && { TEST_DATABASE_URL: urlOf(server.connection) }),
    TEST_RUN: name,
    ...(values.long && { TEST_LENGTH: 'long' }),
    ...(compiled && { NODE_COMPILE_CACHE: compiled.folder }),
  })
} finally {
  await server?.stop()
  if (isGiven) await dropTemplates(await testServer(), name)
  await compiled?.[Symbol.asyncDispose]()
  await entries?.[Symbol.asyncDispose]()
}

async function run(environment: NodeJS.ProcessEnv): Promise<number> {
  const options = ['--test', '--test-reporter=spec']
  if (values.name !== undefined) options.push(`--test-name-pattern=${values.name}`)
  // A debugger sees one process, so the tests run in that of the runner.
  if (values.inspect) options.push('--inspect-brk', '--test-isolation=none')
  else options.push('--test-concurrency=4', '--test-timeout=300000')
  running = spawn(process.execPath, [...options, ...(entries?.paths ?? files)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  })
  const [code] = await once(running, 'exit')
  return typeof code === 'number' ? code : 1
}

async function testFiles(given: readonly string[]): Promise<readonly string[]> {
  const patterns = given.map(path =>
    path.endsWith('.ts') ? path : `${path.replace(/\/+$/, '')}/**/*.test.ts`,
  )
  const found: string[] = []
  for await (const path of glob(patterns.length > 0 ? patterns : ['test/**/*.test.ts'], { cwd: root })) {
    found.push(path)
  }
  return found.sort()
}
