import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'
import { settled } from '../support/page.ts'
import { client } from '../support/service.ts'

// The dashboard while the service cannot be reached, refuses, or falls silent.

const skip = withoutBrowser
const { world: theWorld, open: openPath } = pagesWorld()

const open = (path: string) => openPath(`/ui${path}`)

test('what is shown is said to be old as soon as it cannot be read again, and no longer once it can', {
  skip,
}, async t => {
  const { page } = await open('/audit')
  await settled(page)
  await page.goto(`${theWorld().service.url}/ui/system`)
  await page.getByRole('heading', { name: 'Processes' }).waitFor()
  const bar = page.getByText('Not up to date: read')
  assert.equal(await bar.count(), 0)
  // The browser says that there is no internet, which a service on this machine does not need: it is asked all the same.
  t.after(() => page.context().setOffline(false))
  await page.context().setOffline(true)
  await bar.waitFor()
  await page.getByText('The service cannot be reached.').waitFor()
  assert.ok(await page.getByRole('heading', { name: 'Processes' }).isVisible(), 'what there was stays')
  await page.context().setOffline(false)
  await page.getByRole('button', { name: 'Try again' }).click()
  await bar.waitFor({ state: 'detached' })
})

test('a part that is loaded late waits for the service, and takes no page with it', { skip }, async t => {
  const { page } = await open('/audit')
  await settled(page)
  await page.getByRole('button', { name: 'Times and rows' }).waitFor()
  t.after(() => page.context().setOffline(false))
  await page.context().setOffline(true)
  const failed = page.waitForEvent('requestfailed', request => request.url().includes('key-help'))
  await page.keyboard.press('?')
  await failed
  assert.ok(await page.getByRole('heading', { name: 'Audit log' }).isVisible())
  await page.context().setOffline(false)
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
})

test('a live view that was refused says so, and is connected with one click once it may be', {
  skip,
}, async () => {
  const { page } = await open('/')
  const detail = 'This key may not listen.'
  await page.route(
    url => url.pathname === '/stream',
    route =>
      route.fulfill({
        ...{ status: 403, contentType: 'application/problem+json' },
        json: { title: 'Forbidden', status: 403, code: 'forbidden', detail },
      }),
  )
  await page.goto(`${theWorld().service.url}/ui/live`)
  await page.getByText(detail).waitFor()
  await page.getByText('not connected').waitFor()
  assert.equal(await page.getByText('Nothing has happened yet').count(), 0, 'nobody knows that')
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText('connected', { exact: true }).waitFor()
  await page.getByText('Nothing has happened yet').waitFor()
  assert.equal(await page.getByText(detail).count(), 0)
})

test('a live view whose connection fell silent connects again', { skip }, async () => {
  const { page } = await open('/')
  await page.clock.install()
  let asked = 0
  page.on('request', request => {
    if (new URL(request.url()).pathname === '/stream') asked++
  })
  await page.goto(`${theWorld().service.url}/ui/live`)
  await page.getByText('connected', { exact: true }).waitFor()
  const before = asked
  await page.clock.fastForward(41_000)
  await page.getByText('connecting', { exact: true }).waitFor()
  await page.getByText('connected', { exact: true }).waitFor()
  assert.ok(asked > before, `${asked} connections`)
  await page.close() // its clock is not the one of the next test
})

test('the calendar of failures has each day once, also where the clock was changed', { skip }, async () => {
  await client(theWorld().service.url).subscribe({ target_url: 'http://127.0.0.1:9/' })
  const { page, complaints } = await open('/')
  const zone = await page.context().newCDPSession(page)
  await zone.send('Emulation.setTimezoneOverride', { timezoneId: 'Europe/Berlin' })
  // In Berlin the clock went back on 25 October.
  const starts = ['2026-10-23T22:00Z', '2026-10-24T22:00Z', '2026-10-25T23:00Z', '2026-10-26T23:00Z']
  const asked: (string | null)[] = []
  await page.route(
    url => url.pathname === '/stats' && url.searchParams.get('window') === '30d',
    async route => {
      asked.push(new URL(route.request().url()).searchParams.get('time_zone'))
      const answer = await route.fetch()
      const stats = (await answer.json()) as { buckets: object[] } // as openapi.json has it
      const buckets = starts.map(start => ({ ...stats.buckets[0], start: new Date(start).toISOString() }))
      await route.fulfill({ response: answer, json: { ...stats, buckets } })
    },
  )
  await page.goto(`${theWorld().service.url}/ui/`)
  await page.getByText('Days begin at midnight of your time (Europe/Berlin).').waitFor()
  const links = page.getByRole('list', { name: 'Attempts that failed, by day' }).getByRole('link')
  const found = await links.evaluateAll(all =>
    all.map(link => {
      const { textContent: text, href } = link as unknown as { textContent: string; href: string }
      return [text.slice(0, 10), new URL(href).searchParams.get('until')]
    }),
  )
  assert.deepEqual(found, [
    ['2026-10-24', '2026-10-24T22:00:00.000Z'],
    ['2026-10-25', '2026-10-25T23:00:00.000Z'],
    ['2026-10-26', '2026-10-26T23:00:00.000Z'],
    ['2026-10-27', '2026-10-27T23:00:00.000Z'],
  ])
  assert.ok(
    asked.some(name => name === 'Europe/Berlin'),
    String(asked),
  )
  assert.deepEqual(complaints, [])
  await page.close()
})
