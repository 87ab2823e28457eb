import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

// The rules of the code's shape that neither the compiler nor the linter knows. To change one, change it here and say why.

const root = new URL('../', import.meta.url)
const files = listFiles()
const code = files.filter(path => /\.(ts|js|mjs)$/.test(path))
const sources = code.filter(path => path.startsWith('src/'))
const textCache = new Map<string, string>()

/** Committed or about to be: everything in the checkout that is not ignored. */
function listFiles(): readonly string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: fileURLToPath(root),
    encoding: 'utf8',
  })
  return [...new Set(list.split('\0'))].filter(path => path !== '' && existsSync(new URL(path, root))).sort()
}

function textOf(path: string): string {
  const text = textCache.get(path) ?? readFileSync(new URL(path, root), 'utf8')
  textCache.set(path, text)
  return text
}

interface Import {
  readonly from: string
  /** A path from the root for a file of ours, else the name of the package. */
  readonly to: string
  /** `import type`: gone at run time. */
  readonly typeOnly: boolean
}

function importsOf(path: string): readonly Import[] {
  const pattern = /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm
  return [...textOf(path).matchAll(pattern)].map(([, type, named, dynamic]) => {
    const target = named ?? dynamic ?? ''
    const to = target.startsWith('.') ? join(dirname(path), target) : packageName(target)
    return { from: path, to, typeOnly: type !== undefined }
  })
}

function packageName(target: string): string {
  return target.split('/', target.startsWith('@') ? 2 : 1).join('/')
}

/** Fails with every offender on its own line, after the rule and what to do. */
function nobody(rule: string, offenders: readonly string[]): void {
  assert.ok(offenders.length === 0, `${rule}\n${offenders.map(offender => `  ${offender}`).join('\n')}`)
}

const isStore = (path: string) => /(^|\/)([a-z-]+-)?store\.ts$/.test(path)

/** From what everything stands on to what wires it all. A file may import from its own layer and from below. */
function layerOf(path: string): number {
  // Commands start the whole service, so they stand above what wires it.
  if (path === 'src/main.ts' || path.startsWith('src/cli/')) return 6
  if (path === 'src/compose.ts') return 5
  if (path.startsWith('src/http/') || path.endsWith('/routes.ts')) return 4
  // The settings are read at the edge; below it, what a part needs of them is handed in.
  if (/^src\/(config|config-reference|setting|settings)\.ts$/.test(path)) return 4
  if (path.startsWith('src/queue/')) return 2
  if (path.startsWith('src/platform/')) return 1
  return path === 'src/errors.ts' ? 0 : 3
}

test('imports point one way: edge → features → queue → platform', () => {
  // Types may be named from anywhere: they are erased, so they load nothing and make no cycle.
  const wrong = sources
    .flatMap(importsOf)
    .filter(({ to, typeOnly }) => to.startsWith('src/') && !typeOnly)
    .filter(({ from, to }) => layerOf(to) > layerOf(from))
  nobody(
    'Imports point one way: edge (http, cli, routes.ts) → features → queue → platform. Hand the value in from above:',
    wrong.map(({ from, to }) => `${from} imports ${to}`),
  )
})

test('a store belongs to its folder', () => {
  const wrong = sources
    .flatMap(importsOf)
    .filter(({ from, to }) => isStore(to) && dirname(from) !== dirname(to))
  nobody(
    "Never import another folder's store: let that folder's own file offer what is needed:",
    wrong.map(({ from, to }) => `${from} imports ${to}`),
  )
})

test('SQL is in stores, in the queue and on the platform', () => {
  nobody(
    'Only store.ts (or <name>-store.ts), src/queue/ and src/platform/ query the database. Move the statement to a store:',
    sources.filter(
      path => !isStore(path) && !/^src\/(queue|platform)\//.test(path) && /\.query\s*[<(]/.test(textOf(path)),
    ),
  )
})

