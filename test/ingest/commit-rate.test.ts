import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitRate } from '../../src/ingest/commit-rate.ts'

/** Commits so many every 50 ms, for as long. @returns the time after */
function commit(rate: CommitRate, events: number, fromMs: number, forMs: number): number {
  for (let now = fromMs; now <= fromMs + forMs; now += 50) rate.committed(events, now)
  return fromMs + forMs
}

test('nothing is known before a queue has been worked off for a while', () => {
  const rate = new CommitRate()
  assert.equal(rate.waitMs(1_000_000), 0)
  commit(rate, 100, 0, 150)
  assert.equal(rate.waitMs(1_000_000), 0)
})

test('the wait is what is there by how fast it goes', () => {
  const rate = new CommitRate()
  commit(rate, 100, 0, 1000) // 2 a millisecond
  assert.equal(rate.waitMs(2000), 1000)
})

test('a database that becomes slow is noticed within a second', () => {
  const rate = new CommitRate()
  const now = commit(rate, 100, 0, 1000)
  commit(rate, 10, now, 1000) // a tenth
  assert.ok(rate.waitMs(200) > 700, `${rate.waitMs(200)} of 1000 ms`)
})

test('what was slow once is not held against the next queue', () => {
  const rate = new CommitRate()
  commit(rate, 1, 0, 1000)
  rate.forget()
  assert.equal(rate.waitMs(1000), 0)
})
