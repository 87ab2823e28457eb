import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'

// The pages as a person sees them: a real Chromium, which obeys the content security policies. Those of the documentation of
// the API, which take it ten seconds, are in browser.long.test.ts.

const skip = withoutBrowser
const { open } = pagesWorld()

for (const [path, heading] of [
  ['/', 'Send one event'],
  ['/errors/not_found', 'Not found'],
] as const) {
  test(`${path} is shown, and nothing is refused by its policy or asked from elsewhere`, {
    skip,
  }, async () => {
    const { page, complaints } = await open(path)
    await page.getByRole('heading', { name: heading }).waitFor()
    assert.deepEqual(complaints, [])
  })
}
