import { type ChildProcess, execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, reasonOf, StartupError } from '../../errors.ts'
import { Deadline } from '../deadline.ts'
import { readIfThere } from '../files.ts'

/** The embedded PostgreSQL cannot be used; the message says what happened and what to do. */
export class EmbeddedPostgresError extends StartupError {}

/** The account of the operating system that programs run as. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The environment of PostgreSQL's programs: nothing of this process's, and messages in English. */
export const programEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const

/** The result of a program that has ended. */
export interface RunResult {
  /** 0: success. A text: it could not be started (`ENOENT`, `EACCES`), or a signal ended it (`SIGTERM`). */
  readonly code: number | string
  /** Standard output. */
  readonly output: string
  /** Standard error; when it is empty, the reason of the failure. For people. */
  readonly complaint: string
}

export interface RunSettings {
  readonly account: Account | undefined
  readonly timeoutMs: number
  /** Aborted: the program is ended. */
  readonly signal?: AbortSignal | undefined
}

/** Runs a program to its end, optionally as another account. After `timeoutMs` it is ended. */
export function run(
  file: string,
  programArguments: readonly string[],
  settings: RunSettings,
): Promise<RunResult> {
  const { account, timeoutMs, signal } = settings
  const options = {
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    // Every account can enter this folder; the present one may be closed to the account.
    cwd: process.platform === 'win32' ? undefined : '/',
    env: programEnvironment,
    timeout: timeoutMs,
    windowsHide: true,
  }
  return new Promise(resolve => {
    const end = () => void child?.kill()
    let child: ChildProcess | undefined
    try {
      child = execFile(file, programArguments, options, (error, stdout, stderr) => {
        signal?.removeEventListener('abort', end)
        const late = error?.killed === true ? `no end within ${timeoutMs / 1000} s` : error?.message
        resolve({
          code: error === null ? 0 : (error.code ?? error.signal ?? 1),
          output: stdout,
          complaint: stderr.trim() || (late ?? ''),
        })
      })
      // Not by the option `signal` of `execFile`, which does not wait until the program has ended.
      signal?.addEventListener('abort', end)
      if (signal?.aborted) end()
    } catch (error) {
      // Some failures to start, such as EACCES for another uid, are thrown instead of given to the callback.
      resolve({ code: codeOf(error) ?? 1, output: '', complaint: reasonOf(error) })
    }
  })
}

/** Whether a program of PostgreSQL ended because there was no room on its disk, by what it wrote. */
export function isDiskFull(complaint: string): boolean {
  return complaint.includes('No space left on device')
}

/** True while a process with this id runs. A zombie has ended: only its exit code is left for its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM' // the process exists, and belongs to another user
  }
  return !['Z', 'X'].includes(procStat(pid)?.[0] ?? '')
}

/**
 * The start time of a process in ticks since boot; `-` where there is no /proc. It distinguishes a process from an earlier
 * one with the same id. In a container ids repeat at every start.
 */
export function startMark(pid: number): string {
  return procStat(pid)?.[19] ?? '-'
}

/** The fields of /proc/<pid>/stat after the program's name, which can contain anything. The first one is the state. */
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
 * Runs `work` while no other process runs any under the same lock file. The lock of a dead process is taken over. If two
 * processes ever got it at once, PostgreSQL's own lock on the data would make one of the starts fail.
 *
 * @throws EmbeddedPostgresError when another process still holds the lock after `timeoutMs`, or the wait was cancelled
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

/** Written to a draft, then linked: the lock appears with its text, and the first process wins. */
async function takeLock(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(draft, text, { mode: 0o644 })
    await link(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new EmbeddedPostgresError(
      `The data folder ${dirname(path)} cannot be written in: ${reasonOf(error)}. ` +
        'Let this user write there and make room, or set DATA_DIR to another folder.',
      { cause: error },
    )
  } finally {
    await rm(draft, { force: true }).catch(() => {})
  }
}

function isStale(holder: string): boolean {
  const [pid, mark] = holder.trim().split(' ')
  return !isAlive(Number(pid)) || startMark(Number(pid)) !== mark
}

/** Of several processes that find the same stale lock, one can rename it. If it renamed a new lock, it puts it back. */
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
