import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'
import { dashboardRoutes, faultsOf, sampledRoutes, settled } from '../support/page.ts'
import { startReceiver } from '../support/receiver.ts'
import { client } from '../support/service.ts'

// The dashboard as a person uses it: a real Chromium, the real service, and receivers that answer as they are told.

const skip = withoutBrowser
const { world: theWorld, open: openPath } = pagesWorld()

const open = (path: string) => openPath(`/ui${path}`)

test('who is new and has only the browser makes a subscription, sends an event, sees it fail and why, repairs it, replays it', {
  skip,
}, async t => {
  const { page, complaints } = await open('/')
  let clicks = 0
  const click = async (role: 'link' | 'button', name: string | RegExp, within: Page | Locator = page) => {
    clicks++
    await within
      .getByRole(role, { name, ...(typeof name === 'string' && { exact: true }) })
      .first()
      .click()
  }
  const pages = page.getByRole('navigation', { name: 'Pages' })
  await click('link', 'New subscription')
  await click('button', 'Use a test receiver')
  await page.getByLabel('Address').and(page.locator('[value*="/t/"]')).waitFor()
  await click('button', /^Filter, headers/)
  await page.getByLabel('Attempts in all').fill('1')
  await click('button', 'Create')
  await page.getByText('whsec_').first().waitFor()
  // The receiver is told to fail before anything is sent.
  await click('link', 'Its test receiver')
  await click('button', 'Fails')
  await click('link', 'Send', pages)
  await click('button', 'Send')
  await page.getByText('given up').first().waitFor()
  await click('link', 'Attempt 1')
  await page.getByText('Answered 500').waitFor()
  await page.getByRole('heading', { name: 'Response' }).waitFor()

  await click('link', 'Its test receiver')
  await click('button', 'Accepts')
  const details = page.getByLabel('Details')
  await details.locator('summary').first().click()
  clicks++
  await click('link', 'Its event', details)
  await click('button', 'Replay', details)
  await click('button', 'Replay 1 delivery', page.getByRole('dialog'))
  await details.getByText('manual', { exact: true }).first().waitFor()
  await details.getByText('delivered', { exact: true }).first().waitFor()
  t.diagnostic(`${clicks} clicks and one field`)
  assert.ok(clicks <= 15, `${clicks} clicks`)
  assert.deepEqual(complaints, [])
})

test('every page is shown in light and dark, without faults, complaints or requests to elsewhere', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver({ status: 500 })
  const sender = client(service.url)
  const { id } = await sender.subscribe({
    target_url: receiver.origin,
    description: 'fails',
    retry: { max_attempts: 1 },
  })
  const event = await sender.ingest(id, '{"total":1}')
  await receiver.waitFor(1)
  const { page, complaints } = await open('/')
  const isChecked = (path: string) =>
    !dashboardRoutes.some(route => route === path) || sampledRoutes.some(route => route === path)
  for (const path of [
    ...dashboardRoutes,
    `/subscriptions/${id}`,
    `/subscriptions/${id}?tab=settings`,
    `/events/${event}`,
  ]) {
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await page.goto(`${service.url}/ui${path}`)
    await settled(page)
    if (!isChecked(path)) continue
    assert.deepEqual(await faultsOf(page, 'all'), [], `${path} in light`)
    // Another theme changes colours and nothing else, on the page that is there: to load all of them again takes longer.
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
    await page.locator('html[data-theme=dark]').waitFor()
    assert.deepEqual(await faultsOf(page, 'color-contrast'), [], `${path} in dark`)
  }
  assert.deepEqual(complaints, [])
})

test('filters are in the address, and what is typed there is shown', { skip }, async () => {
  const { page, complaints } = await open('/events?status=unmatched')
  await page.getByText('status:').waitFor()
  await page.getByText('unmatched').first().waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('type:order.paid')
  await page.keyboard.press('Enter')
  await page.waitForURL(/event_type=order\.paid/)
  assert.match(page.url(), /status=unmatched/)
  await page.getByRole('button', { name: 'Remove status:unmatched' }).click()
  await page.waitForURL(url => !url.search.includes('status'))
  assert.deepEqual(complaints, [])
})

