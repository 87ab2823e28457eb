import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { groupsOf, writeEntries } from './groups.ts'
import { namedOptions } from './named.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('every file is in one group, in a group are few, and a file that says so has one of its own', () => {
  const all = globSync('test/**/*.test.ts', { cwd: root }).sort()
  const groups = groupsOf(all)
  assert.deepEqual(groups.flat().sort(), all)
  assert.ok(groups.length < all.length / 3, `${groups.length} groups`)
  for (const group of groups) assert.ok(group.length <= 30, group.join(' '))
  const ends = groups
    .filter(group => group.some(path => path.startsWith('test/e2e/')) && group.length > 1)
    .at(-1)
  assert.equal(ends?.length, 2, 'the last ones are small: none is waited for long at the end')
  const own = groups.find(group => group.includes('test/platform/young-generation.test.ts'))
  assert.equal(own?.length, 1, 'it changes how V8 collects garbage')
})

test('groups run in their order: Node.js sorts what it runs by name', async () => {
  const groups = Array.from({ length: 12 }, () => ['test/version.test.ts'])
  await using entries = await writeEntries(groups)
  assert.deepEqual(entries.paths.toSorted(), entries.paths)
})

test('files of a group have hooks and worlds of their own, one after the other', async t => {
  const one = (name: string) => `
    import assert from 'node:assert/strict'
    import { after, before, beforeEach, test } from 'node:test'
    assert.equal(globalThis.world, undefined, 'the file before has ended')
    globalThis.world = await Promise.resolve('${name}')
    const seen = []
    before(() => seen.push('before'))
    beforeEach(() => seen.push('each'))
    after(() => { globalThis.world = undefined })
    test('first of ${name}', async () => {
      await new Promise(resolve => setTimeout(resolve, 5))
      assert.equal(globalThis.world, '${name}')
    })
    test('second of ${name}', () => assert.deepEqual(seen, ['before', 'each', 'each']))`
  const { status, stdout } = await runGroup(t, { a: one('a'), b: one('b') })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^# tests 4$/m)
})

test('what fails in a group is a failure under the name of its file, and the files behind it are run', async t => {
  const passes = `import { test } from 'node:test'\ntest('it passes', () => {})`
  const { status, stdout } = await runGroup(t, {
    a: `import { test } from 'node:test'\ntest('it fails', () => { throw new Error('wrong') })`,
    b: `import './not-there.mjs'\n${passes}`,
    c: `import { test } from 'node:test'\ntest('it fails later', () => { setImmediate(() => { throw new Error('wrong') }); return new Promise(() => {}) })`,
    d: `import { after, test } from 'node:test'\nafter(() => { throw new Error('wrong') })\ntest('a hook fails', () => {})`,
    e: passes,
  })
  assert.equal(status, 1)
  for (const name of ['a', 'b', 'c', 'd']) assert.match(stdout, new RegExp(`^not ok .*/${name}\\.mjs$`, 'm'))
  assert.match(stdout, /^ok .*\/e\.mjs$/m)
})

test('a run for a name that no test has says so and ends, whatever was opened before the tests', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-groups-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'opens.mjs')
  await writeFile(
    file,
    `import { after, before, test } from 'node:test'
     let open
     before(async () => { await new Promise(resolve => setImmediate(resolve)); open = setInterval(() => {}, 1000) })
     after(() => clearInterval(open))
     test('it is there', () => {})`,
  )
  for (const [name, status, said] of [
    ['not there', 1, true],
    ['is there', 0, false],
  ] as const) {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const options = ['--test', ...namedOptions(name), file]
    const run = spawnSync(process.execPath, options, { env, encoding: 'utf8', timeout: 60_000 })
    assert.deepEqual([run.status, run.stdout.includes('no test matches')], [status, said], run.stdout)
  }
})

/** Runs files of these names and texts as one group, as the suite does. */
async function runGroup(t: TestContext, texts: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-groups-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = Object.keys(texts).map(name => join(folder, `${name}.mjs`))
  await Promise.all(Object.values(texts).map((text, n) => writeFile(paths[n] ?? '', text)))
  await using entries = await writeEntries([paths])
  const { NODE_TEST_CONTEXT: _, TEST_TIMES: __, ...env } = process.env
  const options = ['--test', '--test-reporter=tap', '--test-timeout=60000']
  return spawnSync(process.execPath, [...options, ...entries.paths], { env, encoding: 'utf8' })
}
