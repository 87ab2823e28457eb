import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

const source = new URL('../../src/platform/old-generation.ts', import.meta.url).href

/** The peak of the heap in MB, of a program in which things live just long enough to get into the old generation. */
function peakMb(begin: string): number {
  const program = `
    import { collectSooner } from '${source}'
    const data = Array.from({ length: 1_000_000 }, (_, n) => ({ n }))
    ${begin}
    const kept = Array.from({ length: 400_000 })
    let peak = 0
    for (let n = 0; n < 12_000_000; n++) {
      kept[n % kept.length] = { n, text: 'x' + n }
      if (n % 50_000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed)
    }
    if (data.length > 0) console.log(peak / 1e6)`
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }))
}

test('a program whose data stays the same keeps less garbage', () => {
  const [before, after] = [peakMb(''), peakMb('collectSooner()')]
  assert.ok(after < before * 0.9, `${after} MB instead of ${before}`)
})
