import { access, chmod, constants, mkdtemp, readFile, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes a folder for the data of an embedded PostgreSQL: in memory where there is room, since nothing in a test outlives a
 * power cut. Every account may enter it: started as root, PostgreSQL runs under another one.
 */
export async function makeDataFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(await roomyMemory(), prefix))
  await chmod(folder, 0o755)
  return folder
}

/** A whole run needs about a quarter of it. */
const memoryBytesMin = 2 * 1024 ** 3

/**
 * The folder of Linux that is in memory, else the usual one for what is temporary. In containers it is often small, or
 * one from which no program may be started; PostgreSQL's may have to be copied there.
 */
async function roomyMemory(): Promise<string> {
  try {
    const mounts = await readFile('/proc/mounts', 'utf8')
    const options = /^\S+ \/dev\/shm tmpfs (\S+)/m.exec(mounts)?.[1]?.split(',') ?? ['noexec']
    await access('/dev/shm', constants.W_OK)
    const { bavail, bsize } = await statfs('/dev/shm')
    return bavail * bsize > memoryBytesMin && !options.includes('noexec') ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir() // not Linux
  }
}
