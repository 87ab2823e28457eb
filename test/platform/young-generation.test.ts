// In a process of its own: it changes how V8 collects garbage, for good.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { boundYoungGeneration } from '../../src/platform/young-generation.ts'

const youngMb = () =>
  (getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0) / 1e6

/** Makes V8 let the young generation grow: much survives for a moment. */
async function work(objects: number): Promise<void> {
  let kept: object[] = []
  for (let n = 0; n < objects; n++) {
    kept.push({ n, text: `x${n}` })
    if (kept.length > 60_000) kept = kept.slice(30_000)
    if (n % 10_000 === 0) await turn()
  }
}

/** As V8 does it by itself after a while in which little happened. */
function makeSmall(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')({ type: 'major', flavor: 'last-resort' })
}

test('the young generation stays near its bound however much is made in it, and is back there after a rest', async () => {
  boundYoungGeneration(16_000_000)
  await work(3_000_000)
  assert.ok(youngMb() >= 16, `${youngMb()} MB`)
  assert.ok(youngMb() <= 40, `${youngMb()} MB`)
  await turn() // the last collection is told of
  makeSmall()
  assert.ok(youngMb() <= 2, `${youngMb()} MB`)
  await work(1_000_000)
  assert.ok(youngMb() >= 16, `${youngMb()} MB`)
  assert.ok(youngMb() <= 40, `${youngMb()} MB`)
})
