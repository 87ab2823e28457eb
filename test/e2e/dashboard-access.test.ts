import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { browserPath, howToGetBrowser, openBrowser } from '../support/browser.ts'
import { builtDashboard } from '../support/dashboard.ts'
import { aKey, aTenant } from '../support/keys.ts'
import { faultsOf } from '../support/page.ts'
import { eventually, type TestService, testService } from '../support/service.ts'

// The dashboard of a service that asks for keys: who gets in, and what they see.

const skip = browserPath === undefined && howToGetBrowser
const opened = new AsyncDisposableStack()

/** A page of somebody's application, which shows what it is asked for in a frame. */
async function startApplication(): Promise<{ readonly origin: string }> {
  const server = createServer((request, response) => {
    const shown = new URL(request.url ?? '/', 'http://localhost').searchParams.get('shown') ?? ''
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end(`<!doctype html><title>An application</title><iframe src="${shown}"></iframe>`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.defer(() => new Promise<void>(resolve => server.close(() => resolve())))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } // it listens on a port
}

interface World {
  /** An application whose pages may show a tenant's own page, and one whose pages may not. */
  readonly listed: { readonly origin: string }
  readonly stranger: { readonly origin: string }
  readonly service: TestService
  readonly browser: BrowserContext
  readonly admin: string
  readonly publisher: string
}
let world: World | undefined

before(async () => {
  const browser = await openBrowser(opened)
  if (browser === undefined) return
  await builtDashboard()
  const [listed, stranger] = [await startApplication(), await startApplication()]
  const service = opened.use(
    await testService({
      ...{ AUTH: 'keys', PORTAL_NAME: 'Acme hooks', PORTAL_ACCENT: '#ffdd00' },
      PORTAL_FRAME_ANCESTORS: listed.origin,
    }),
  )
  const { database } = service.world
  await aTenant(database, 'acme')
  await aTenant(database, 'blue')
  world = {
    ...{ service, browser, listed, stranger },
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

function asAdmin(path: string, body: object, method = 'POST'): Promise<Response> {
  const { service, admin } = theWorld()
  return fetch(service.url + path, {
    method,
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

/** The session ends when the page first changes something, and is not found to have ended before. */
async function endSessionBeforeChange(page: Page): Promise<void> {
  let isOver = false
  await page.route('**', async route => {
    const { pathname } = new URL(route.request().url())
    const changes = route.request().method() === 'POST' && !pathname.startsWith('/ui/')
    if (changes && !isOver) {
      isOver = true
      await theWorld().service.world.database.query({ text: 'delete from ui_sessions' })
    }
    await route.continue()
  })
}

test('when the session ends in the middle, the form is as it was typed after signing in again, and nothing of it was kept', {
  skip,
}, async () => {
  const { admin } = theWorld()
  const page = await openPage('/subscriptions/new')
  await signIn(page, admin)
  await page.getByLabel('Address').fill('http://127.0.0.1:9/typed')
  await page.getByLabel('Description').fill('typed before the session ended')
  await endSessionBeforeChange(page)
  await page.getByRole('button', { name: 'Create' }).click()
  const door = page.getByRole('dialog', { name: 'Your session has ended' })
  await door.waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('ControlOrMeta+k')
  const kept = await page.evaluate('JSON.stringify(localStorage) + JSON.stringify(sessionStorage)')
  assert.doesNotMatch(String(kept), /typed|wh[ks]_/)
  assert.deepEqual(await faultsOf(page), [])
  await signIn(page, 'whk_wrong')
  await door.getByText('This key is not valid').waitFor()
  await signIn(page, admin)
  await door.waitFor({ state: 'detached' })
  assert.equal(await page.getByLabel('Address').inputValue(), 'http://127.0.0.1:9/typed')
  await page.getByText('The session had ended, so this was not done.').waitFor()
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('whsec_').first().waitFor()
  await page.close()
})

test('a page that is left open says at once that its session has ended, and is live again after signing in', {
  skip,
}, async () => {
  const { service, browser, admin } = theWorld()
  const page = await openPage('/live')
  await signIn(page, admin)
  await page.getByText('connected', { exact: true }).waitFor()
  const [cookie] = await browser.cookies()
  const out = await fetch(`${service.url}/ui/session`, {
    method: 'DELETE',
    headers: { 'x-requested-by': 'dashboard', cookie: `${cookie?.name}=${cookie?.value}` },
  })
  assert.equal(out.status, 204)
  const door = page.getByRole('dialog', { name: 'Your session has ended' })
  // Nothing is asked for meanwhile: only the stream can tell.
  await door.waitFor({ timeout: 10_000 })
  await signIn(page, admin)
  await door.waitFor({ state: 'detached' })
  await page.getByText('connected', { exact: true }).waitFor()
  await page.close()
})

test('who signs in with another reach begins anew, and finds nothing that was typed before', {
  skip,
}, async () => {
  const { admin, publisher } = theWorld()
  const page = await openPage('/send')
  await signIn(page, admin)
  await page.getByLabel('Event type').fill('typed.by.another')
  await endSessionBeforeChange(page)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor()
  await signIn(page, publisher)
  await page.getByRole('heading', { name: 'Send an event' }).waitFor()
  await page.getByRole('link', { name: 'Subscriptions' }).waitFor({ state: 'detached' })
  assert.notEqual(await page.getByLabel('Event type').inputValue(), 'typed.by.another')
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
  await page.getByRole('figure', { name: 'How long they took' }).waitFor()
  assert.equal(await page.getByText('What waited').count(), 0, 'it is known of all tenants together only')
  const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Subscriptions' })
  // A page that still puts itself together may miss a click; who clicked does it again.
  await eventually(async () => {
    await link.click()
    await page.waitForURL('**/subscriptions*', { timeout: 5000 }).catch(() => {})
    return new URL(page.url()).pathname.endsWith('/subscriptions')
  })
  await page
    .getByText('of acme')
    .waitFor()
    .catch(async error => {
      throw new Error(`the page shows ${await page.locator('body').innerText()}`, { cause: error })
    })
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

test("a tenant's own page is tried out where it is explained: with the name and colour of its owner", {
  skip,
}, async () => {
  const page = await openPage('/customer-page?tenant=acme')
  await signIn(page, theWorld().admin)
  await page.getByRole('heading', { name: 'Customer page' }).waitFor()
  await page.getByRole('checkbox', { name: 'May look only, and change nothing' }).check()
  await page.getByRole('checkbox', { name: 'Live' }).uncheck()
  await page.getByRole('button', { name: 'Make a link' }).click()
  const frame = page.frameLocator('iframe')
  // The frame is narrow, as in an application beside its own navigation.
  await frame.getByRole('button', { name: 'Navigation', exact: true }).click()
  await frame.getByText('Acme hooks').waitFor()
  const pages = frame.getByRole('navigation', { name: 'Pages' })
  assert.equal(await pages.getByRole('link', { name: 'Live' }).count(), 0, 'a page that is left out')
  await pages.getByRole('link', { name: 'Subscriptions' }).click()
  await frame.getByText('of acme').waitFor()
  assert.equal(await frame.getByText('of somebody else').count(), 0)
  assert.equal(await frame.getByRole('link', { name: 'New subscription' }).count(), 0, 'it may look only')
  // Yellow cannot be read on white: a darker shade of it is taken.
  const accent = await frame
    .locator('html')
    .evaluate(`getComputedStyle(document.documentElement).getPropertyValue('--accent')`)
  assert.match(String(accent), /^#[4-8]/)
  await page.getByRole('button', { name: 'Withdraw' }).click()
  await page.getByText('The link has ended').waitFor()
  await page.close()
})

const portalOf = async (tenant: string): Promise<string> => {
  const made = await asAdmin('/portal-tokens', { tenant })
  return ((await made.json()) as { url: string }).url // as openapi.json has it
}

test('a tenant has a look of its own, and for what was not given that of all', { skip }, async () => {
  const page = await openPage('/tenants')
  await signIn(page, theWorld().admin)
  await page.getByRole('button', { name: 'What can be done with blue' }).click()
  await page.getByRole('menuitem', { name: 'How its page looks' }).click()
  const dialog = page.getByRole('dialog', { name: 'How the page of blue looks' })
  await dialog.getByLabel('Name').fill('Blue Inc.')
  await dialog.getByRole('textbox', { name: 'Colour', exact: true }).fill('#blue')
  const picture = (body: string, mimeType = 'image/svg+xml') =>
    dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'logo.svg', mimeType, buffer: Buffer.from(body) })
  await picture('no picture at all')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText('Give a colour such as #0055ff, or null for that of all.').first().waitFor()
  await dialog.getByRole('textbox', { name: 'Colour', exact: true }).fill('#3366ff')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText('these bytes are no image/svg+xml').first().waitFor()
  // A script in a picture is no script of the page.
  const script = `<script>document.title = 'taken'; fetch('/me')</script>`
  await picture(
    `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24">${script}<rect width="24" height="24"/></svg>`,
  )
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('It is saved.').waitFor()
  await page.close()

  const its = await openPage(await portalOf('blue'))
  await its.getByText('Blue Inc.').waitFor()
  assert.match(await its.title(), /Blue Inc\.$/)
  const logo = its.locator('aside img')
  assert.match((await logo.getAttribute('src')) ?? '', /^data:image\/svg\+xml;base64,/)
  await eventually(
    async () => (await its.evaluate(`document.querySelector('aside img').naturalWidth`)) === 24,
  )
  const accentOf = (of: Page) =>
    of.evaluate(`getComputedStyle(document.documentElement).getPropertyValue('--accent-fill')`)
  assert.equal(await accentOf(its), '#3366ff', 'it can be read as it is')
  await its.close()

  await asAdmin('/tenants/blue', { portal: { name: null } }, 'PATCH')
  const half = await openPage(await portalOf('blue'))
  await half.getByText('Acme hooks').waitFor()
  assert.equal(await accentOf(half), '#3366ff')
  await half.close()
  const others = await openPage(await portalOf('acme'))
  await others.getByText('Acme hooks').waitFor()
  assert.equal(await others.locator('aside img').count(), 0)
  assert.notEqual(await accentOf(others), '#3366ff')
  await others.close()
})

test("a tenant's own page is shown inside the applications that are listed, and inside no other", {
  skip,
}, async () => {
  const { browser, listed, stranger, service } = theWorld()
  const show = async (origin: string, shown: string) => {
    const page = await browser.newPage()
    const refusals: string[] = []
    page.on('console', message => {
      if (/frame-ancestors/.test(message.text())) refusals.push(message.text())
    })
    await page.goto(`${origin}/?shown=${encodeURIComponent(shown)}`)
    return { page, refusals }
  }
  const url = await portalOf('acme')
  const inside = await show(listed.origin, url)
  await inside.page.frameLocator('iframe').getByRole('heading', { name: 'Overview' }).waitFor()
  assert.deepEqual(inside.refusals, [])
  await inside.page.close()
  for (const [origin, shown] of [
    [stranger.origin, url],
    [listed.origin, `${service.url}/ui/`], // the rest of the dashboard is shown in none
  ] as const) {
    const { page, refusals } = await show(origin, shown)
    await eventually(() => refusals.length > 0)
    // What the browser puts in its place is a page of its own.
    const frame = () => page.frames().find(one => one !== page.mainFrame())
    await eventually(() => /^chrome-error:/.test(frame()?.url() ?? ''))
    assert.equal(await page.frameLocator('iframe').getByRole('heading', { name: 'Overview' }).count(), 0)
    await page.close()
  }
})

test('by its link a customer saves a payload, though the browser has no cookie of theirs', {
  skip,
}, async () => {
  const published = await asAdmin('/events?tenant=acme&event_type=own.payload', { total: 5 })
  const { webhook_id: id } = (await published.json()) as { webhook_id: string }
  const made = await asAdmin('/portal-tokens', { tenant: 'acme' })
  const { url } = (await made.json()) as { url: string } // as openapi.json has it
  const page = await openPage(url)
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Events' }).click()
  await page.getByRole('link', { name: 'own.payload' }).first().click()
  const coming = page.waitForEvent('download')
  await page.getByLabel('Details').getByRole('button', { name: 'Download' }).click()
  const file = await coming
  assert.equal(file.suggestedFilename(), `${id}.json`)
  assert.equal(await readFile(await file.path(), 'utf8'), '{"total":5}')
  await page.close()
})

test('who signed in and out is in the audit log', { skip }, async () => {
  const page = await openPage('/audit?subject=session')
  await signIn(page, theWorld().admin)
  await page.getByText('session created').first().waitFor()
  await page.getByText('the admin').first().waitFor()
  await page.close()
})

test('the audit log leads to what was changed, where there still is such a thing', { skip }, async () => {
  const { service, admin } = theWorld()
  const make = async () => {
    const answer = await asAdmin('/subscriptions/', { target_url: 'http://127.0.0.1:9/', tenant: 'acme' })
    return ((await answer.json()) as { id: number }).id // as openapi.json has it
  }
  const [stays, goes] = [await make(), await make()]
  const headers = { authorization: `Bearer ${admin}` }
  await fetch(`${service.url}/subscriptions/${goes}`, { method: 'DELETE', headers })
  const page = await openPage('/audit?subject=subscription')
  await signIn(page, admin)
  await page.getByText(`subscription ${goes}`, { exact: true }).first().waitFor()
  const link = page.getByRole('link', { name: `subscription ${stays}`, exact: true })
  await link.waitFor()
  assert.equal(await page.getByRole('link', { name: `subscription ${goes}`, exact: true }).count(), 0)
  await link.click()
  await page.waitForURL(new RegExp(`/subscriptions/${stays}$`))
  await page.close()
})
