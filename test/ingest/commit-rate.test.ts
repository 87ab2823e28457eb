import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitRate } from '../../src/ingest/commit-rate.ts'

const aRate = () => new CommitRate(3, 256)

/** Some transactions of 256 events, one after the other. */
function commit(rate: CommitRate, transactions: number, tookMs: number): void {
  for (let n = 0; n < transactions; n++) rate.committed(256, tookMs, true)
}

test('nothing is known before a transaction has ended', () => {
  assert.equal(aRate().waitMs(1_000_000), 0)
})

test('the wait is what is there by how fast it goes, on all connections', () => {
  const rate = aRate()
  commit(rate, 1, 100)
  assert.equal(rate.waitMs(768), 100)
  commit(rate, 100, 100)
  assert.equal(Math.round(rate.waitMs(7680)), 1000)
})

test('the first transaction tells how long a full one may take; later ones count when they were full', () => {
  const rate = aRate()
  rate.committed(3, 100, false)
  assert.equal(rate.waitMs(768), 100)
  rate.committed(3, 1, false)
  assert.equal(rate.waitMs(768), 100)
  commit(rate, 100, 400)
  assert.equal(Math.round(rate.waitMs(768)), 400)
})

test('a database that becomes slow is noticed at once', () => {
  const rate = aRate()
  commit(rate, 100, 10)
  commit(rate, 3, 1000)
  assert.ok(rate.waitMs(768) > 200, `${rate.waitMs(768)} of 1000 ms`)
})

test('a stall is forgotten after some dozen transactions', () => {
  const rate = aRate()
  commit(rate, 3, 1000)
  commit(rate, 50, 10)
  assert.ok(rate.waitMs(768) < 20, `${rate.waitMs(768)} ms instead of 10`)
})

test('what was slow once is not held against the next queue', () => {
  const rate = aRate()
  rate.committed(256, 1000, true)
  rate.forget()
  assert.equal(rate.waitMs(1000), 0)
})
