import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { browserPath, howToGetBrowser, openBrowser } from '../support/browser.ts'
import { builtDashboard } from '../support/dashboard.ts'
import { complaintsOf, dashboardRoutes, faultsOf, settled } from '../support/page.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, type TestService, testService } from '../support/service.ts'

// The pages of the dashboard when there is nothing, when nothing can be read, when there is much and it is long, and on
// small and large screens. Each page is loaded once: then the theme changes under it, as it does in the evening.

const skip = browserPath === undefined && howToGetBrowser
const opened = new AsyncDisposableStack()

interface World {
  readonly service: TestService
  readonly browser: BrowserContext
}
let world: World | undefined

before(async () => {
  const browser = await openBrowser(opened)
  if (browser === undefined) return
  await builtDashboard()
  world = { service: opened.use(await testService()), browser }
})

after(() => opened.disposeAsync())

function theWorld(): World {
  if (world === undefined) throw new Error('the browser was not started')
  return world
}

async function newPage(): Promise<{ page: Page; complaints: string[]; go: (path: string) => Promise<void> }> {
  const { browser, service } = theWorld()
  const page = await browser.newPage()
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  const go = async (path: string) => {
    await page.goto(`${service.url}/ui${path}`)
    await settled(page)
  }
  return { page, complaints: complaintsOf(page, service.url), go }
}

/** All rules in the light theme, and in the dark one those of colours: nothing else differs. */
async function checkBothThemes(page: Page, what: string): Promise<void> {
  assert.deepEqual(await faultsOf(page), [], what)
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  assert.deepEqual(await faultsOf(page, 'color-contrast'), [], `${what} in the dark theme`)
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
}

test('every page of a new service says what it would show, without serious faults', { skip }, async () => {
  const { page, complaints, go } = await newPage()
  for (const path of dashboardRoutes) {
    await go(path)
    await checkBothThemes(page, path)
  }
  assert.deepEqual(complaints, [])
  await page.close()
})

test('what cannot be read is told with its sentence and its request, without serious faults', {
  skip,
}, async () => {
  const { page, go } = await newPage()
  const instance = '0193e0a4-6d3c-4d0e-9d0a-3f4a5b6c7d8e'
  const problem = {
    ...{ type: '/errors/overloaded', title: 'Overloaded', status: 422, code: 'overloaded', instance },
    detail: 'The database cannot be asked at the moment.',
  }
  // What the page itself needs is there; all else is refused. A 422 is not tried again.
  const isOwn = /\/(?:ui\/|ui$|me$)/
  await page.route(
    url => !isOwn.test(url.pathname),
    route => route.fulfill({ status: 422, contentType: 'application/problem+json', json: problem }),
  )
  // These pages ask for nothing before something is done.
  const asks = dashboardRoutes.filter(
    path => !['/subscriptions/new', '/send', '/customer-page'].includes(path),
  )
  for (const path of asks) {
    await go(path)
    await page.getByText(problem.detail).first().waitFor()
    assert.ok((await page.getByText(`request ${instance}`).count()) > 0, path)
    await checkBothThemes(page, path)
  }
  await page.close()
})

test('long and hostile texts break no page, on a telephone and on a large screen', { skip }, async () => {
  const { service } = theWorld()
  await using receiver = await startReceiver({ status: 500, body: '<img src=x onerror=alert(1)>'.repeat(50) })
  const sender = client(service.url)
  const long = `${receiver.origin}/${'a-very-long-path-'.repeat(110)}`
  const hostile = '<b onmouseover=alert(1)>🦄 "quoted" & \u202eesrever</b>'
  const { id } = await sender.subscribe({
    ...{ target_url: long, description: hostile.repeat(4), event_types: ['order.*', 'x'.repeat(120)] },
    retry: { max_attempts: 1 },
  })
  await sender.subscribe({ target_url: receiver.origin, paused: true, uid: 'u'.repeat(60) })
  const event = await sender.ingest(id, JSON.stringify({ [hostile]: 'y'.repeat(5000) }), {
    'content-type': 'application/json',
    'x-event-type': 'x'.repeat(120),
  })
  await receiver.waitFor(1)
  const { page, complaints, go } = await newPage()
  page.on('dialog', () => complaints.push('a script of somebody else was run'))
  const own = [
    `/subscriptions/${id}`,
    `/subscriptions/${id}?tab=deliveries`,
    `/subscriptions/${id}?tab=settings`,
  ]
  const tooWide: string[] = []
  for (const [width, height] of [
    [360, 740],
    [3840, 2160],
  ] as const) {
    await page.setViewportSize({ width, height })
    for (const path of [...dashboardRoutes, ...own, `/events/${event}`]) {
      await go(path)
      const wide = await page.evaluate('document.documentElement.scrollWidth')
      if (Number(wide) > width) tooWide.push(`${path} is ${wide} wide on a screen of ${width}`)
    }
    await checkBothThemes(page, `an event on a screen of ${width}`)
  }
  assert.deepEqual(tooWide, [])
  assert.deepEqual(complaints, [])
  await page.close()
})

test('a list of 10,000 rows scrolls within the time of a frame', { skip }, async t => {
  const { service } = theWorld()
  const lines = Array.from({ length: 1000 }, (_, index) => `{"event_type":"row.${index}","payload":{}}`)
  for (let batch = 0; batch < 10; batch++) {
    const answer = await fetch(`${service.url}/events/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    assert.equal(answer.status, 202)
  }
  const { page, go } = await newPage()
  await go('/events')
  const loaded = async () => Number(await page.getByRole('table').getAttribute('aria-rowcount'))
  const until = performance.now() + 120_000
  while ((await loaded()) < 10_000 && performance.now() < until) {
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
    await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
  }
  assert.ok((await loaded()) > 10_000, 'all rows are loaded')
  await page.evaluate('scrollTo(0, 20000)')

  // The time of the processor, so that other work on the machine does not count.
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busy = async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000
  }
  const before = await busy()
  const frames = (await page.evaluate(`(async () => {
    const times = []
    let last
    for (let frame = 0; frame < 240; frame++) {
      scrollBy(0, 120) // more than three rows a frame, 195 a second
      const now = await new Promise(requestAnimationFrame)
      if (last !== undefined) times.push(now - last)
      last = now
    }
    return times.sort((a, b) => a - b)
  })()`)) as number[]
  const perFrame = ((await busy()) - before) / (frames.length + 1)
  const at = (share: number) => (frames[Math.floor(frames.length * share)] ?? 0).toFixed(1)
  t.diagnostic(`${perFrame.toFixed(1)} ms of work a frame; frames p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`)
  assert.ok(perFrame < 1000 / 60, `${perFrame} ms of work for each frame`)
  const shown = await page.locator('tbody tr[data-index]').count()
  assert.ok(shown < 120, `${shown} rows are in the document`)
  await page.close()
})
