import { closeSync, openSync, readFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { devNull } from 'node:os'

/**
 * How many file descriptors this process may have open: each connection takes one. Node raises the soft limit to the hard
 * one as it starts, so this is what `ulimit -n` allows at most. It does not change afterwards.
 *
 * @returns undefined where it cannot be told: not on Linux, or there is no limit
 */
export function allowedDescriptors(limitsFile = '/proc/self/limits'): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync(limitsFile, 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** How many file descriptors this process has open, or undefined where it cannot be told. */
export async function usedDescriptors(): Promise<number | undefined> {
  const directory = '/proc/self/fd'
  try {
    const { size } = await stat(directory) // their number, since Linux 6.2
    return size > 0 ? size : (await readdir(directory)).length
  } catch {
    return undefined
  }
}

/** Tries to open one. @returns the code of what is lacking, such as EMFILE; undefined: there was one left */
export function lackOfDescriptors(): string | undefined {
  try {
    closeSync(openSync(devNull, 'r'))
    return undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'EMFILE' || code === 'ENFILE' ? code : undefined
  }
}
