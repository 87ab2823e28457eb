import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const isRoot = process.getuid?.() === 0
const nobody = 65_534
const script = fileURLToPath(new URL('../../scripts/dashboard.ts', import.meta.url))

/** A checkout with a builder that only says that it ran. */
function checkout(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'webhooks-checkout-'))
  t.after(() => {
    chmodSync(folder, 0o755)
    rmSync(folder, { recursive: true, force: true })
  })
  for (const name of ['scripts', 'ui', 'node_modules/vite/bin'])
    mkdirSync(join(folder, name), { recursive: true })
  copyFileSync(script, join(folder, 'scripts/dashboard.ts'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'package-lock.json'), '{}')
  writeFileSync(join(folder, 'ui/index.html'), 'x')
  const builder = `import { mkdirSync } from 'node:fs'
mkdirSync(process.argv[process.argv.indexOf('--outDir') + 1], { recursive: true })
console.log('the builder ran')`
  writeFileSync(join(folder, 'node_modules/vite/bin/vite.js'), builder)
  return folder
}

function run(folder: string, ids: { readonly uid?: number; readonly gid?: number } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/dashboard.ts'], {
    cwd: folder,
    encoding: 'utf8',
    ...ids,
  })
  return { status, said: stdout + stderr }
}

test('the dashboard is built when its sources have changed, and only then', t => {
  const folder = checkout(t)
  assert.match(run(folder).said, /the builder ran\nbuilt the dashboard/)
  assert.ok(existsSync(join(folder, 'dist/ui/.built-from')))
  assert.deepEqual(run(folder), { status: 0, said: '' })
  writeFileSync(join(folder, 'ui/index.html'), 'y')
  assert.match(run(folder).said, /the builder ran/)
})

test('an account that may not write in the checkout is told who builds, and starts all the same', t => {
  if (process.platform === 'win32') return t.skip('the rights of folders are others there')
  if (
    isRoot &&
    spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody, cwd: '/' }).status !== 0
  )
    return t.skip('this Node cannot be run by an ordinary user')
  const folder = checkout(t)
  chmodSync(folder, 0o555)
  const { status, said } = run(folder, isRoot ? { uid: nobody, gid: nobody } : {})
  assert.equal(status, 0, said)
  assert.match(said, /^The dashboard is not built: this account may not write in .* npm run build:ui\n$/)
})
