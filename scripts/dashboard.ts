import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  existsSync,
  constants as fsConstants,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

// Builds the dashboard (ui/) into dist/ui/, where the service finds it.
//   node scripts/dashboard.ts            when it is missing, or its sources have changed; before each "npm start"
//   node scripts/dashboard.ts --package  in any case, and compressed, for the published package

const root = new URL('../', import.meta.url)
const at = (path: string) => fileURLToPath(new URL(path, root))
const isForPackage = process.argv.includes('--package')
const out = at('dist/ui')
const mark = `${out}/.built-from`
const vite = at('node_modules/vite/bin/vite.js')

const sources = sourcesHash()
if (isForPackage || !isFresh()) {
  if (!isForPackage && !existsSync(vite)) {
    // The service itself needs none of it, so it starts all the same; /ui/ says what to do.
    console.log('The dashboard is not built: the development dependencies are not installed.')
  } else if (!isForPackage && !mayWrite()) {
    // Such as an account for the service alone, in a checkout of root's.
    console.log(
      `The dashboard is not built${existsSync(mark) ? ' anew' : ''}: this account may not write in ${at('.')}. The one that may: npm run build:ui`,
    )
  } else {
    await build()
  }
}

/** Whether a build has where to put what it makes. */
function mayWrite(): boolean {
  try {
    for (const folder of ['.', 'node_modules', ...(existsSync(at('dist')) ? ['dist'] : [])])
      accessSync(at(folder), fsConstants.W_OK)
    return true
  } catch {
    return false
  }
}

function isFresh(): boolean {
  return existsSync(mark) && readFileSync(mark, 'utf8') === sources
}

/** Of all that it is made from. */
function sourcesHash(): string {
  const hash = createHash('sha256')
  const names = readdirSync(at('ui'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => `${entry.parentPath}/${entry.name}`)
    .sort()
  for (const path of [...names, at('package-lock.json')])
    hash.update(path.slice(at('.').length)).update(readFileSync(path))
  return hash.digest('hex')
}

/** Beside the place first, and then in one step: a service that runs, or a second start, finds the old or the new. */
async function build(): Promise<void> {
  const began = performance.now()
  const beside = `${out}-${process.pid}`
  const { status, error } = spawnSync(
    process.execPath,
    [vite, 'build', at('ui'), '--outDir', beside, '--emptyOutDir', '--logLevel', 'error'],
    { cwd: at('.'), stdio: 'inherit', env: { ...process.env, NODE_ENV: 'production' } },
  )
  if (error) throw error
  if (status !== 0) {
    rmSync(beside, { recursive: true, force: true })
    console.error('The dashboard could not be built.')
    process.exit(isForPackage ? 1 : 0)
  }
  if (isForPackage) await compressAll(beside)
  writeFileSync(`${beside}/.built-from`, sources)
  rmSync(out, { recursive: true, force: true })
  renameSync(beside, out)
  console.log(`built the dashboard in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

/** Once and as well as can be, so that the service never compresses while it runs. */
async function compressAll(folder: string): Promise<void> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  await Promise.all(
    names.filter(name => /\.(js|css|svg)$/.test(name)).map(name => compress(`${folder}/${name}`)),
  )
}

async function compress(path: string): Promise<void> {
  const content = readFileSync(path)
  if (content.length < 1024) return
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
  writeFileSync(`${path}.br`, await promisify(brotliCompress)(content, quality))
  writeFileSync(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
}
