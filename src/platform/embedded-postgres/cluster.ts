import { randomBytes } from 'node:crypto'
import { chown, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readIfThere, syncFolder } from '../files.ts'
import type { Binaries } from './binaries.ts'
import { draftOf, type Place } from './place.ts'
import { EmbeddedPostgresError, isDiskFull, run } from './process.ts'

/** The only role, a superuser: PostgreSQL keeps connections free for superusers when all others are taken. */
export const roleName = 'webhooks'

/** What fresh data take on the disk, with their first segment of the log: `du -sm` of them said 67. */
const freshDataMb = 70

/** What is needed to make a cluster. */
export interface ClusterSetup {
  readonly place: Place
  readonly binaries: Binaries
  readonly log: (message: string, fields?: object) => void
  /** Aborted: what was begun is removed. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes the cluster (the data directory) unless there is one. Called under the lock. It gets its name when it is
 * complete, so that a start that is killed leaves nothing that looks like data.
 *
 * @returns the password of the role
 * @throws EmbeddedPostgresError when the data are of another major version, or their password is missing
 */
export async function ensureCluster(setup: ClusterSetup): Promise<string> {
  const { place, binaries } = setup
  const version = (await readIfThere(join(place.cluster, 'PG_VERSION')))?.trim()
  if (version === undefined) return createCluster(setup)
  if (version !== String(binaries.major)) throw otherVersion(place, binaries, version)
  const password = (await readIfThere(place.passwordFile))?.trim()
  if (password === undefined || password === '') {
    throw new EmbeddedPostgresError(
      `The password of the data in ${place.cluster} is missing: it is kept in ${place.passwordFile}, which is not ` +
        'there. Bring that file back from where the data came from; it belongs in every backup of them.',
    )
  }
  return password
}

function otherVersion(place: Place, binaries: Binaries, version: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The data in ${place.cluster} were made by PostgreSQL ${version}, and this release brings PostgreSQL ` +
      `${binaries.major}, which cannot read them. Nothing was changed. Either start the release of the service that ` +
      'made them; or run a PostgreSQL of that version on them, dump with pg_dump, load the dump into another server ' +
      'and set DATABASE_URL to it; or, to begin with an empty database, set DATA_DIR to another folder.',
  )
}

async function createCluster({ place, binaries, log, signal }: ClusterSetup): Promise<string> {
  await removeDrafts(place)
  const password = (await readIfThere(place.passwordFile))?.trim() || (await createPassword(place))
  const draft = draftOf(place.cluster)
  await mkdir(draft, { mode: 0o700 })
  await giveTo(place, draft)
  const { code, output, complaint } = await run(
    binaries.initdb,
    [
      ...['-D', draft, '--username', roleName, '--pwfile', place.passwordFile, '--auth', 'scram-sha-256'],
      // Sorting and case mapping by code point are the same on every machine, and do not change with its libraries.
      ...[
        '--encoding',
        'UTF8',
        '--locale',
        'C',
        '--locale-provider',
        'builtin',
        '--builtin-locale',
        'C.UTF-8',
      ],
      ...['--data-checksums', '--no-instructions'],
    ],
    { account: place.account, timeoutMs: 120_000, signal },
  )
  if (code !== 0) {
    await rm(draft, { recursive: true, force: true })
    if (isDiskFull(complaint)) {
      throw new EmbeddedPostgresError(
        `The database could not be created in ${place.home}: the disk is full, and it needs ${freshDataMb} MB. Make room, or set DATA_DIR to a folder on another disk.`,
      )
    }
    throw new EmbeddedPostgresError(
      `The database could not be created in ${place.home}: ${complaint || output.trim() || `initdb ended with ${code}`}`,
    )
  }
  await rmdir(place.cluster).catch(() => {}) // an empty folder of that name, which Windows would not replace
  await rename(draft, place.cluster)
  await syncFolder(place.home)
  log('created the database', { path: place.cluster, account: place.account?.name })
  return password
}

/** The password is written before the data. When making the data fails, the next try uses the same password. */
async function createPassword(place: Place): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const draft = draftOf(place.passwordFile)
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${password}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await giveTo(place, draft)
  await rename(draft, place.passwordFile)
  return password
}

async function removeDrafts(place: Place): Promise<void> {
  const start = `${basename(place.cluster)}.`
  for (const name of await readdir(place.home)) {
    const isDraft = name.startsWith(start) && /\.new-[0-9a-f]{12}$/.test(name)
    if (isDraft) await rm(join(place.home, name), { recursive: true, force: true })
  }
}

/** Gives a file to the account that PostgreSQL runs as, when this is another one than ours. */
export async function giveTo(place: Place, path: string): Promise<void> {
  if (place.account !== undefined) await chown(path, place.account.uid, place.account.gid)
}
