import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartupError } from '../../errors.ts'
import { Deadline } from '../deadline.ts'

/** The embedded PostgreSQL cannot be had; the message says what happened and what to do about it. */
export class EmbeddedPostgresError extends StartupError {}

/** The account of the operating system that programs run as. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** What PostgreSQL's programs see of the environment: nothing of ours, and messages in English. */
export const programEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const

/** What became of a program that ran to its end. */
export interface RunResult {
  /** 0: all is well. A text such as `ENOENT` or `EACCES`: it could not be started at all. */
  readonly code: number | string
  /** Standard output. */
  readonly output: string
  /** Standard error, else why there is none, for people. */
  readonly complaint: string
}

/** Runs a program to its end, as another account if need be, and never longer than `timeoutMs`. */
export function run(
  file: string,
  programArguments: readonly string[],
  settings: { readonly account: Account | undefined; readonly timeoutMs: number },
): Promise<RunResult> {
  const { account, timeoutMs } = settings
  const options = {
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    // A folder that every account can enter; the present one may be closed to this one.
    cwd: process.platform === 'win32' ? undefined : '/',
    env: programEnvironment,
    timeout: timeoutMs,
    windowsHide: true,
  }
  return new Promise(resolve => {
    try {
      execFile(file, programArguments, options, (error, stdout, stderr) => {
        const late = error?.killed === true ? `no end within ${timeoutMs / 1000} s` : error?.message
        resolve({
          code: error === null ? 0 : (error.code ?? error.signal ?? 1),
          output: stdout,
          complaint: stderr.trim() || (late ?? ''),
        })
      })
    } catch (error) {
      // Some failures to start, such as EACCES for another uid, are thrown and not reported.
      resolve({ code: codeOf(error) ?? 1, output: '', complaint: reasonOf(error) })
    }
  })
}

/** `ENOENT` and the like, or a SQLSTATE. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What an error says, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** True while a process of this id runs. A zombie does not: it holds nothing any more, it only waits to be counted. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM' // it is there, and is somebody else's
  }
  return !['Z', 'X'].includes(procStat(pid)?.[0] ?? '')
}

/**
 * What tells a process from an earlier one with the same id (in a container ids repeat at every start): when it was
 * started, in ticks since boot. `-` where there is no /proc.
 */
export function startMark(pid: number): string {
  return procStat(pid)?.[19] ?? '-'
}

/** The fields of /proc/<pid>/stat after the name of the program, which may hold anything; the first is the state. */
function procStat(pid: number): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/**
 * Does `work` while no other process does it under the same lock file. A lock whose process is dead is taken over.
 * PostgreSQL's own lock on the data stands behind this one, so that the worst that a lost race does is a failed start.
 *
 * @throws EmbeddedPostgresError when another process holds the lock for longer than `timeoutMs`, or nobody wants it any more
 */
export async function withLock<T>(
  path: string,
  wait: { readonly timeoutMs: number; readonly isCancelled: () => boolean },
  work: () => Promise<T>,
): Promise<T> {
  const deadline = new Deadline(wait.timeoutMs)
  const mine = `${process.pid} ${startMark(process.pid)} ${randomBytes(6).toString('hex')}\n`
  while (!(await takeLock(path, mine))) {
    const holder = await readIfThere(path)
    if (holder === undefined || (isStale(holder) && (await removeStale(path, holder)))) continue
    if (deadline.leftMs === 0 || wait.isCancelled()) {
      throw new EmbeddedPostgresError(
        `Process ${holder.split(' ')[0]} has been starting or stopping the embedded PostgreSQL for ` +
          `${Math.round((wait.timeoutMs - deadline.leftMs) / 1000)} s (its lock is ${path}). Wait for it, or end it and start again.`,
      )
    }
    await sleep(25)
  }
  try {
    return await work()
  } finally {
    if ((await readIfThere(path)) === mine) await rm(path, { force: true })
  }
}

/** Written whole beside it, then linked: the lock appears with its text, and only for the first who tries. */
async function takeLock(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, text, { mode: 0o644 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

function isStale(holder: string): boolean {
  const [pid, mark] = holder.trim().split(' ')
  return !isAlive(Number(pid)) || startMark(Number(pid)) !== mark
}

/** Of several that find the same stale lock one can rename it; should it have caught a fresh one, it gives it back. */
async function removeStale(path: string, holder: string): Promise<boolean> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true
    throw error
  }
  const caught = await readIfThere(aside)
  if (caught !== holder) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
  return caught === holder
}

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
