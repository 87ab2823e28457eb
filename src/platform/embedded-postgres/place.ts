import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Stats, statSync } from 'node:fs'
import { chmod, chown, lstat, mkdir, readdir, realpath, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { codeOf, reasonOf } from '../../errors.ts'
import { makeFolder, readIfThere } from '../files.ts'
import { makeOpenFolder } from './binaries.ts'
import { type Account, EmbeddedPostgresError } from './process.ts'

/** The files of the embedded PostgreSQL, and the account it runs as. */
export interface Place {
  /** DATA_DIR, or another folder in its place when PostgreSQL's account cannot reach DATA_DIR. */
  readonly home: string
  /** The data directory of PostgreSQL. */
  readonly cluster: string
  readonly passwordFile: string
  readonly logFile: string
  readonly lockFile: string
  /** Undefined: the account of this process. PostgreSQL refuses to run as root. */
  readonly account: Account | undefined
}

const signpost = 'WHERE-IS-MY-DATA.txt'

/** Files that the service may have made in DATA_DIR before the database, and files that any folder can have. */
const ourNames = /^(postgres(\..+)?|binaries-.+|encryption\.key.*|\..+|lost\+found)$/

/** In a folder in the place of DATA_DIR: the path of that DATA_DIR. */
const ownerFile = 'postgres.belongs-to'

/**
 * Decides where the data is, or will be. That is DATA_DIR, with one exception: when this process is root and the
 * unprivileged account cannot reach DATA_DIR, it is a folder below `stateDir`. A text file in DATA_DIR names it, which
 * moves with DATA_DIR; without that text DATA_DIR begins anew. Existing data is used where it is, also when another place
 * has become reachable.
 *
 * @throws EmbeddedPostgresError when DATA_DIR has other files in it, is a copy of another one whose data are elsewhere, or
 *   its data is missing or belongs to someone else
 */
export async function choosePlace(options: {
  readonly dataDir: string
  readonly stateDir: string
}): Promise<Place> {
  const isRoot = process.getuid?.() === 0
  const dataDir = await makeDataDir(resolve(options.dataDir), isRoot)
  const inPlace = await ownerOf(join(dataDir, 'postgres'))
  if (inPlace !== undefined) return placeOfCluster(dataDir, inPlace, isRoot)

  const named = await readSignpost(dataDir)
  if (isRoot && named !== undefined) return placeNamed(dataDir, named)
  await refuseForeign(dataDir, named)
  if (!isRoot) return placeIn(dataDir, undefined)
  const account = await unprivilegedAccount()
  if (canReach(dataDir, account)) return placeIn(dataDir, account)
  const standIn = await freeStandIn(dataDir, options.stateDir)
  const meanwhile = await readSignpost(dataDir) // by another process that starts, too
  if (meanwhile !== undefined) return placeNamed(dataDir, meanwhile)
  await makeOpenFolder(options.stateDir)
  await makeFolder(standIn, 0o700)
  await chown(standIn, account.uid, account.gid)
  if (canReach(await realpath(standIn), account)) return placeIn(standIn, account)
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and the account "${account.name}" can enter neither ${dataDir} nor ${standIn}. ` +
      'Set DATA_DIR to a folder below ones that every account may enter, or start the service as an ordinary user.',
  )
}

/** The folder with the data that the text in DATA_DIR names. */
async function placeNamed(dataDir: string, home: string): Promise<Place> {
  const text = join(dataDir, signpost)
  const cluster = await ownerOf(join(home, 'postgres'))
  if (cluster === undefined) {
    throw new EmbeddedPostgresError(
      `${text} says that the data of this folder are in ${home}, and there are none. Bring them back there. Or delete ` +
        'that text file: the service then begins with an empty database, and "webhooks restore" takes a backup.',
    )
  }
  const owner = (await readIfThere(join(home, ownerFile)))?.trim()
  if (owner !== undefined && owner !== dataDir && (await readSignpost(owner)) === home) {
    throw new EmbeddedPostgresError(
      `${dataDir} is a copy of ${owner}, and both name the same data, in ${home}. For data of its own, delete ${text}, ` +
        `and take the others over with "webhooks backup" there and "webhooks restore" here. If this is to go on in the ` +
        `place of ${owner}, remove that folder.`,
    )
  }
  return placeOfCluster(home, cluster, true)
}

/** A folder that belongs to no other DATA_DIR; the same for all processes that start at the same moment. */
async function freeStandIn(dataDir: string, stateDir: string): Promise<string> {
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  for (let number = 1; ; number++) {
    const standIn = join(stateDir, number === 1 ? name : `${name}-${number}`)
    const isTaken =
      (await ownerOf(join(standIn, 'postgres'))) && (await readIfThere(join(standIn, ownerFile)))
    if (isTaken === undefined) return standIn
  }
}

/** The folder that the text in DATA_DIR names; undefined when there is no such text. */
async function readSignpost(dataDir: string): Promise<string | undefined> {
  const text = await readIfThere(join(dataDir, signpost))
  return text === undefined ? undefined : (/^ +(\/.+)$/m.exec(text)?.[1] ?? 'a folder that it does not name')
}

/** Writes into DATA_DIR where the data is, when it is elsewhere, and there to whom it belongs. Called after it was made. */
export async function putSignpost(givenDir: string, home: string): Promise<void> {
  const dataDir = await realpath(givenDir)
  if (home === dataDir) return
  if ((await readSignpost(dataDir)) === undefined) {
    await writeFile(
      join(dataDir, signpost),
      `The database of the webhook delivery service that belongs to this folder is in\n\n  ${home}\n\n` +
        'PostgreSQL does not run as root, and the account it runs as cannot enter this folder. "webhooks backup" copies ' +
        'all that belongs together. To begin with an empty database, stop the service and delete this file.\n',
    )
  }
  if ((await readIfThere(join(home, ownerFile)))?.trim() !== dataDir) {
    await writeFile(join(home, ownerFile), `${dataDir}\n`)
  }
}

function placeIn(home: string, account: Account | undefined): Place {
  const file = (ending: string) => join(home, `postgres.${ending}`)
  return {
    home,
    cluster: join(home, 'postgres'),
    passwordFile: file('password'),
    logFile: file('log'),
    lockFile: file('lock'),
    account,
  }
}

/** An existing cluster is run by the account that owns it. */
async function placeOfCluster(home: string, owner: Stats, isRoot: boolean): Promise<Place> {
  const cluster = join(home, 'postgres')
  if (!isRoot) {
    if (process.getuid !== undefined && owner.uid !== process.getuid()) {
      throw new EmbeddedPostgresError(
        `The data in ${cluster} belong to another user (uid ${owner.uid}). Start the service as that user, or set ` +
          'DATA_DIR to a folder of your own.',
      )
    }
    return placeIn(home, undefined)
  }
  if (owner.uid === 0) {
    const { uid, gid } = await unprivilegedAccount()
    throw new EmbeddedPostgresError(
      `The data in ${cluster} belong to root, and PostgreSQL does not run as root. Give them to another account: ` +
        `chown -R ${uid}:${gid} ${cluster}`,
    )
  }
  const account = { name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  if (!canReach(home, account)) {
    throw new EmbeddedPostgresError(
      `The account that owns the data in ${cluster} (uid ${owner.uid}) can no longer enter the folders above. ` +
        'Let it (chmod o+x on each of them), or start the service as that account.',
    )
  }
  return placeIn(home, account)
}

async function makeDataDir(path: string, isRoot: boolean): Promise<string> {
  try {
    // 0711: the account of the database may enter a folder of root's, and not list it.
    const made = await makeFolder(path, 0o700)
    if (made !== undefined && isRoot) await chmod(path, 0o711)
    return await realpath(path)
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The data folder ${path} cannot be made or entered: ${reasonOf(cause)}. Set DATA_DIR to a folder that this ` +
        'user can write in.',
      { cause },
    )
  }
}

