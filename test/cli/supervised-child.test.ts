import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartDelayMs } from '../../src/cli/supervised-child.ts'

test('a process that dies is replaced at once, then ever more slowly, and never slower than every 30 s', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 100].map(restartDelayMs)
  assert.deepEqual(delays, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})
