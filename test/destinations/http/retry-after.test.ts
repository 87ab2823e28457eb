import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMoment } from '../../../src/destinations/http/retry-after.ts'

const now = Date.UTC(2026, 10, 23, 12, 0, 0)

test('seconds and HTTP dates of all three forms are read, between one second and a day', () => {
  const table: [string, number | undefined][] = [
    ['120', now + 120_000],
    ['1.5', now + 1500],
    ['0', now + 1000],
    ['999999999', now + 86_400_000],
    ['Mon, 23 Nov 2026 12:05:00 GMT', now + 300_000],
    ['Monday, 23-Nov-26 12:05:00 GMT', now + 300_000],
    ['Mon Nov 23 12:05:00 2026', now + 300_000],
    ['Sun, 22 Nov 2026 12:00:00 GMT', now + 1000],
    ['', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['12:00', undefined],
    ['2026-11-23T12:05:00Z', undefined],
    ['Mon, 99 Nov 2026 12:05:00 GMT', undefined],
    ['1e3', undefined],
  ]
  for (const [header, expected] of table) assert.equal(retryAfterMoment(header, now), expected, header)
  assert.equal(retryAfterMoment(undefined, now), undefined)
})
