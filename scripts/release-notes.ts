import { readFileSync } from 'node:fs'

// Prints what the changelog says of a release, and fails when a tag is not fit to be released:
//   node scripts/release-notes.ts v1.2.3
// docs/releasing.md has the whole of it. Needs no dependency, so that it runs before "npm ci".

/** What a release is made of, as text. */
export interface ReleaseFiles {
  readonly changelog: string
  /** package.json */
  readonly manifest: string
  /** package-lock.json */
  readonly lockfile: string
  /** openapi.json */
  readonly openapi: string
}

/** One heading of the changelog and what stands under it. */
export interface ChangelogSection {
  /** A version, or `Unreleased`. */
  readonly name: string
  /** As `2026-11-28`; undefined for `Unreleased`. */
  readonly date: string | undefined
  /** Markdown, without space around it; empty when nothing stands there. */
  readonly body: string
}

const kinds = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']
const versionPattern = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/

/**
 * The sections of a changelog in the form of Keep a Changelog, newest first.
 *
 * @throws Error with the first heading that is not of that form
 */
export function parseChangelog(text: string): readonly ChangelogSection[] {
  const withoutLinks = text.replace(/^\[[^\]]+\]: .*\n?/gm, '')
  const [, ...parts] = withoutLinks.split(/^## /m)
  const sections = parts.map(section)
  if (sections[0]?.name !== 'Unreleased')
    throw new Error('CHANGELOG.md: the first heading must be [Unreleased]')
  const dates = sections.flatMap(({ date }) => date ?? [])
  if (dates.some((date, index) => date > (dates[index - 1] ?? date))) {
    throw new Error('CHANGELOG.md: the newest version must stand first')
  }
  return sections
}

function section(part: string): ChangelogSection {
  const [heading = '', ...lines] = part.split('\n')
  const [, name, date] = /^\[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$/.exec(heading) ?? []
  const isVersion = name !== undefined && versionPattern.test(name) && date !== undefined
  if (!isVersion && heading !== '[Unreleased]') {
    throw new Error(`CHANGELOG.md: "## ${heading}" must be [Unreleased] or like [1.2.3] - 2026-11-28`)
  }
  for (const line of lines) {
    const kind = /^### (.*)$/.exec(line)?.[1]
    if (kind !== undefined && !kinds.includes(kind)) {
      throw new Error(`CHANGELOG.md: "### ${kind}" must be one of ${kinds.join(', ')}`)
    }
  }
  return { name: name ?? '', date, body: lines.join('\n').trim() }
}

/**
 * What the changelog says of the version that a tag names.
 *
 * @param tag as `v1.2.3`
 * @throws Error with a sentence that says what does not fit together
 */
export function releaseNotes(tag: string, files: ReleaseFiles): string {
  const version = tag.slice(1)
  if (!tag.startsWith('v') || !versionPattern.test(version))
    throw new Error(`${tag} is not a tag like v1.2.3`)
  for (const [file, found] of Object.entries(versionsOf(files))) {
    if (found !== version) throw new Error(`${file} has version ${found}, the tag says ${version}`)
  }
  const entry = parseChangelog(files.changelog).find(({ name }) => name === version)
  if (entry === undefined) throw new Error(`CHANGELOG.md has no section for ${version}`)
  if (entry.body === '') throw new Error(`CHANGELOG.md says nothing of ${version}`)
  return entry.body
}

/** The version that each file gives. */
function versionsOf({ manifest, lockfile, openapi }: ReleaseFiles): Record<string, string> {
  const lock = Object(JSON.parse(lockfile))
  return {
    'package.json': String(Object(JSON.parse(manifest)).version),
    'package-lock.json': String(lock.version),
    'package-lock.json, packages': String(lock.packages?.['']?.version),
    'openapi.json': String(Object(JSON.parse(openapi)).info?.version),
  }
}

/** The files of this checkout. */
export function readReleaseFiles(): ReleaseFiles {
  const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
  return {
    changelog: read('CHANGELOG.md'),
    manifest: read('package.json'),
    lockfile: read('package-lock.json'),
    openapi: read('openapi.json'),
  }
}

if (import.meta.main) {
  try {
    console.log(releaseNotes(process.argv[2] ?? '', readReleaseFiles()))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
