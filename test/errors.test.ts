import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overloaded } from '../src/errors.ts'

test('those who are refused together are asked to come again at different times, one to three seconds from now', () => {
  const times = [0, 0.34, 0.67, 0.999].map(share => overloaded('x', () => share).retryAfterSeconds)
  assert.deepEqual(times, [1, 2, 3, 3])
})
