import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { tryGuide } from '../support/guide.ts'
import { testService } from '../support/service.ts'

// The examples of these guides, as a reader would type them.

async function trial(t: TestContext, guide: string, examplesMin: number): Promise<void> {
  if (spawnSync('curl', ['--version']).status !== 0) return t.skip('there is no curl here')
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-guide-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  // In this process: a guide is about what the service answers, and a process for each took as long as ten guides.
  await using world = await testService()
  assert.ok((await tryGuide(guide, world.url, folder)) >= examplesMin)
}

test('the guide to event types does what it says', t => trial(t, 'event-types.md', 4))

test('the guide to sending once does what it says', t => trial(t, 'sending-once.md', 3))

test('the guide to finding events does what it says', t => trial(t, 'events.md', 3))

test('the guide to sending again does what it says', t => trial(t, 'replay.md', 4))

test('the guide to watching what happens does what it says', t => trial(t, 'live.md', 2))
test('the guide to testing does what it says', t => trial(t, 'testing.md', 7))

test('the README does what it says', t => trial(t, 'README.md', 3))

test('the guide to the audit log does what it says', t => trial(t, 'audit.md', 2))

test('the guide to system events does what it says', t => trial(t, 'system-events.md', 4))

test('the guide to retention does what it says', t => trial(t, 'retention.md', 1))
test('the guide to watching does what it says', t => trial(t, 'watching.md', 3))

test('the guide to the dashboard does what it says', t => trial(t, 'dashboard.md', 1))

test('the guide to order does what it says', t => trial(t, 'ordering.md', 3))

test('the guide to the ownership check does what it says', t => trial(t, 'ownership-check.md', 5))

test('the guide to sources does what it says', t => trial(t, 'sources.md', 10))

test('the guide to traces does what it says', t => trial(t, 'tracing.md', 1))

test('the guide to figures does what it says', t => trial(t, 'figures.md', 4))

test('the guide to signatures does what it says', t => trial(t, 'signatures.md', 4))

test('the guide to messages does what it says', t => trial(t, 'messages.md', 8))

test('the guide to credentials does what it says', t => trial(t, 'credentials.md', 5))
