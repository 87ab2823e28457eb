import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The release that a user of this version comes from, as git knows it. */
export type PreviousRelease =
  | { readonly kind: 'found'; readonly ref: string }
  /** This checkout does not have it. */
  | { readonly kind: 'missing'; readonly why: string }

const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The newest tag `v*` that this checkout comes after, else the commit that previous-release.json names: before the first
 * tag, and where tags are not fetched.
 */
export function findPreviousRelease(): PreviousRelease {
  const top = git('rev-parse', '--show-toplevel')
  if (top === undefined || realpathSync(top) !== realpathSync(resolve(root))) {
    return { kind: 'missing', why: 'this is no git checkout, so there is no previous release to run' }
  }
  const tags = git(
    'tag',
    '--list',
    'v[0-9]*',
    '--merged',
    'HEAD',
    '--no-contains',
    'HEAD',
    '--sort=-v:refname',
  )
  const recorded = JSON.parse(readFileSync(new URL('previous-release.json', import.meta.url), 'utf8')) as {
    readonly commit: string
  } // our own file
  const ref = tags?.split('\n')[0] || recorded.commit
  return git('cat-file', '-e', `${ref}^{commit}`) === undefined
    ? { kind: 'missing', why: `git does not have ${ref}, the previous release: fetch the whole history` }
    : { kind: 'found', ref }
}

/**
 * Puts the files of a release into a folder that goes with the test, beside the packages of this checkout.
 *
 * @returns the folder
 */
export async function exportRelease(t: TestContext, ref: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-previous-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const archive = execFileSync('git', ['archive', '--format=tar', ref], { cwd: root, maxBuffer: 2 ** 28 })
  const { status, stderr } = spawnSync('tar', ['-x', '-C', folder], { input: archive, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tar could not unpack ${ref}: ${stderr}`)
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  return folder
}

/** @returns what it prints, without the last newline; undefined when it fails */
function git(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
