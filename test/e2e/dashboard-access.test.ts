import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { browserPath, howToGetBrowser, openBrowser } from '../support/browser.ts'
import { builtDashboard } from '../support/dashboard.ts'
import { aKey, aTenant } from '../support/keys.ts'
import { type TestService, testService } from '../support/service.ts'

// The dashboard of a service that asks for keys: who gets in, and what they see.

const skip = browserPath === undefined && howToGetBrowser
const opened = new AsyncDisposableStack()

interface World {
  readonly service: TestService
  readonly browser: BrowserContext
  readonly admin: string
  readonly publisher: string
}
let world: World | undefined

before(async () => {
  const browser = await openBrowser(opened, 30_000)
  if (browser === undefined) return
  await builtDashboard()
  const service = opened.use(await testService({ AUTH: 'keys' }))
  const { database } = service.world
  await aTenant(database, 'acme')
  world = {
    ...{ service, browser },
    admin: await aKey(database, 'admin', null, 'the admin'),
    publisher: await aKey(database, 'publish', 'acme', 'a publisher'),
  }
  for (const [tenant, description] of [
    ['acme', 'of acme'],
    ['default', 'of somebody else'],
  ]) {
    const answer = await asAdmin('/subscriptions/', {
      tenant,
      description,
      target_url: 'http://127.0.0.1:9/',
    })
    assert.equal(answer.status, 201)
  }
})

after(() => opened.disposeAsync())

function theWorld(): World {
  if (world === undefined) throw new Error('the browser was not started')
  return world
}

function asAdmin(path: string, body: object): Promise<Response> {
  const { service, admin } = theWorld()
  return fetch(service.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function openPage(path: string): Promise<Page> {
  const { browser, service } = theWorld()
  await browser.clearCookies()
  const page = await browser.newPage()
  await page.goto(path.startsWith('http') ? path : `${service.url}/ui${path}`)
  return page
}

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('a key opens the door, a wrong one does not, and what is kept of it no script can read', {
  skip,
}, async () => {
  const page = await openPage('/subscriptions')
  await signIn(page, 'whk_wrong')
  await page.getByText('This key is not valid').waitFor()
  await signIn(page, theWorld().admin)
  await page.getByRole('heading', { name: 'Subscriptions' }).waitFor()
  await page.getByText('of somebody else').waitFor()
  const kept = await page.evaluate(
    'document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)',
  )
  assert.doesNotMatch(String(kept), /whk_|whs_/)

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await page.close()
})

test('what a key may not do is not shown', { skip }, async () => {
  const page = await openPage('/send')
  await signIn(page, theWorld().publisher)
  await page.getByRole('heading', { name: 'Send an event' }).waitFor()
  const names = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts()
  assert.deepEqual(names, ['Send'])
  await page.close()
})

test('by its link a customer sees what their tenant has, changes it, and sees nothing of others', {
  skip,
}, async () => {
  const made = await asAdmin('/portal-tokens', { tenant: 'acme' })
  const { url } = (await made.json()) as { url: string } // as openapi.json has it
  const page = await openPage(url)
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Subscriptions' }).click()
  await page.getByText('of acme').waitFor()
  assert.equal(await page.getByText('of somebody else').count(), 0)
  assert.doesNotMatch(page.url(), /whp_/)
  const names = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts()
  for (const name of ['System', 'Tenants', 'API keys']) assert.ok(!names.includes(name), name)
  await page.getByText('of acme').click()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('It is paused').waitFor()
  assert.equal(await page.getByRole('tab', { name: 'Secrets' }).count(), 0)
  await page.close()
})

test('a link for looking only offers no change, and one that has ended says so', { skip }, async () => {
  const made = await asAdmin('/portal-tokens', { tenant: 'acme', read_only: true })
  const { id, url } = (await made.json()) as { id: number; url: string } // as openapi.json has it
  const page = await openPage(url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'New subscription' }).count(), 0)
  await page.close()

  const { service, admin } = theWorld()
  const headers = { authorization: `Bearer ${admin}` }
  assert.equal((await fetch(`${service.url}/portal-tokens/${id}`, { method: 'DELETE', headers })).status, 204)
  const again = await openPage(url)
  await again.getByText('This link has ended').waitFor()
  await again.close()
})
