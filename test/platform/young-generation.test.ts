// In a process of its own: it changes how V8 collects garbage, for good.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { boundYoungGeneration } from '../../src/platform/young-generation.ts'

const youngMb = () =>
  (getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0) / 1e6

/** Makes V8 let the young generation grow: much survives for a moment. */
async function work(): Promise<void> {
  let kept: object[] = []
  for (let n = 0; n < 3_000_000; n++) {
    kept.push({ n, text: `x${n}` })
    if (kept.length > 60_000) kept = kept.slice(30_000)
    if (n % 10_000 === 0) await turn()
  }
}

test('the young generation stays near its bound however much is made in it', async () => {
  boundYoungGeneration(16_000_000)
  await work()
  assert.ok(youngMb() >= 16, `${youngMb()} MB`)
  assert.ok(youngMb() <= 40, `${youngMb()} MB`)
})
