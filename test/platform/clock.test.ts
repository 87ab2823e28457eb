import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/platform/clock.ts'

test('starts at the time of this machine, in whole milliseconds', () => {
  const now = systemClock().now()
  assert.ok(Math.abs(now - Date.now()) < 1000)
  assert.ok(Number.isInteger(now))
})

test('moves forwards at once when it is told a later time', () => {
  const clock = systemClock()
  const later = clock.now() + 60_000.4
  clock.steer(later)
  const moved = clock.now()
  assert.ok(Number.isInteger(moved))
  assert.ok(moved >= Math.floor(later) && moved < later + 1000)
})

test('stands still when it is told an earlier time, and never runs backwards', async () => {
  const clock = systemClock()
  const before = clock.now()
  clock.steer(before - 20)
  assert.equal(clock.now(), before)
  await new Promise(resolve => setTimeout(resolve, 60))
  const after = clock.now()
  assert.ok(after > before, 'goes on once the true time has caught up')
  assert.ok(after < before + 1000)
})
