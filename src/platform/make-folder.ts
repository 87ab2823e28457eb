import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and the missing ones above it. Not by `mkdir` with `recursive`: on a file system that refuses new
 * folders with ENOENT, such as /proc, that call (Node.js 24.21) repeats without end at full load.
 *
 * @returns the topmost folder that was made; undefined when all were there
 */
export async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  const folder = resolve(path)
  if (await isThere(folder)) return undefined
  const above = dirname(folder)
  const first = above === folder ? undefined : await makeFolder(above, mode)
  try {
    await mkdir(folder, { mode })
  } catch (error) {
    // Another process may have made it in the meantime.
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
