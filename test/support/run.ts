import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { bundleService, compileCache, compileSources } from './bundle.ts'
import { dropTemplates, startTestServer, testServer, urlOf } from './database.ts'
import { databaseTests, processTests } from './database-tests.ts'
import { atOnce, groupsOf, writeEntries } from './groups.ts'
import { namedOptions } from './named.ts'
import { timeline, watchLoad } from './timeline.ts'
import { childSeconds, keptTimes, timesTable } from './times.ts'

// Runs the tests (all, or the files and folders given) against one PostgreSQL that lives as long as the run; each
// test makes a database of its own on it. With TEST_DATABASE_URL set, that server is used instead.
//   --with-database   of these, only the files that load test/support/database.ts
//   --without FOLDER  of these, only the files that are not in it
//   --name PATTERN    of these, only the tests whose name matches
//   --long            also those that are long (<name>.long.test.ts), and those that are short in the suite as long as
//                     they are meant to be (length.ts)
//   --apart           every file in a process of its own
//   --slowest COUNT   lists at the end as many files: those that took most of the processor (10)
//   --timeline        shows at the end how busy the processors were, and with which files
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
    timeline: { type: 'boolean', default: false },
    slowest: { type: 'string', default: '10' },
    long: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
/** Not in the suite: each takes long, and is about one thing. They have commands of their own, and .ci/run runs those. */
const own = [
  'test/upgrade/',
  'test/e2e/dashboard', // pages in a browser
  ...['ways-to-start', 'guides', 'presets-page', 'database-surroundings'].map(
    name => `test/e2e/${name}.test.ts`,
  ),
]
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
const timelineMs = 3000
const isGiven = Boolean(process.env.TEST_DATABASE_URL)
const name = `${process.pid}`
// Tests that need no database begin at once.
const [server, bundle] = await Promise.all([
  isGiven || withDatabase.length === 0 ? undefined : startTestServer(),
  processTests(files).length === 0 ? undefined : bundleService(),
  files.length < 20 ? undefined : compileSources(),
])
// A pattern of names is meant for the names of tests, not for those of files.
const isApart = values.apart || values.inspect || values.name !== undefined
const entries = isApart ? undefined : await writeEntries(groupsOf(files))
try {
  const began = { at: performance.now(), seconds: childSeconds() }
  const load = values.timeline ? watchLoad(timelineMs) : undefined
  process.exitCode = await run({
    ...(server && { TEST_DATABASE_URL: urlOf(server.connection) }),
    TEST_RUN: name,
    ...(entries && { TEST_TIMES: entries.folder }),
    ...(values.long && { TEST_LENGTH: 'long' }),
    NODE_COMPILE_CACHE: compileCache,
    ...(bundle && { TEST_LAUNCHER: bundle.launcher }),
  })
  if (entries && files.length > 1) tellTimes(entries.folder, began)
  if (entries && load) console.log(timeline(load.stop(), keptTimes(entries.folder)))
} finally {
  await server?.stop()
  if (isGiven) await dropTemplates(await testServer(), name)
  await entries?.[Symbol.asyncDispose]()
  await bundle?.[Symbol.asyncDispose]()
}

async function run(environment: NodeJS.ProcessEnv): Promise<number> {
  const options = [
    '--test',
    ...(values.name === undefined ? ['--test-reporter=spec'] : namedOptions(values.name)),
  ]
  // A debugger sees one process, so the tests run in that of the runner.
  if (values.inspect) options.push('--inspect-brk', '--test-isolation=none')
  else options.push(`--test-concurrency=${atOnce}`, '--test-timeout=300000')
  running = spawn(process.execPath, [...options, ...(entries?.paths ?? files)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  })
  const [code] = await once(running, 'exit')
  return typeof code === 'number' ? code : 1
}

/** Where the time went: a suite that grew too long is looked at from its longest files. */
function tellTimes(folder: string, began: { readonly at: number; readonly seconds: number }): void {
  console.log(timesTable(keptTimes(folder), Number(values.slowest)))
  const [wall, tests, postgres] = [
    (performance.now() - began.at) / 1000,
    childSeconds() - began.seconds,
    server ? childSeconds(server.pid) : 0,
  ].map(Math.round)
  console.log(
    `${wall} s, in which the tests took ${tests} s of the processor, and their PostgreSQL ${postgres} s`,
  )
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
