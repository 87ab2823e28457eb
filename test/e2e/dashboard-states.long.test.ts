import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { pagesWorld, withoutBrowser } from '../support/dashboard-world.ts'
import { dashboardRoutes, faultsOf, settled } from '../support/page.ts'
import { startReceiver } from '../support/receiver.ts'
import { client } from '../support/service.ts'

// The pages of the dashboard when there is nothing, when nothing can be read, when there is much and it is long, and on
// small and large screens. Each page is loaded once: then the theme changes under it, as it does in the evening.

const skip = withoutBrowser
const { world: theWorld, open } = pagesWorld()

async function newPage(): Promise<{ page: Page; complaints: string[]; go: (path: string) => Promise<void> }> {
  const { page, complaints } = await open('/ui/')
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  const go = async (path: string) => {
    await page.goto(`${theWorld().service.url}/ui${path}`)
    await settled(page)
  }
  return { page, complaints, go }
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
})

/** What has to be done on pages that ask for nothing before. */
const triedOn: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  '/subscriptions/new': async page => {
    await page.getByLabel('Address').fill('https://example.com/hooks')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
  },
  '/send': page => page.getByRole('button', { name: 'Send', exact: true }).click(),
  '/customer-page': page => page.getByRole('button', { name: 'Make a link' }).click(),
}

test('what cannot be read or done is told with its sentence and its request, without serious faults', {
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
  for (const path of dashboardRoutes) {
    await go(path)
    await (triedOn[path]?.(page) ?? Promise.resolve())
    await page.getByText(problem.detail).first().waitFor()
    assert.ok((await page.getByText(`request ${instance}`).count()) > 0, path)
    await checkBothThemes(page, path)
  }
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
  const sizes: readonly (readonly [number, number])[] = [
    [360, 740],
    [3840, 2160],
  ]
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height })
    for (const path of [...dashboardRoutes, ...own, `/events/${event}`]) {
      await go(path)
      const wide = await page.evaluate('document.documentElement.scrollWidth')
      if (Number(wide) > width) tooWide.push(`${path} is ${wide} wide on a screen of ${width}`)
      if (await page.evaluate(headOverRows)) tooWide.push(`${path}: the head of a table lies over its rows`)
    }
    await checkBothThemes(page, `an event on a screen of ${width}`)
  }
  assert.deepEqual(tooWide, [])
  assert.deepEqual(complaints, [])
})

