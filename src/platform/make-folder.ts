import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it that are missing. Not `mkdir` with `recursive`: where a file system refuses new
 * folders with ENOENT, as /proc does, that one (Node.js 24.21) tries for ever at full load and cannot be ended.
 *
 * @returns the first folder that was made; undefined when it was there
 */
export async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  const folder = resolve(path)
  if (await isThere(folder)) return undefined
  const above = dirname(folder)
  const first = above === folder ? undefined : await makeFolder(above, mode)
  try {
    await mkdir(folder, { mode })
  } catch (error) {
    // Another process may have been faster.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return first ?? folder
}

async function isThere(folder: string): Promise<boolean> {
  try {
    await stat(folder)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
