import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'

const root = new URL('../../', import.meta.url)
const database = 'test/support/database.ts'

/**
 * Those of the test files that can make databases: they load test/support/database.ts, directly or through other files
 * of test/. Read from the imports, so that there is no list to keep.
 *
 * @param paths from the root of the repository
 */
export function databaseTests(paths: readonly string[]): readonly string[] {
  return paths.filter(path => reachable(path).has(database))
}

const starters = /\b(processWorld|startProcess|runCommand(Beside)?|Crew)\(/

/** Those that start processes of the service, themselves or by what they load of test/. */
export function processTests(paths: readonly string[]): readonly string[] {
  const isStarter = (path: string) =>
    path !== 'test/support/service.ts' && starters.test(readFileSync(new URL(path, root), 'utf8'))
  return paths.filter(path => [...reachable(path)].some(isStarter))
}

/** The file, and all of test/ that it loads. */
function reachable(path: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(path) || !path.startsWith('test/') || !existsSync(new URL(path, root))) return seen
  seen.add(path)
  for (const imported of loaded(path)) reachable(imported, seen)
  return seen
}

/** What a file imports by a relative path. Types alone load nothing. */
function loaded(path: string): readonly string[] {
  const text = readFileSync(new URL(path, root), 'utf8')
  const pattern =
    /^(?:import|export)\s(?!type\b)(?:[^'"`;]*?\sfrom\s)?'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)/gm
  return [...text.matchAll(pattern)].map(([, named, dynamic]) => join(dirname(path), named ?? dynamic ?? ''))
}
