import { open, readFile, rm } from 'node:fs/promises'
import { StartupError } from '../errors.ts'

/**
 * Runs work while holding a lock file, one process of this machine at a time. The file holds the pid of its maker; one
 * whose maker is dead is taken over.
 *
 * @throws StartupError when the lock is still held by a live process after `waitMs`
 */
export async function withLockFile<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const until = performance.now() + waitMs
  while (!(await tryLock(path))) {
    if (performance.now() > until) {
      const holder = await holderOf(path)
      throw new StartupError(
        `Another process (pid ${holder}) holds ${path} and does not let go. Stop it, or wait.`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(String(process.pid))
    await file.close()
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const holder = await holderOf(path)
  // Empty for an instant while its maker writes to it: then it is looked at again.
  if (holder !== undefined && !isAlive(holder)) await rm(path, { force: true })
  return false
}

async function holderOf(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^[0-9]+$/.test(text) ? Number(text) : undefined
}

/** Whether a process with this pid exists, ours to signal or not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