test('every key does what the list of keys says', { skip }, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver()
  const sender = client(service.url)
  const { id } = await sender.subscribe({ target_url: receiver.origin, event_types: ['by.key'] })
  const typed = { 'content-type': 'application/json', 'x-event-type': 'by.key' }
  const older = await sender.ingest(id, '{"n":1}', typed)
  const newer = await sender.ingest(id, '{"n":2}', typed)
  await receiver.waitFor(2)

  const { page, complaints } = await open('/')
  const press = (key: string) => page.keyboard.press(key)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await press('Control+k')
  await page.getByRole('combobox', { name: 'Search' }).waitFor()
  await page.keyboard.type('system')
  await press('Enter')
  await page.getByRole('heading', { name: 'System' }).waitFor()
  await page.getByRole('dialog').waitFor({ state: 'detached' }) // while one is open, keys are not for the page
  // Two keys that belong together, in one turn: a page that was busy takes them so.
  await page.evaluate(`for (const key of ['g', 'e'])
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))`)
  await page.getByRole('heading', { name: 'Events' }).waitFor()
  await press('/')
  await page.locator('input[data-search]:focus').waitFor()
  await page.keyboard.type('type:by.key')
  await press('Enter')
  await page.waitForURL(/event_type=by\.key/)
  await page.locator('table[aria-rowcount="3"]').waitFor()
  await press('Escape')

  const row = (index: number) => page.locator(`tr[data-index="${index}"] a:focus`).waitFor()
  await press('j')
  await row(0)
  await press('j')
  await row(1)
  await press('k')
  await row(0)
  await press('Enter')
  const details = page.getByLabel('Details')
  await details.getByText(newer).waitFor()
  await press('j')
  await details.getByText(older).waitFor()
  await press('k')
  await details.getByText(newer).waitFor()
  const dialog = page.getByRole('dialog')
  await press('r')
  await dialog.waitFor()
  await press('Escape')
  await dialog.waitFor({ state: 'detached' })
  assert.ok(await details.isVisible(), 'Esc closes what is on top, and nothing else')
  await press('r')
  await tabTo(page, /^Replay 1 delivery/)
  await press('Enter')
  await receiver.waitFor(3)
  await dialog.waitFor({ state: 'detached' })
  await press('Escape')
  await details.waitFor({ state: 'detached' })
  await press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await press('Escape')
  assert.deepEqual(complaints, [])
})

test('a key that is pressed before its event is there waits for it', { skip }, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  const event = await client(service.url).ingest(id, '{"n":1}')
  await receiver.waitFor(1)
  const { page } = await open('/replays')
  const pressed = Promise.withResolvers<void>()
  await page.route(
    url => url.pathname === `/events/${event}`,
    async route => {
      await pressed.promise
      await route.continue()
    },
  )
  await page.goto(`${service.url}/ui/events/${event}`)
  await page.getByLabel('Details').waitFor()
  await page.keyboard.press('r')
  pressed.resolve()
  await page.getByRole('dialog', { name: 'Replay this event' }).waitFor()
})

test('a time says when exactly on hover, and Esc takes that away', { skip }, async () => {
  const { page } = await open('/audit')
  const time = page.locator('tbody time').first()
  await time.hover()
  const tip = page.getByRole('tooltip')
  await tip.waitFor()
  assert.match(await tip.innerText(), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} /)
  assert.equal(await time.getAttribute('aria-describedby'), await tip.getAttribute('id'))
  await page.keyboard.press('Escape')
  await tip.waitFor({ state: 'detached' })
})

