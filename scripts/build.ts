import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Makes dist/, all that the published package runs on: JavaScript, and the assets of pages that are served locally.
const root = new URL('../', import.meta.url)
const at = (path: string) => fileURLToPath(new URL(path, root))

rmSync(at('dist'), { recursive: true, force: true })
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json')
copyStaticFiles()
copyRedoc()
run('scripts/dashboard.ts', '--package')
console.log('built dist/')

function run(script: string, ...args: readonly string[]): void {
  const { status, error } = spawnSync(process.execPath, [at(script), ...args], {
    cwd: at('.'),
    stdio: 'inherit',
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** Files beside the sources that are not TypeScript (pages, styles) are copied to the same place. */
function copyStaticFiles(): void {
  cpSync(at('src'), at('dist'), { recursive: true, filter: path => !path.endsWith('.ts') })
}

/** ReDoc is a development dependency: its one bundle is copied, so that its dependencies are not installed. */
function copyRedoc(): void {
  mkdirSync(at('dist/assets'), { recursive: true })
  cpSync(at('node_modules/redoc/bundles/redoc.standalone.js'), at('dist/assets/redoc.standalone.js'))
  cpSync(
    at('node_modules/redoc/bundles/redoc.standalone.js.LICENSE.txt'),
    at('dist/assets/redoc.standalone.js.LICENSE.txt'),
  )
  cpSync(at('node_modules/redoc/LICENSE'), at('dist/assets/redoc.LICENSE'))
}
