import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StartupError } from '../errors.ts'
import { type Account, canReach } from './embedded-postgres-account.ts'

/** Where an embedded PostgreSQL keeps its things. */
export interface Place {
  /** Cluster, password, log, lock, and copied binaries where they are needed. */
  readonly home: string
  readonly cluster: string
  /** The folder of its Unix socket; undefined on Windows. */
  readonly socketDir: string | undefined
}

/** The longest path of a Unix socket is 107 bytes; `/.s.PGSQL.5432.lock` takes 19 of them. */
const socketDirBytesMax = 88

/**
 * Where the cluster of `dataDir` is or shall be: in it, under `postgres`; or, when we are root and the account that
 * PostgreSQL runs under cannot get there (a checkout in root's home), under `stateDir`, with a note in `dataDir`.
 */
export async function choosePlace(
  dataDir: string,
  account: Account | undefined,
  stateDir = '/var/lib/webhook-delivery-service',
): Promise<Place> {
  try {
    await mkdir(dataDir, { recursive: true })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartupError(
      `DATA_DIR cannot be made (${reason}). Set it to a folder that can be written to.`,
      { cause },
    )
  }
  const real = await realpath(dataDir)
  if (existsSync(join(real, 'PG_VERSION'))) {
    throw new StartupError(
      `DATA_DIR (${real}) is a PostgreSQL data directory of someone else's. Set DATA_DIR to another folder.`,
    )
  }
  const home = await chooseHome(real, account, stateDir)
  return { home, cluster: join(home, 'cluster'), socketDir: await chooseSocketDir(home, account) }
}

async function chooseHome(dataDir: string, account: Account | undefined, stateDir: string): Promise<string> {
  const inside = join(dataDir, 'postgres')
  const outside = join(stateDir, hashOf(dataDir))
  if (account && existsSync(join(outside, 'cluster'))) return outside // where an earlier start put it
  await makeOwned(inside, account)
  if (canReach(account, inside)) return inside
  await makeOwned(outside, account)
  await writeFile(
    join(dataDir, 'WHERE-IS-MY-DATA.txt'),
    `PostgreSQL does not run as root, and the account it runs under cannot enter this folder.\nThe database is in ${outside}\n`,
  )
  return outside
}

async function chooseSocketDir(home: string, account: Account | undefined): Promise<string | undefined> {
  if (process.platform === 'win32') return undefined
  if (Buffer.byteLength(home) <= socketDirBytesMax) return home
  const short = join(tmpdir(), `webhooks-${hashOf(home)}`)
  await makeOwned(short, account)
  return short
}

async function makeOwned(directory: string, account: Account | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 })
  if (account) await chown(directory, account.uid, account.gid)
  await chmod(directory, 0o700)
}

function hashOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16)
}
