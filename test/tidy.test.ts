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

/** A statement is sent to the database. */
const queries = /\.query\s*[<(]/

const isStore = (path: string) => /(^|\/)([a-z-]+-)?store\.ts$/.test(path)

/**
 * Who may import whom, from what everything stands on to what starts it all. A folder imports from the ranks below its
 * own, types included; within a rank a folder may use another one, in one direction only. What a folder needs from above
 * is handed in by src/service/.
 */
const ranks: readonly (readonly string[])[] = [
  ['errors', 'version'],
  ['platform'],
  ['model'],
  ['http', 'egress', 'filters', 'tracing'],
  ['subscriptions', 'tenants', 'keys', 'audit', 'event-types', 'config', 'system-facts'],
  ['cluster'],
  ['lanes', 'destinations'],
  ['dispatch', 'log'],
  ['replay', 'deliver', 'monitor', 'metrics', 'stats', 'backup'],
  ['handover'],
  ['ingest'],
  ['publish', 'sources', 'live', 'events', 'system-events', 'test-receivers'],
  ['server'],
  ['service'],
  ['cli'],
  ['main'],
]

/** The folder of src/ that a file belongs to; a file at the root of src/ is a folder of its own. */
function folderOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '')
}

const rankOf = (folder: string) => ranks.findIndex(names => names.includes(folder))

/** Imports of src/ that lead from one of its folders to another. */
const arrows = sources
  .flatMap(importsOf)
  .filter(({ from, to }) => to.startsWith('src/') && folderOf(from) !== folderOf(to))

test('the rules see the code: there are files, imports between folders, stores and statements', () => {
  assert.ok(sources.length > 100, `${sources.length} files`)
  assert.ok(arrows.length > 200, `${arrows.length} imports between folders`)
  assert.ok(sources.filter(isStore).length > 5, 'stores')
  assert.ok(
    sources.some(path => isStore(path) && queries.test(textOf(path))),
    'statements',
  )
})

test('every folder of src/ has a rank', () => {
  nobody(
    'Give the folder a rank in test/tidy.test.ts, and a line in ARCHITECTURE.md:',
    [...new Set(sources.map(folderOf))].filter(folder => rankOf(folder) === -1),
  )
})

test('imports go down the ranks, types included', () => {
  const pairs = new Set(arrows.map(({ from, to }) => `${folderOf(from)} ${folderOf(to)}`))
  const isWrong = (from: string, to: string) =>
    rankOf(to) > rankOf(from) || (rankOf(to) === rankOf(from) && pairs.has(`${to} ${from}`))
  nobody(
    'Imports go down the ranks. Move the type to src/model/, or hand the value in from src/service/:',
    arrows
      .filter(({ from, to }) => isWrong(folderOf(from), folderOf(to)))
      .map(({ from, to }) => `${from} imports ${to}`),
  )
})

test('no circle of imports between files, types included', () => {
  const importing = new Map(
    sources.map(path => [
      path,
      importsOf(path)
        .map(({ to }) => to)
        .filter(to => to.startsWith('src/')),
    ]),
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      circles.push([...way.slice(way.indexOf(path)), path].join(' → '))
      return
    }
    if (done.has(path)) return
    for (const to of importing.get(path) ?? []) visit(to, [...way, path])
    done.add(path)
  }
  for (const path of sources) visit(path, [])
  nobody('Two files that need each other are one file, or lack a third one that both stand on:', circles)
})

test('a store belongs to its folder', () => {
  nobody(
    "Never import another folder's store: let the file with the folder's name, or one beside it, offer what is needed:",
    arrows.filter(({ to }) => isStore(to)).map(({ from, to }) => `${from} imports ${to}`),
  )
})

