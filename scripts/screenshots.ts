import { mkdir, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { ensurePartitions } from '../src/log/partitions.ts'
import type { ErrorClass } from '../src/model/outcome.ts'
import { howToGetBrowser, openBrowser } from '../test/support/browser.ts'
import { builtDashboard } from '../test/support/dashboard.ts'
import { settled } from '../test/support/page.ts'
import { type Receiver, startReceiver } from '../test/support/receiver.ts'
import { client, processWorld } from '../test/support/service.ts'
import { logAttempts } from '../test/support/stats.ts'

// `npm run screenshots`: the pictures of docs/images, of a real service with a made-up day behind it. Nothing in them
// depends on the machine but the times.

const folder = fileURLToPath(new URL('../docs/images/', import.meta.url))
/** Pictures stay in the history of the repository for good. */
const bytesMax = 160 * 1024

const attemptsBefore = 6000

await using opened = new AsyncDisposableStack()
const browser = await openBrowser(opened)
if (browser === undefined) throw new Error(howToGetBrowser)
await builtDashboard()
await mkdir(folder, { recursive: true })

const receivers = {
  shop: opened.use(await startReceiver()),
  billing: opened.use(await startReceiver({ delayMs: 40 })),
  ledger: opened.use(
    await startReceiver({
      status: 503,
      headers: { 'retry-after': '3600' },
      body: '{"error":"maintenance until 14:00"}',
    }),
  ),
  search: opened.use(
    await startReceiver((_, index) =>
      index % 4 === 3 ? { status: 422, body: '{"error":"unknown field total"}' } : {},
    ),
  ),
}
const world = opened.use(await processWorld({ AUTH: 'none' }))
const url = await aDayBefore()
const sender = client(url)
const ids = await aFewEvents()
await counted()

const page = await browser.newPage()
await page.setViewportSize({ width: 1280, height: 800 })
await page.addInitScript(`localStorage.setItem('webhooks.preferences', '{"clock":"utc"}')`)
for (const theme of ['light', 'dark'] as const) {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
  await take('/', `overview-${theme}`)
}
await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
await take('/subscriptions', 'subscriptions')
await take(`/subscriptions/${ids.search}`, 'subscription')
await take(`/events/${ids.event}`, 'event')
await take(`/attempts/${ids.attempt}`, 'attempt')
await take('/dead-letters', 'dead-letters')
await take('/system', 'system')
await page.setViewportSize({ width: 390, height: 780 })
await take(`/events/${ids.event}`, 'event-phone')

/** Subscriptions, and what would have been logged for them over the last day. @returns where the service is */
async function aDayBefore(): Promise<string> {
  const first = await world.start()
  const subscribe = (name: string, to: Receiver, more: object = {}) =>
    client(first.url).subscribe({
      ...{ description: name, target_url: `${to.origin}/webhooks`, retry: { max_attempts: 1 } },
      ...more,
    })
  const made = [
    await subscribe('Shop: orders', receivers.shop, { event_types: ['order.*'] }),
    await subscribe('Billing', receivers.billing, { event_types: ['invoice.*', 'order.paid'] }),
    await subscribe('Search index', receivers.search),
    await subscribe('Ledger', receivers.ledger, { event_types: ['invoice.*'], retry: { max_attempts: 5 } }),
    await subscribe('Warehouse of Acme, pilot', receivers.shop, {
      event_types: ['order.shipped'],
      paused: true,
    }),
  ]
  await first.end('SIGTERM')
  const { database } = world.world
  const now = Date.now()
  const hourMs = 3_600_000
  // Attempts of the day before have no partitions, as nobody was there to make them.
  for (let hours = 24; hours > 0; hours--) await ensurePartitions(database, now - hours * hourMs, 72)
  const random = numbers(7)
  const attempts = Array.from({ length: attemptsBefore }, () => {
    const at = now - Math.floor((1 - random() ** 0.8) * 23.5 * hourMs) - 120_000
    const whose = made[Math.floor(random() ** 1.4 * 4)]?.id ?? 1
    const isOutage = now - at > 5 * hourMs && now - at < 6.5 * hourMs
    const errorClass = failureOf(random(), isOutage && whose !== made[0]?.id)
    const durationMs =
      errorClass === 'timeout'
        ? 15_000
        : Math.floor(12 + 80 * random() ** 6 + (isOutage ? 700 : 20) * random())
    return {
      at,
      subscriptionId: whose,
      durationMs,
      ...(errorClass && { errorClass, givenUp: random() < 0.2 }),
    }
  })
  await logAttempts(
    database,
    attempts.sort((a, b) => a.at - b.at),
  )
  await database.query({
    text: `update delivery_logs set http_status = 503, error = null where error_class = 'http'`,
  })
  // What the first start has rolled up was nothing yet.
  await database.query({ text: 'truncate stats_periods' })
  return (await world.start()).url
}

function failureOf(dice: number, isOutage: boolean): ErrorClass | undefined {
  if (isOutage) return dice < 0.5 ? 'timeout' : dice < 0.7 ? 'http' : undefined
  return dice < 0.012 ? 'http' : dice < 0.016 ? 'connect' : undefined
}

async function aFewEvents() {
  const types = [
    'order.created',
    'order.paid',
    'order.shipped',
    'invoice.made',
    'invoice.paid',
    'customer.updated',
  ]
  const found = { event: '', attempt: '' }
  for (let index = 0; index < 60; index++) {
    const type = types[index % types.length] ?? ''
    const payload = {
      ...{ id: `ord_${4200 + index}`, total: 1990 + index * 7, currency: 'EUR' },
      customer: { name: 'Zoë Quill', email: 'zoe@example.com', tags: ['new', 'newsletter'] },
    }
    const answer = await sender.post(`/events?event_type=${type}`, JSON.stringify(payload), {
      'content-type': 'application/json',
    })
    const { webhook_id: id } = (await answer.json()) as { webhook_id: string } // as openapi.json has it
    if (type === 'invoice.paid') found.event = id
  }
  const search = 3
  for (let tries = 0; tries < 100 && found.attempt === ''; tries++) {
    await new Promise(resolve => setTimeout(resolve, 200))
    const logs = (await (await fetch(`${url}/logs/${search}?status=failed`)).json()) as {
      id: string
      http_status: number | null
    }[]
    found.attempt = logs.find(row => row.http_status === 422)?.id ?? ''
  }
  return { ...found, search }
}

/** Waits until the day before is rolled up. */
async function counted(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { totals } = (await (await fetch(`${url}/stats?window=24h`)).json()) as {
      totals: { success: number; failed: number }
    }
    if (totals.success + totals.failed >= attemptsBefore) return
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

async function take(path: string, name: string): Promise<void> {
  await page.goto(`${url}/ui${path}`)
  await settled(page)
  await drawn(page)
  const file = `${folder}${name}.png`
  await page.screenshot({ path: file })
  const { size } = await stat(file)
  if (size > bytesMax) throw new Error(`${name}.png has ${size} bytes, more than ${bytesMax}: show less`)
  console.log(`docs/images/${name}.png ${(size / 1024).toFixed(0)} KiB`)
}

/** Charts are drawn after the page, by a library that is loaded then. */
async function drawn(shown: Page): Promise<void> {
  await shown.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => {}) // it listens to what happens, so it never is
  await shown.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
}

/** The same numbers at each run, from 0 to 1 (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