test('packages with a place of their own stay there', () => {
  const places: readonly { readonly name: RegExp; readonly where: RegExp; readonly words: string }[] = [
    {
      name: /^(fastify|@fastify\/.+)$/,
      where: /^src\/http\/|\/routes\.ts$/,
      words: 'src/http/ and routes.ts',
    },
    { name: /^pg$/, where: /^src\/platform\/|store\.ts$/, words: 'src/platform/ and stores' },
    { name: /^undici$/, where: /^src\/deliver\//, words: 'src/deliver/' },
    {
      name: /^ioredis$/,
      where: /^src\/platform\/redis-connection\.ts$/,
      words: 'src/platform/redis-connection.ts',
    },
    { name: /^pino$/, where: /^src\/platform\/logger\.ts$/, words: 'src/platform/logger.ts' },
  ]
  const wrong = sources.flatMap(importsOf).flatMap(({ from, to }) => {
    const place = places.find(({ name }) => name.test(to))
    return place === undefined || place.where.test(from)
      ? []
      : [`${from} imports ${to}, which belongs in ${place.words}`]
  })
  nobody('A package is used in one place, so that it can be replaced there:', wrong)
  const bullmq = sources.filter(path => importsOf(path).some(({ to }) => to === 'bullmq'))
  assert.ok(bullmq.length <= 1, `bullmq belongs in one file, not in ${bullmq.join(', ')}`)
})

test('the service runs on its dependencies alone', () => {
  const { dependencies } = JSON.parse(textOf('package.json')) as { readonly dependencies: object } // our own file
  const wrong = sources
    .flatMap(importsOf)
    .filter(
      ({ to, typeOnly }) =>
        !typeOnly && !to.startsWith('src/') && !to.startsWith('node:') && !(to in dependencies),
    )
  nobody(
    'src/ may only import "dependencies" of package.json; the published package has nothing else:',
    wrong.map(({ from, to }) => `${from} imports ${to}`),
  )
})

test('the environment is read in one file', () => {
  nobody(
    'Only src/config.ts reads process.env. Add the setting to src/settings.ts:',
    sources.filter(path => path !== 'src/config.ts' && /process\.env\b/.test(textOf(path))),
  )
})

test('a file fits on a few screens', () => {
  const lines = (path: string) => textOf(path).trimEnd().split('\n').length
  nobody(
    'A file has at most 300 lines. Look for the second idea in it, and give that a file:',
    code.filter(path => lines(path) > 300).map(path => `${path} has ${lines(path)}`),
  )
})

test('nothing is left for later in the code', () => {
  const marks = new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')})\\b`)
  const switchedOff = /\b(test|it|describe|suite)\.(only|skip|todo)\(|\b(only|todo): true\b/
  nobody(
    'Do it, or say in the documentation that it is not there:',
    files.filter(isText).filter(path => marks.test(textOf(path))),
  )
  nobody(
    'A test runs everywhere, or skips itself at run time with the reason (t.skip):',
    code.filter(
      path => path.startsWith('test/') && path !== 'test/tidy.test.ts' && switchedOff.test(textOf(path)),
    ),
  )
})

test('no file knows the folders of one machine', () => {
  const folders = new RegExp(`(?<![\\w.}])/(${['work', 'root', 'home', 'Users'].join('|')})/`)
  nobody(
    'Paths are relative to the file or the checkout:',
    files.filter(isText).filter(path => path !== 'package-lock.json' && folders.test(textOf(path))),
  )
})

test('tests mirror sources', () => {
  // conformance/, e2e/, faults/ and upgrade/ test the whole; support/ is what tests stand on; these four look at the repository itself.
  const elsewhere =
    /^test\/(conformance|e2e|faults|support|upgrade)\/|^test\/(tidy|generated|deployment|schema)\.test\.ts$/
  const wrong = code
    .filter(path => path.startsWith('test/') && !elsewhere.test(path))
    .filter(path => !path.endsWith('.test.ts') || !mirrored(path))
  nobody(
    'test/<path>.test.ts tests src/<path>.ts (or <path>.ts); what tests share is in test/support/, tests of the whole in test/conformance/, test/e2e/, test/faults/ or test/upgrade/:',
    wrong,
  )
})

function mirrored(path: string): boolean {
  const source = path.slice('test/'.length).replace(/\.test\.ts$/, '.ts')
  return files.includes(`src/${source}`) || (source.includes('/') && files.includes(source))
}

function isText(path: string): boolean {
  return !/\.(png|jpg|ico|woff2?|gz)$/.test(path)
}
