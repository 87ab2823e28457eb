import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** An account of this machine, by its numbers. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * The account PostgreSQL runs under when we are root, since it refuses to run as root: `postgres` where there is one,
 * else `nobody`. None is created. Undefined when we are an ordinary user, and it runs as that.
 */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  return accountNamed('postgres') ?? accountNamed('nobody') ?? { uid: 65_534, gid: 65_534 }
}

function accountNamed(name: string): Account | undefined {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find(entry => entry.startsWith(`${name}:`))
    const [, , uid, gid] = line?.split(':') ?? []
    return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
  } catch {
    return undefined
  }
}

/** The environment of the server and its tools: nothing of ours, so that no PG… variable reaches them. */
export const plainEnvironment: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Runs a program under the account and waits for its end, at most two minutes. */
export function runAs(
  account: Account | undefined,
  file: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise(resolve => {
    const child = spawn(file, args, {
      ...account,
      cwd,
      env: plainEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    })
    let output = ''
    const collect = (chunk: Buffer) => {
      if (output.length < 20_000) output += chunk.toString()
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', error => resolve({ code: -1, output: error.message }))
    child.on('close', code => resolve({ code: code ?? -1, output: output.trim() }))
  })
}

/** Whether the account can get into a folder; always true where no account is needed. */
export function canReach(account: Account | undefined, directory: string): boolean {
  if (!account) return true
  const { status } = spawnSync('/bin/sh', ['-c', 'cd "$0"', directory], {
    ...account,
    cwd: '/',
    env: plainEnvironment,
  })
  return status === 0
}

/** Whether the account can run a program. */
export function canRun(account: Account | undefined, file: string): boolean {
  const { status } = spawnSync(file, ['--version'], {
    ...account,
    cwd: '/',
    env: plainEnvironment,
    timeout: 10_000,
  })
  return status === 0
}