test('what several attempts have in common is advised once, and what failed is retried from the start page', {
  skip,
}, async () => {
  const { service } = theWorld()
  let broken = true
  await using receiver = await startReceiver(() => (broken ? { status: 422 } : {}))
  const sender = client(service.url)
  const { id } = await sender.subscribe({
    target_url: receiver.origin,
    retry: { max_attempts: 3, base_seconds: 0.1, factor: 1 },
  })
  const event = await sender.ingest(id)
  await receiver.waitFor(3)
  const { page, complaints, go } = await newPage()
  await go(`/events/${event}`)
  const attempts = page.getByRole('list', { name: `Attempts for subscription ${id}` })
  await attempts.getByText('given up').waitFor()
  assert.equal(await attempts.getByRole('listitem').count(), 3)
  assert.equal(await attempts.getByText('refused its content').count(), 1)
  assert.match(
    await attempts.getByRole('listitem').last().innerText(),
    /refused its content/,
    'with the newest',
  )
  broken = false
  await go('/')
  await page.getByRole('button', { name: `Retry what failed for #${id}` }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Retry', exact: true }).click()
  await receiver.waitFor(4)
  assert.deepEqual(complaints, [])
})

test('on a telephone there is room for what a row, a page and a choice are about', { skip }, async () => {
  const { service } = theWorld()
  const sender = client(service.url)
  const { id } = await sender.subscribe({
    ...{ target_url: 'http://127.0.0.1:9/', description: 'Orders to the shop', retry: { max_attempts: 1 } },
  })
  await sender.ingest(id)
  const { page, go } = await newPage()
  await page.setViewportSize({ width: 360, height: 740 })
  await go('/dead-letters')
  const row = page.getByRole('row').filter({ hasText: `#${id}` })
  await row.getByRole('checkbox').check()
  const box = await page.getByRole('toolbar').boundingBox()
  assert.ok(box !== null && box.height < 50, `one line: ${box?.height} px`)
  const isCut = (element: unknown) => {
    const { scrollWidth, clientWidth } = element as { scrollWidth: number; clientWidth: number }
    return scrollWidth > clientWidth
  }
  assert.equal(await row.getByText('Orders to the shop').evaluate(isCut), false)
  const [attempt] = (await (await fetch(`${service.url}/logs/${id}`)).json()) as { id: string }[]
  await go(`/attempts/${attempt?.id}`)
  const here = page.getByRole('navigation', { name: 'Where this is' }).locator('[aria-current=page]')
  assert.equal(await here.evaluate(isCut), false)
})

test('a list of 10,000 rows makes each row once while it is scrolled, and draws none again', {
  skip,
}, async t => {
  const { service } = theWorld()
  const rows = 10_000
  const lines = Array.from({ length: 1000 }, (_, index) => `{"event_type":"row.${index}","payload":{}}`)
  for (let batch = 0; batch < rows / 1000; batch++) {
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
  while ((await loaded()) < rows && performance.now() < until) {
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
    await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
  }
  assert.ok((await loaded()) > rows, 'all rows are loaded')
  await page.evaluate('scrollTo(0, 20000)')

  const done = await scrolled(page, 100)
  const frames = done.frames.sort((a, b) => a - b)
  const at = (share: number) => (frames[Math.floor(frames.length * share)] ?? 0).toFixed(1)
  t.diagnostic(
    `${done.busyMs.toFixed(1)} ms of work a frame, 300 px each; frames p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`,
  )
  // Milliseconds are of the machine; these are not. 30,000 px are 811 rows, and as many come into the document.
  assert.ok(done.rowsAdded < 811 + 60, `${done.rowsAdded} rows were made for 811 that came into sight`)
  assert.equal(done.rowsRedrawn, 0, 'rows that stay in sight are not drawn again')
  assert.ok(done.rowsShown < 60, `${done.rowsShown} rows are in the document`)
  assert.ok(done.nodesPerRow <= 30, `${done.nodesPerRow} elements in a row`)
})

const headOverRows = `[...document.querySelectorAll('table')].some(({ tHead, tBodies }) => {
  const first = tBodies[0]?.rows[0]
  return first !== undefined && tHead.getBoundingClientRect().bottom > first.getBoundingClientRect().top + 1
})`

interface Scrolled {
  readonly frames: number[]
  /** Of the processor, a frame: other work on the machine does not count. */
  readonly busyMs: number
  readonly rowsAdded: number
  readonly rowsRedrawn: number
  readonly rowsShown: number
  readonly nodesPerRow: number
}

/** Scrolls 300 px a frame, 18,000 px a second at 60 frames: faster than anybody reads. */
async function scrolled(page: Page, frames: number): Promise<Scrolled> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busy = async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000
  }
  const before = await busy()
  const times = (await page.evaluate(`(async () => {
    const times = []
    let last
    for (let frame = 0; frame < ${frames}; frame++) {
      scrollBy(0, 300)
      const now = await new Promise(requestAnimationFrame)
      if (last !== undefined) times.push(now - last)
      last = now
    }
    return times
  })()`)) as number[]
  const busyMs = ((await busy()) - before) / frames
  // The same again, counted: what looks at the document costs time, too.
  const counts = (await page.evaluate(`(async () => {
    const body = document.querySelector('tbody')
    let [rowsAdded, rowsRedrawn] = [0, 0]
    const isRow = node => node instanceof HTMLTableRowElement && node.dataset.index !== undefined
    const look = records => {
      for (const { type, target, addedNodes } of records) {
        if (type === 'childList' && target === body) rowsAdded += [...addedNodes].filter(isRow).length
        else {
          const element = target instanceof Element ? target : target.parentElement
          // Of what is fresh the time goes on each second.
          if (element?.closest('tr[data-index]') && !element.closest('time')) rowsRedrawn++
        }
      }
    }
    const observer = new MutationObserver(look)
    observer.observe(body, { childList: true, subtree: true, attributes: true, characterData: true })
    for (let frame = 0; frame < ${frames}; frame++) {
      scrollBy(0, 300)
      await new Promise(requestAnimationFrame)
    }
    await new Promise(requestAnimationFrame)
    look(observer.takeRecords())
    observer.disconnect()
    const rows = [...body.querySelectorAll('tr[data-index]')]
    const nodesPerRow = Math.max(...rows.map(row => row.querySelectorAll('*').length))
    return { rowsAdded, rowsRedrawn, rowsShown: rows.length, nodesPerRow }
  })()`)) as Omit<Scrolled, 'frames' | 'busyMs'>
  return { ...counts, frames: times, busyMs }
}
