import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Builds the dashboard if it is missing or not of these sources, as `npm start` does. */
export async function builtDashboard(): Promise<void> {
  const { status, stderr, stdout } = spawnSync(process.execPath, [at('scripts/dashboard.ts')], {
    encoding: 'utf8',
  })
  if (status !== 0 || /could not be built/.test(stderr))
    throw new Error(`the dashboard was not built\n${stdout}${stderr}`)
}

/** The compressed size of each script and style sheet of the built dashboard, by its name. */
export function builtSizes(): ReadonlyMap<string, number> {
  const folder = at('dist/ui/assets')
  const names = readdirSync(folder).filter(name => /\.(js|css)$/.test(name))
  return new Map(names.map(name => [name, gzipSync(readFileSync(`${folder}/${name}`), { level: 9 }).length]))
}

export function builtFile(name: string): string {
  return readFileSync(at(`dist/ui/${name}`), 'utf8')
}