/** Presses Tab until what has this name is focused, as somebody without a pointer does. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 120; presses++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate(`(() => {
      const element = document.activeElement
      const labels = [...(element.labels ?? [])].map(label => label.textContent).join(' ')
      const text = element.matches('a, button, summary') ? element.textContent : ''
      return [element.getAttribute('aria-label'), labels, text].filter(Boolean).join(' ').trim()
    })()`)
    if (name.test(String(focused))) return
  }
  throw new Error(`nothing that is called ${name} can be reached by Tab`)
}

test('the whole journey goes without a pointer: make, send, see it fail, replay', { skip }, async () => {
  let broken = true
  await using receiver = await startReceiver(() => (broken ? { status: 503 } : {}))
  const { page, complaints } = await open('/subscriptions')
  await page.getByRole('heading', { name: 'Subscriptions' }).waitFor()
  await tabTo(page, /^New subscription/)
  await page.keyboard.press('Enter')
  await page.getByLabel('Address').waitFor()
  await tabTo(page, /^Address/)
  await page.keyboard.type(`${receiver.origin}/by-keyboard`)
  await tabTo(page, /^Filter, headers/)
  await page.keyboard.press('Enter')
  await tabTo(page, /^Attempts in all/)
  await page.keyboard.press('Control+a')
  await page.keyboard.type('1')
  await page.keyboard.press('Enter')
  await page.getByText('whsec_').first().waitFor()
  await tabTo(page, /^Send it an event/)
  await page.keyboard.press('Enter')
  await page.getByLabel('Payload').waitFor()
  await tabTo(page, /^Send$/)
  await page.keyboard.press('Enter')
  await page.getByText('given up').first().waitFor()
  broken = false
  await tabTo(page, /^Open the event/)
  await page.keyboard.press('Enter')
  const details = page.getByLabel('Details')
  // An attempt may be told as failed a moment before its delivery is: only then can it be replayed.
  await details.getByRole('button', { name: 'Replay', exact: true }).waitFor()
  await page.keyboard.press('r')
  await page.getByRole('dialog').waitFor()
  await tabTo(page, /^Replay 1 delivery/)
  await page.keyboard.press('Enter')
  await details.getByText('delivered', { exact: true }).first().waitFor()
  await page.keyboard.press('Escape')
  await details.waitFor({ state: 'detached' })
  assert.equal(receiver.received.length, 2)
  assert.deepEqual(complaints, [])
})

test('a problem is shown with its sentence and the id of its request, and what was typed stays', {
  skip,
}, async () => {
  const { page } = await open('/subscriptions/new')
  await page.getByLabel('Address').fill('https://user:secret@example.com/')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText(/^request [0-9a-f-]{36}$/).waitFor()
  assert.equal(await page.getByLabel('Address').inputValue(), 'https://user:secret@example.com/')
  const refused = page.getByText(/Leave user name and password out/)
  await refused.first().waitFor()
  await page.getByLabel('Address').fill('https://example.com/')
  assert.equal(await refused.count(), 0, 'what was said of the address before is not said of this one')
  await page.goto(`${theWorld().service.url}/ui/subscriptions/999999`)
  await page.getByText('There is no subscription 999999.').waitFor()
})

test('a subscription that fails says with what, how much is tried again, and offers to retry what was given up only', {
  skip,
}, async () => {
  const sender = client(theWorld().service.url)
  const { id } = await sender.subscribe({ target_url: 'http://127.0.0.1:9/', retry: { base_seconds: 600 } })
  await sender.ingestMany(id, 12, 4)
  const { page, complaints } = await open(`/subscriptions/${id}`)
  await page.getByText('The last attempts have all failed.').waitFor()
  await page.getByText(': takes no connection').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Retry what failed' }).count(), 0)
  await page.getByRole('link', { name: '12 to be tried again' }).click()
  await page.getByRole('table', { name: 'Deliveries that wait' }).waitFor()
  assert.deepEqual(complaints, [])
})

test('credentials and the form of events are set, used, seen without their secret, and changed', {
  skip,
}, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver()
  const { page, complaints } = await open('/subscriptions/new')
  await page.getByLabel('Address').fill(`${receiver.origin}/gateway`)
  await page.getByRole('button', { name: 'Filter, headers' }).click()
  await page.getByText('Form of the events').click()
  await page.getByLabel('Format').selectOption('cloudevents-binary')
  await page.getByPlaceholder('com.example.shop.{event_type}').fill('com.example.{event_type}')
  await page.getByText('Credentials', { exact: true }).click()
  await page.getByLabel('Shown to the receiver').selectOption('bearer')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('The type bearer needs it.', { exact: true }).waitFor()
  await page.getByLabel('Token', { exact: true }).fill('a token')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('Give visible ASCII characters without spaces.', { exact: true }).waitFor()
  await page.getByLabel('Token', { exact: true }).fill('open-sesame')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('link', { name: 'Open it' }).click()
  await page.getByText('CloudEvents, in headers').waitFor()
  await page.getByText('bearer token').waitFor()

  const id = Number(/\/subscriptions\/(\d+)/.exec(page.url())?.[1])
  const sender = client(service.url)
  const typed = { 'content-type': 'application/json', 'x-event-type': 'order.paid' }
  await sender.ingest(id, '{"n":1}', typed)
  await receiver.waitFor(1)
  const [first] = receiver.received
  assert.equal(first?.headers.authorization, 'Bearer open-sesame')
  assert.equal(first?.headers['ce-type'], 'com.example.order.paid')

  await page.getByRole('tab', { name: 'Settings' }).click()
  await page.getByText('Credentials', { exact: true }).click()
  assert.equal(await page.getByLabel('Token', { exact: true }).inputValue(), '', 'never shown again')
  await page.getByText('Form of the events').click()
  await page.getByLabel('Format').selectOption('raw')
  await page.getByText('Headers made for each attempt').click()
  await page.getByLabel('Header templates').fill('X-Kind: {event_type}, attempt {attempt}')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  await sender.ingest(id, '{"n":2}', typed)
  await receiver.waitFor(2)
  const [, second] = receiver.received
  assert.equal(second?.headers.authorization, 'Bearer open-sesame', 'left empty, it is kept')
  assert.equal(second?.headers['ce-type'], undefined)
  assert.equal(second?.headers['x-kind'], 'order.paid, attempt 1')
  // What was refused on the way is said by the browser, too.
  assert.deepEqual(
    complaints.filter(text => !text.includes('422')),
    [],
  )
})

test('a receiver that has not said yes is asked again, and keys that wait are shown', { skip }, async () => {
  const { service } = theWorld()
  const { clock } = service
  let willing = false
  await using receiver = await startReceiver(({ body }) => {
    const event = JSON.parse(body.toString())
    if (event.type !== 'webhook.verification') return { status: 503 }
    return willing ? { body: JSON.stringify({ challenge: event.data.challenge }) } : { status: 404 }
  })
  const call = async (method: string, path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${service.url}${path}`, { method, headers, body: JSON.stringify(body) })
    return (await answer.json()) as { id: number }
  }
  await call('POST', '/tenants', { id: 'acme', name: 'Acme', ownership_check: 'challenge' })
  const { id } = await call('POST', '/subscriptions/', {
    ...{ tenant: 'acme', target_url: receiver.origin, ordering_key: 'payload.customer' },
    retry: { base_seconds: 600 },
  })
  const { page, complaints } = await open('/subscriptions/new?tenant=acme')
  await page.getByLabel('Address').fill(`${receiver.origin}/made-here`)
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  // Whoever makes it is told at once, and what the receiver has to answer.
  await page.getByRole('heading', { name: /is there$/ }).waitFor()
  await page.getByText('The receiver has not said that it wants these events.').waitFor()
  await page.getByText(/answers with 200 and what stands in it/).waitFor()
  await page.getByRole('button', { name: 'Ask again' }).waitFor()
  await page.goto(`${service.url}/ui/subscriptions/${id}`)
  await page.getByText('The receiver has not said that it wants these events.').waitFor()
  await page.getByText(/got HTTP 404/).waitFor()
  assert.equal(await page.getByRole('button', { name: 'Resume' }).count(), 0, 'it cannot be resumed')
  willing = true
  // It may be asked once in five seconds; a person who is faster is told so.
  await page.getByRole('button', { name: 'Ask again' }).click()
  await page.getByText(/was asked a moment ago/).waitFor()
  clock.advance(5000)
  await page.getByRole('button', { name: 'Ask again' }).click()
  await page.getByText('The receiver said yes.').waitFor()
  await page.getByText('Receiver said yes', { exact: true }).waitFor()
  await page.getByText('No key waits.').waitFor()
  for (const n of [1, 2]) await client(service.url).ingest(id, JSON.stringify({ customer: 'anna', n }))
  const row = page.getByRole('listitem').filter({ hasText: 'anna' })
  await row.getByText(/that failed once/).waitFor()
  await row.getByText('1 behind it').waitFor()
  assert.deepEqual(
    complaints.filter(text => !/409|429/.test(text)),
    [],
  )
})
