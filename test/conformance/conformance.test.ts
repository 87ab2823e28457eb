import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { runRows } from './conformance.ts'
import { lines, markdown } from './report.ts'

test('every kind of receiver is treated as the reference page says', async () => {
  const results = await runRows(1500)
  const wrong = results.filter(({ faults }) => faults.length > 0)
  assert.ok(wrong.length === 0, `\n${lines(wrong)}`)
  const page = await readFile(new URL('../../docs/reference/conformance.md', import.meta.url), 'utf8')
  assert.ok(page === markdown(results), 'the page has drifted: run "npm run test:conformance" and commit it')
})
