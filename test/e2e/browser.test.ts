import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { browserPath, howToGetBrowser, openBrowser } from '../support/browser.ts'
import { type TestService, testService } from '../support/service.ts'

// The pages as a person sees them: a real Chromium, which obeys the content security policies.

const skip = browserPath === undefined && howToGetBrowser

const opened = new AsyncDisposableStack()
let world: { readonly service: TestService; readonly browser: BrowserContext } | undefined

before(async () => {
  const browser = await openBrowser(opened)
  if (browser === undefined) return
  // The example subscription leads to httpbin.org; what is sent there ends at a proxy that is not there.
  const service = opened.use(await testService({ EGRESS_PROXY: 'http://127.0.0.1:9' }))
  world = { service, browser }
})

after(() => opened.disposeAsync())

/** Opens a page and gathers what a person would not see: complaints of the console, and requests to elsewhere. */
async function open(path: string): Promise<{ page: Page; origin: string; complaints: string[] }> {
  if (world === undefined) throw new Error('the browser was not started')
  const origin = world.service.url
  const complaints: string[] = []
  const page = await world.browser.newPage()
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('request', request => {
    const { protocol } = new URL(request.url())
    if (!request.url().startsWith(`${origin}/`) && !['data:', 'blob:'].includes(protocol))
      complaints.push(`asked for ${request.url()}`)
  })
  await page.goto(origin + path, { waitUntil: 'load' })
  return { page, origin, complaints }
}

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
    await page.close()
  })
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
  await page.close()
})

test('ReDoc shows the operations, and finds them', { skip }, async () => {
  const { page, complaints } = await open('/redoc')
  await page.getByRole('heading', { name: 'Create a subscription' }).first().waitFor()
  await page.getByPlaceholder('Search...').fill('ingest')
  await page.getByRole('search').getByText('Accept an event for one subscription').first().waitFor()
  assert.deepEqual(complaints, [])
  await page.close()
})
