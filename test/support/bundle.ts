import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { compiledBeside } from './launcher.ts'

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Where Node.js keeps what it compiled, for NODE_COMPILE_CACHE: the same folder that `bin/webhooks.js` uses in a checkout. */
export const compileCache = at('node_modules/.cache/webhooks')

export interface Bundle extends AsyncDisposable {
  /** What to run in the place of `bin/webhooks.js`. */
  readonly launcher: string
}

/**
 * The service and all that it loads as few files, for the processes of a run: to load its thousand modules takes 0.6 s of
 * processor time, to load these 0.2 s, and a run starts some hundred processes. Ways to start that the pages name are tested
 * with the real launcher (test/e2e/ways-to-start.test.ts).
 */
export async function bundleService(): Promise<Bundle> {
  // Packages that are found by name at run time have to be found from there.
  await mkdir(at('node_modules/.cache'), { recursive: true })
  const folder = await mkdtemp(at('node_modules/.cache/webhooks-bundle-'))
  const bundle = await rolldown({
    input: { webhooks: at('src/main.ts') },
    platform: 'node',
    external: /^(node:|pg-native$)/,
    plugins: [
      {
        name: 'places',
        transform: { filter: { code: /import\.meta\.url|\b__(dir|file)name\b/ }, handler: inPlace },
      },
    ],
    logLevel: 'silent',
  })
  const { output } = await bundle.write({
    ...{ dir: folder, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
  })
  const [launcher = '', ...parts] = output.map(({ fileName }) => join(folder, fileName))
  // Those that are killed keep nothing of what they compiled, so one that ends does it first. Beside the bundle, to go with it.
  await compile(parts, compiledBeside(launcher))
  return { launcher, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** What tests and services load from the sources, so that not each of the first processes of a run compiles it by itself. */
export async function compileSources(): Promise<void> {
  const paths: string[] = []
  const patterns = [
    'src/cli/*.ts',
    'src/service/service.ts',
    'src/handover/redis-*.ts',
    'src/platform/redis.ts',
  ]
  for await (const path of glob(patterns, { cwd: at('.') })) paths.push(at(path))
  await compile(paths, compileCache)
}

/** Loads modules in a process that ends at once, and keeps what Node.js compiled. */
async function compile(paths: readonly string[], folder: string): Promise<void> {
  const urls = paths.map(path => pathToFileURL(path).href)
  const code = `for (const url of ${JSON.stringify(urls)}) await import(url)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, NODE_COMPILE_CACHE: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await once(child, 'exit') // where it fails, those that need it say why
}

/** Files that a module finds beside itself are where it was. */
function inPlace(code: string, id: string): string {
  const placed = code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
  if (/\b(const|let|var) __(dir|file)name\b/.test(code)) return placed
  return placed
    .replace(/\b__dirname\b/g, JSON.stringify(dirname(id)))
    .replace(/\b__filename\b/g, JSON.stringify(id))
}
