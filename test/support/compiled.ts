import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = new URL('../../', import.meta.url)

/** What a process of the service loads, and what it loads where there is Redis. */
const sources = ['src/cli/*.ts', 'src/service/service.ts', 'src/handover/redis-*.ts', 'src/platform/redis.ts']

export interface Compiled extends AsyncDisposable {
  /** For NODE_COMPILE_CACHE. */
  readonly folder: string
}

/**
 * A folder with the service compiled, for all processes of a run: to load it takes 0.6 s of processor time with it, and 1.4 s
 * without. It is filled here by a process that ends, as those that are killed add nothing to it.
 */
export async function compileService(): Promise<Compiled> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-compiled-'))
  const urls: string[] = []
  for await (const path of glob(sources, { cwd: root }))
    urls.push(pathToFileURL(join(root.pathname, path)).href)
  const code = `for (const url of ${JSON.stringify(urls)}) await import(url)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, NODE_COMPILE_CACHE: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await once(child, 'exit') // where it fails, those that need it say why
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
