import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeDataFolder } from '../support/data-folder.ts'

// The package as a user gets it: packed from the committed files, installed in an empty folder, started, stopped.
// The one test that needs the package registry.

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const timeoutMs = 300_000
// The launcher is found by "env node": that must be the Node that runs this test.
const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
let folder = ''

before(async () => {
  folder = await makeDataFolder('webhooks-package-')
  await pack(join(folder, 'copy'))
  await mkdir(join(folder, 'user'))
  npm(join(folder, 'user'), 'init', '--yes')
})
after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

/** Copies what git knows, and nothing that only this checkout has, then packs that. */
async function pack(copy: string): Promise<void> {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: checkout, encoding: 'utf8' })
  for (const file of files.split('\0').filter(name => name !== '')) {
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await copyFile(join(checkout, file), join(copy, file))
  }
  // The compiler comes from here: what is tested is the package, not a second installation of the tools.
  await symlink(join(checkout, 'node_modules'), join(copy, 'node_modules'))
  npm(copy, 'pack', '--pack-destination', folder)
}

function npm(cwd: string, ...args: readonly string[]): void {
  // All of this environment, which may say how the registry is reached, but not which checkout npm was started in.
  const { npm_config_local_prefix: _, ...environment } = process.env
  const options = { cwd, env: { ...environment, PATH: path }, encoding: 'utf8', timeout: timeoutMs } as const
  const { status, stdout, stderr, error } = spawnSync('npm', args, options)
  assert.ok(status === 0, `npm ${args.join(' ')} failed: ${error ?? ''}\n${stdout}\n${stderr}`)
}

test('the package installs without development dependencies, starts, is ready and stops', {
  timeout: timeoutMs,
}, async t => {
  const user = join(folder, 'user')
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'))
  assert.ok(tarball !== undefined, 'npm pack made no tarball')
  npm(user, 'install', '--omit=dev', '--no-audit', '--no-fund', join(folder, tarball))

  const service = spawn(join(user, 'node_modules/.bin/webhooks'), ['serve'], {
    cwd: user,
    env: { PATH: path, PORT: '0', DATA_DIR: join(user, 'data'), LOG_FORMAT: 'json' },
  })
  t.after(() => service.kill('SIGKILL'))
  const url = await addressOf(service)

  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  assert.equal((await fetch(`${url}/docs`)).status, 200)
  assert.equal((await fetch(`${url}/redoc`)).status, 200)
  const health = execFileSync(join(user, 'node_modules/.bin/webhooks'), ['healthcheck', `${url}/readyz`], {
    env: { PATH: path },
    encoding: 'utf8',
  })
  assert.match(health, /^ready/)

  service.kill('SIGTERM')
  const [code] = await once(service, 'exit')
  assert.equal(code, 0, 'SIGTERM is a clean stop')
})

/** Waits for the line that says where the service listens. */
async function addressOf(service: ChildProcess): Promise<string> {
  let said = ''
  service.stderr?.on('data', chunk => {
    said += chunk
  })
  // Left open, and read on, when the line is found: what the service says later must not meet a closed pipe.
  for await (const chunk of service.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    said += chunk
    const url = /ready on (http:\/\/[^\s"]+)/.exec(said)?.[1]
    if (url !== undefined) {
      service.stdout?.resume()
      return url
    }
  }
  return assert.fail(`the service ended before it was ready:\n${said}`)
}
