import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = new URL('../../', import.meta.url)

/** How a file says that it changes its process, or measures it: the first words of a comment, and then why. */
const alone = /^\/\/ In a process of its own: /m

/** Files whose tests start services, which takes long. */
const long = /^test\/(e2e|upgrade)\//

/** A group takes as long as its files together; with many in each, the last one would run while others have nothing left. */
const groupFilesMax = 30
const longFilesMax = 6

/** Groups that run at once. Their tests wait for much: with four, two processors had nothing to do for a quarter of the time. */
export const atOnce = 5

/**
 * Which test files share a process, the ones to begin with first. To start Node.js and to load the service takes longer than most files: a process
 * for each of 240 was half of the processor time of the suite. So neighbours share one; a file that says so has its own.
 *
 * @param paths sorted
 */
export function groupsOf(paths: readonly string[]): readonly (readonly string[])[] {
  const isAlone = (path: string) => alone.test(readFileSync(new URL(path, root), 'utf8'))
  const own = paths.filter(isAlone)
  const shared = paths.filter(path => !own.includes(path))
  const isLong = (path: string) => long.test(path)
  return [
    ...inTurn(
      parted(shared.filter(isLong), longFilesMax),
      parted(
        shared.filter(path => !isLong(path)),
        groupFilesMax,
      ),
    ),
    ...own.map(path => [path]), // short, for the end
  ]
}

/** One of each while there are both: services wait for much, and the others meanwhile have the processor. */
function inTurn<T>(some: readonly T[], others: readonly T[]): readonly T[] {
  const count = Math.max(some.length, others.length)
  return Array.from({ length: count }, (_, n) => [...some.slice(n, n + 1), ...others.slice(n, n + 1)]).flat()
}

/** Parts that get smaller towards the end, so that no processor waits long for the last one. */
function parted(files: readonly string[], filesMax: number): readonly (readonly string[])[] {
  const parts: (readonly string[])[] = []
  for (let from = 0; from < files.length; from += parts.at(-1)?.length ?? 0) {
    const size = Math.min(filesMax, Math.max(2, Math.ceil((files.length - from) / atOnce)))
    parts.push(files.slice(from, from + size))
  }
  return parts
}

export interface Entries extends AsyncDisposable {
  /** Goes with it. */
  readonly folder: string
  /** A module for each group, for Node.js to run as if it were a test file. */
  readonly paths: readonly string[]
}

/** Writes what runs each group. */
export async function writeEntries(groups: readonly (readonly string[])[]): Promise<Entries> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-groups-'))
  const { href } = new URL('together.ts', import.meta.url)
  const paths = await Promise.all(
    groups.map(async (group, n) => {
      // Node.js runs them in the order of their names.
      const path = join(folder, `${String(n).padStart(4, '0')}.mjs`)
      const code = `import { runTogether } from ${JSON.stringify(href)}\nawait runTogether(${JSON.stringify(group)})\n`
      await writeFile(path, code)
      return path
    }),
  )
  return { folder, paths, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
