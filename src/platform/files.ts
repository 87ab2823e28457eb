import { mkdir, open, readFile, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf } from '../errors.ts'

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
    if (codeOf(error) !== 'EEXIST') throw error
  }
  return first ?? folder
}

async function isThere(folder: string): Promise<boolean> {
  try {
    await stat(folder)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The text of a file; undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

/** Syncs a folder, so that a power cut cannot lose the name of a file that was made in it. Windows has no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

/** A server that cannot make one more segment of its log ends; a segment has 16 MiB. */
const roomBytesMin = 16 * 1024 * 1024

/** Whether what holds a folder has no room left that is of use to a database. */
export async function hasNoRoom(folder: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize < roomBytesMin
}
