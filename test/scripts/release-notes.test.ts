import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  parseChangelog,
  type ReleaseFiles,
  readReleaseFiles,
  releaseNotes,
} from '../../scripts/release-notes.ts'

const changelog = `# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-28

### Added

- A thing.

### Fixed

- Another.

## [1.1.0] - 2026-10-01

### Changed

- An older one.

[Unreleased]: https://example.com/compare/v1.2.0...HEAD
[1.2.0]: https://example.com/compare/v1.1.0...v1.2.0
`

function filesOf(version: string, changes: Partial<ReleaseFiles> = {}): ReleaseFiles {
  return {
    changelog,
    manifest: JSON.stringify({ version }),
    lockfile: JSON.stringify({ version, packages: { '': { version } } }),
    openapi: JSON.stringify({ info: { version } }),
    ...changes,
  }
}

test('the notes of a release are its section of the changelog, and no more', () => {
  assert.equal(releaseNotes('v1.2.0', filesOf('1.2.0')), '### Added\n\n- A thing.\n\n### Fixed\n\n- Another.')
  assert.equal(releaseNotes('v1.1.0', filesOf('1.1.0')), '### Changed\n\n- An older one.')
})

test('a tag that is no version is refused', () => {
  for (const tag of ['', '1.2.0', 'v1.2', 'latest', 'v1.2.0 ']) {
    assert.throws(() => releaseNotes(tag, filesOf('1.2.0')), /is not a tag like v1\.2\.3/)
  }
})

test('a tag is refused when a file has another version, and the file is named', () => {
  const other = '{"version":"1.1.0","info":{"version":"1.1.0"},"packages":{"":{"version":"1.1.0"}}}'
  const onlyInside = '{"version":"1.2.0","packages":{"":{"version":"1.1.0"}}}'
  const cases: readonly [Partial<ReleaseFiles>, RegExp][] = [
    [{ manifest: other }, /^Error: package\.json has version 1\.1\.0, the tag says 1\.2\.0$/],
    [{ lockfile: other }, /^Error: package-lock\.json has version/],
    [{ lockfile: onlyInside }, /^Error: package-lock\.json, packages has version/],
    [{ openapi: other }, /^Error: openapi\.json has version/],
  ]
  for (const [changes, sentence] of cases) {
    assert.throws(() => releaseNotes('v1.2.0', filesOf('1.2.0', changes)), sentence)
  }
})

test('a version of which the changelog says nothing is refused', () => {
  assert.throws(() => releaseNotes('v1.3.0', filesOf('1.3.0')), /has no section for 1\.3\.0/)
  const empty = changelog.replace('### Changed\n\n- An older one.\n', '')
  assert.throws(
    () => releaseNotes('v1.1.0', filesOf('1.1.0', { changelog: empty })),
    /says nothing of 1\.1\.0/,
  )
})

test('a changelog of another form is refused with the heading that is wrong', () => {
  const wrong: readonly [string, string, RegExp][] = [
    ['[1.2.0] - 2026-11-28', '1.2.0 (November)', /"## 1\.2\.0 \(November\)" must be/],
    ['[1.2.0] - 2026-11-28', '[1.2.0]', /"## \[1\.2\.0\]" must be/],
    ['### Added', '### New', /"### New" must be one of Added/],
    ['## [Unreleased]\n', '', /must be \[Unreleased\]/],
    ['2026-10-01', '2026-12-01', /newest version must stand first/],
  ]
  for (const [from, to, sentence] of wrong) {
    assert.throws(() => parseChangelog(changelog.replace(from, to)), sentence)
  }
})

test('the changelog of this repository has that form, and the files agree on the version', () => {
  const files = readReleaseFiles()
  const [unreleased, newest] = parseChangelog(files.changelog)
  assert.equal(unreleased?.name, 'Unreleased')
  const { version } = JSON.parse(files.manifest) as { readonly version: string } // our own file
  if (newest !== undefined) assert.ok(releaseNotes(`v${newest.name}`, files))
  else assert.throws(() => releaseNotes(`v${version}`, files), /has no section/, 'the versions agree')
})