/** The owner of a cluster; undefined for no folder or an empty one. @throws when the folder holds something else */
async function ownerOf(cluster: string): Promise<Stats | undefined> {
  try {
    const owner = await stat(cluster)
    // A folder of another user cannot be listed. The caller reports whose it is.
    if (process.getuid !== undefined && process.getuid() !== 0 && owner.uid !== process.getuid()) return owner
    const names = await readdir(cluster)
    if (names.includes('PG_VERSION')) return owner
    if (names.length === 0) return undefined
    throw new EmbeddedPostgresError(
      `The folder ${cluster} is not empty and holds no PostgreSQL data. Nothing in it was touched. Set DATA_DIR to ` +
        'another folder, or move what is in it elsewhere.',
    )
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ENOTDIR') {
      throw new EmbeddedPostgresError(
        `${cluster} is a file; a folder of that name is needed. Move it elsewhere.`,
      )
    }
    throw error
  }
}

/** @param named the folder that its text names, which only root looks into */
async function refuseForeign(dataDir: string, named: string | undefined): Promise<void> {
  if (named !== undefined) {
    throw new EmbeddedPostgresError(
      `${join(dataDir, signpost)} says that the data of this folder are in ${named}: they were made when root started ` +
        'the service. Start it as root, or delete that text file to begin with an empty database.',
    )
  }
  const names = await readdir(dataDir)
  const foreign = names.filter(name => !ourNames.test(name))
  if (foreign.length === 0) return
  const clue = foreign.includes('PG_VERSION') ? 'It looks like the data of another PostgreSQL' : 'It holds'
  throw new EmbeddedPostgresError(
    `The data folder ${dataDir} is not empty and not ours. ${clue}: ${foreign.slice(0, 5).join(', ')}. Nothing in it ` +
      'was touched. Set DATA_DIR to an empty folder or one that does not exist yet.',
  )
}

