import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'

// The pages of the API's documentation as a person uses them: a real Chromium, which obeys the content security policies.

const skip = withoutBrowser
// The example subscription leads to httpbin.org; what is sent there ends at a proxy that is not there.
const { open } = pagesWorld(() => ({ EGRESS_PROXY: 'http://127.0.0.1:9' }))

/** Presses 'Execute' in the block of one operation. @returns the status and the body that Swagger UI shows */
async function execute(page: Page, operationId: string): Promise<{ status: string; body: string }> {
  const block = page.locator(`[id$="-${operationId}"]`)
  await block.locator('.opblock-summary').click()
  await block.locator('button.execute').click()
  const answer = block.locator('.live-responses-table .response')
  return {
    status: (await answer.locator('.response-col_status').innerText()).trim(),
    body: await answer.locator('.response-col_description .microlight').first().innerText(),
  }
}

test("on a fresh service, 'Execute' in Swagger UI makes the example subscription and sends it the example event", {
  skip,
}, async () => {
  const { page, complaints } = await open('/docs')
  const created = await execute(page, 'createSubscription')
  assert.equal(created.status, '201', created.body)
  assert.match(created.body, /whsec_/)
  const ingested = await execute(page, 'ingest')
  assert.equal(ingested.status, '202', ingested.body)
  assert.match(ingested.body, /webhook_id/)
  assert.deepEqual(complaints, [])
})

test('ReDoc shows the operations, and finds them', { skip }, async () => {
  const { page, complaints } = await open('/redoc')
  await page.getByRole('heading', { name: 'Create a subscription' }).first().waitFor()
  await page.getByPlaceholder('Search...').fill('ingest')
  await page.getByRole('search').getByText('Accept an event for one subscription').first().waitFor()
  assert.deepEqual(complaints, [])
})