test('a folder with a door is entered by it', () => {
  const doors: Readonly<Record<string, string>> = {
    'src/destinations/http/': 'src/destinations/http/http-destination.ts',
  }
  const offenders = Object.entries(doors).flatMap(([folder, door]) =>
    sources
      .filter(path => !path.startsWith(folder))
      .flatMap(importsOf)
      .filter(({ to }) => to.startsWith(folder) && to !== door)
      .map(({ from, to }) => `${from} imports ${to}, and the door is ${door}`),
  )
  const knownToService = sources
    .filter(path => !path.startsWith('src/destinations/') && !path.startsWith('src/service/'))
    .flatMap(importsOf)
    .filter(({ to }) => /^src\/destinations\/[^/]+\//.test(to))
    .map(({ from, to }) => `${from} imports ${to}, and should know src/destinations/destination.ts only`)
  nobody('What is behind a seam is chosen in src/service/:', [...offenders, ...knownToService])
})

test('SQL is in stores and on the platform', () => {
  nobody(
    'Only store.ts (or <name>-store.ts) and src/platform/ query the database. Move the statement to a store:',
    sources.filter(path => !isStore(path) && !path.startsWith('src/platform/') && queries.test(textOf(path))),
  )
})

test('a table is written in one folder', () => {
  const writers: Readonly<Record<string, string>> = { lanes: 'src/lanes/' }
  const wrong = Object.entries(writers).flatMap(([table, folder]) => {
    const write = new RegExp(
      `\\b(insert\\s+into|update|delete\\s+from|truncate)\\s+(only\\s+)?${table}\\b`,
      'i',
    )
    return sources.filter(path => !path.startsWith(folder) && write.test(textOf(path)))
  })
  nobody(
    'Only src/lanes/ writes the table lanes. Use its fragment wakeLanes, or let it offer a statement:',
    wrong,
  )
})

test('packages with a place of their own stay there', () => {
  const places: readonly { readonly name: RegExp; readonly where: RegExp; readonly words: string }[] = [
    {
      name: /^(fastify|@fastify\/.+)$/,
      where: /^src\/(http|server)\/|\/([a-z-]+-)?routes\.ts$/,
      words: 'src/http/, src/server/ and routes.ts (or <name>-routes.ts)',
    },
    {
      name: /^pg-copy-streams$/,
      where: /^src\/platform\/copy-session\.ts$/,
      words: 'src/platform/copy-session.ts',
    },
    { name: /^pg$/, where: /^src\/platform\/|store\.ts$/, words: 'src/platform/ and stores' },
    {
      name: /^undici$/,
      where: /^src\/(destinations\/http|egress)\//,
      words: 'src/destinations/http/ and src/egress/',
    },
    {
      name: /^ioredis$/,
      where: /^src\/platform\/redis-connection\.ts$/,
      words: 'src/platform/redis-connection.ts',
    },
    { name: /^re2js$/, where: /^src\/event-types\/pattern\.ts$/, words: 'src/event-types/pattern.ts' },
    { name: /^pino$/, where: /^src\/platform\/logger\.ts$/, words: 'src/platform/logger.ts' },
    {
      name: /^@opentelemetry\//,
      where: /^src\/tracing\/tracing\.ts$/,
      words: 'src/tracing/tracing.ts',
    },
    {
      name: /^@prometheus-io\/client$/,
      where: /^src\/metrics\/exposition\.ts$/,
      words: 'src/metrics/exposition.ts',
    },
  ]
  const wrong = sources.flatMap(importsOf).flatMap(({ from, to }) => {
    const place = places.find(({ name }) => name.test(to))
    return place === undefined || place.where.test(from)
      ? []
      : [`${from} imports ${to}, which belongs in ${place.words}`]
  })
  nobody('A package is used in one place, so that it can be replaced there:', wrong)
  nobody(
    'A package that is no longer used needs no place:',
    places
      .filter(({ name }) => !sources.flatMap(importsOf).some(({ to }) => name.test(to)))
      .map(({ name }) => `${name}`),
  )
  const bullmq = sources.filter(path => importsOf(path).some(({ to }) => to === 'bullmq'))
  assert.ok(bullmq.length <= 1, `bullmq belongs in one file, not in ${bullmq.join(', ')}`)
})

test('what few installations use is loaded by those alone', () => {
  const lazy = /^(@opentelemetry\/.+|@prometheus-io\/client)$/
  const wrong = sources.filter(path =>
    [...textOf(path).matchAll(/^import (?!type )[^'"]*'([^']+)'/gm)].some(([, target = '']) =>
      lazy.test(packageName(target)),
    ),
  )
  nobody('Load it with import() where it is needed first:', wrong)
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
    'Only src/config/config.ts reads process.env. Add the setting to src/config/settings.ts:',
    sources.filter(path => path !== 'src/config/config.ts' && /process\.env\b/.test(textOf(path))),
  )
})

test('a file fits on a few screens', t => {
  const lines = (path: string) => textOf(path).trimEnd().split('\n').length
  const own = code.filter(path => path !== 'ui/src/api/schema.ts') // generated
  // A warning: one idea cut in two to stay under a number is worse than a long file.
  for (const path of own.filter(path => lines(path) > 300)) {
    t.diagnostic(`${path} has ${lines(path)} lines: is there a second idea in it?`)
  }
  nobody(
    'A file has at most 600 lines. Look for the second idea in it, and give that a file:',
    own.filter(path => lines(path) > 600).map(path => `${path} has ${lines(path)}`),
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

/** Where the rules below hold. */
const plain = [/^[A-Z_]+\.md$/, /^(docs|bench|scripts|src|test)\//, /^migrations\//]

test('words are plain', () => {
  const rules: readonly { readonly wrong: RegExp; readonly instead: string }[] = [
    { wrong: /\bso (many|much|long|often)\b(?! (as|that)\b)/i, instead: '"at most N", "for this long", …' },
    { wrong: /\bbur(y|ies|ied|ial)\b/i, instead: '"declare dead", "clean up after a dead process"' },
    { wrong: /\bmend(s|ed|ing)?\b/i, instead: '"correct", "repair"' },
    { wrong: /\bfor ever\b/i, instead: '"without end"' },
    { wrong: /\b(an?other|a new) story\b/i, instead: 'what is different' },
    { wrong: /\b(go|goes|going|went) round\b/i, instead: '"take turns"' },
    { wrong: /\bthere and then\b/i, instead: '"at once"' },
    { wrong: /\bapi\.md\b/, instead: 'openapi.json' },
  ]
  const prose = (path: string) => textOf(path).replace(/\n\s*(\*|\/\/|--)?[ \t]*/g, ' ')
  nobody(
    'Write what an engineer from another country reads once:',
    files
      .filter(
        path =>
          /\.(ts|md|sql)$/.test(path) &&
          path !== 'test/tidy.test.ts' &&
          plain.some(where => where.test(path)),
      )
      .flatMap(path =>
        rules.flatMap(({ wrong, instead }) => {
          const found = wrong.exec(prose(path))?.[0]
          return found === undefined ? [] : [`${path}: "${found}". Write ${instead}`]
        }),
      ),
  )
})

test('each record of a decision has a number of its own, which its heading begins with', () => {
  const records = files.filter(path => /^docs\/adr\/\d{4}-/.test(path))
  assert.ok(records.length > 0)
  const numbers = records.map(path => Number(path.slice('docs/adr/'.length).slice(0, 4)))
  assert.deepEqual(
    numbers,
    records.map((_, index) => index + 1),
    'the next one takes the next number',
  )
  const wrong = records.filter((path, index) => !textOf(path).startsWith(`# ${numbers[index]}. `))
  nobody('A heading begins with the number of its file:', wrong)
})

test('documents lead to what is there', () => {
  const isThere = (path: string) => existsSync(new URL(path, root))
  const wrong = files
    .filter(path => path.endsWith('.md') && plain.some(where => where.test(path)))
    .flatMap(path => [...brokenLinks(path), ...missingPaths(path), ...missingTests(path)])
  nobody('Files that moved have to be followed:', wrong)

  function brokenLinks(path: string): readonly string[] {
    const links = [...textOf(path).matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    return links.flatMap(([link, to = '', heading]) => {
      const target = to === '' ? path : join(dirname(path), to)
      if (!isThere(target)) return [`${path}: ${link}`]
      return heading === undefined || headingsOf(target).includes(heading) ? [] : [`${path}: ${link}`]
    })
  }

  /** As hosts of Markdown make anchors of them. */
  function headingsOf(path: string): readonly string[] {
    return [...textOf(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    )
  }

  function missingPaths(path: string): readonly string[] {
    const named = [...textOf(path).matchAll(/`((?:src|test|bench|docs|migrations|scripts)\/[\w./-]*)`/g)]
    return named.flatMap(([, named = '']) => (isThere(named) ? [] : [`${path}: ${named}`]))
  }

  /** The last column of the requirements names files of test/ without their ending. */
  function missingTests(path: string): readonly string[] {
    if (path !== 'docs/reference/requirements.md') return []
    const cells = textOf(path)
      .split('\n')
      .filter(line => /^\| \d/.test(line))
      .map(line => line.split('|').at(-2) ?? '')
    return cells
      .flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)])
      .flatMap(([, name = '']) => (isThere(`test/${name}.test.ts`) ? [] : [`${path}: test/${name}.test.ts`]))
  }
})

test('a test waits for the thing itself, not for a while', () => {
  // A line where the time itself is what matters says so in a comment.
  const waits = /\b(sleep|pause)\([\d_]{2,}\)|\bsetTimeout\(\w+, [\d_]{2,}\)|\bawait setTimeout\([\d_]{2,}/
  const isFixed = (line: string) => waits.test(line) && !line.includes('//')
  nobody(
    'Use eventually() for what comes; for what must not come, wait for what would come after it (test/support/):',
    code
      .filter(path => /^test\/.*\.test\.ts$/.test(path) && path !== 'test/tidy.test.ts')
      .filter(path => textOf(path).split('\n').some(isFixed)),
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
    'test/<path>.test.ts, or test/<path>.<aspect>.test.ts, tests src/<path>.ts (or <path>.ts); what tests share is in test/support/, tests of the whole in test/conformance/, test/e2e/, test/faults/ or test/upgrade/:',
    wrong,
  )
})

function mirrored(path: string): boolean {
  const source = path.slice('test/'.length).replace(/(\.[a-z-]+)?\.test\.ts$/, '.ts')
  return files.includes(`src/${source}`) || (source.includes('/') && files.includes(source))
}

function isText(path: string): boolean {
  return !/\.(png|jpg|ico|woff2?|gz)$/.test(path)
}

test('what is short in the suite is long in another command', () => {
  const scripts = JSON.parse(textOf('package.json')).scripts as Readonly<Record<string, string>>
  const long = Object.values(scripts).filter(script => script.includes(' --long '))
  const named = long.flatMap(script => script.split(' ').filter(word => word.startsWith('test/')))
  const isNamed = (path: string) => named.some(name => path === name || path.startsWith(`${name}/`))
  const short = code.filter(path => path.endsWith('.test.ts') && /support\/length\.ts'/.test(textOf(path)))
  assert.deepEqual(
    short.filter(path => !isNamed(path)),
    [],
    'test:long does not run these',
  )
})