/** The account `postgres` if this machine has it, else `nobody`. No account is made. */
async function unprivilegedAccount(): Promise<Account> {
  const lines = ((await readIfThere('/etc/passwd')) ?? '').split('\n').map(line => line.split(':'))
  for (const wanted of ['postgres', 'nobody']) {
    const [name, , uid, gid] = lines.find(([found]) => found === wanted) ?? []
    if (name !== undefined && Number(uid) > 0 && Number(gid) > 0)
      return { name, uid: Number(uid), gid: Number(gid) }
  }
  return { name: 'nobody', uid: 65534, gid: 65534 }
}

/** True when the mode bits of this folder and all above it let the account enter. */
function canReach(path: string, account: Account): boolean {
  const { mode, uid, gid } = statSync(path)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return false
  return dirname(path) === path || canReach(dirname(path), account)
}

/** The path of a Unix socket has at most 107 bytes on Linux and 103 on macOS. */
const socketPathBytesMax = 103

/**
 * The folder for the Unix socket. Usually the cluster itself, which only its owner can enter. A private folder for
 * temporary files when that path is too long, or its file system has no sockets (some folders shared with a container).
 *
 * @throws EmbeddedPostgresError when the private folder was made by someone else, or is open to others
 */
export async function makeSocketDir(place: Place, port: number): Promise<string> {
  const fits = (folder: string) => Buffer.byteLength(join(folder, `.s.PGSQL.${port}`)) <= socketPathBytesMax
  if (fits(place.cluster) && (await takesSockets(place.cluster))) return place.cluster
  const name = `webhooks-${createHash('sha256').update(place.cluster).digest('hex').slice(0, 16)}`
  const folder = join(fits(join(tmpdir(), name)) ? tmpdir() : '/tmp', name)
  const uid = place.account?.uid ?? process.getuid?.()
  try {
    await mkdir(folder, { mode: 0o700 })
    if (place.account !== undefined) await chown(folder, place.account.uid, place.account.gid)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  const found = await lstat(folder)
  if (!found.isDirectory() || (found.mode & 0o077) !== 0 || found.uid !== uid) {
    throw new EmbeddedPostgresError(
      `${folder} is meant for the socket of the embedded PostgreSQL, but it is not a private folder of uid ${uid}. ` +
        'Remove it, or set DATA_DIR to a shorter path.',
    )
  }
  return folder
}

async function takesSockets(folder: string): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(join(folder, '.s.try'))
    await once(server, 'listening')
    return true
  } catch (error) {
    return codeOf(error) === 'EADDRINUSE' // left by a start that was killed: sockets work here
  } finally {
    server.close() // removes the file
  }
}

/** A unique name for a draft, which is renamed when it is complete. */
export function draftOf(path: string): string {
  return `${path}.new-${randomBytes(6).toString('hex')}`
}
