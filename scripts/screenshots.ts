import { mkdir, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { howToGetBrowser, openBrowser } from '../test/support/browser.ts'
import { builtDashboard } from '../test/support/dashboard.ts'
import { drawn, settled } from '../test/support/page.ts'
import { madeUpDay } from './made-up-day.ts'

// `npm run screenshots`: the pictures of docs/images. `npm run looks` has all pages in all states, for looking at.

const folder = fileURLToPath(new URL('../docs/images/', import.meta.url))
/** Pictures stay in the history of the repository for good. */
const bytesMax = 160 * 1024

await using opened = new AsyncDisposableStack()
const browser = await openBrowser(opened)
if (browser === undefined) throw new Error(howToGetBrowser)
await builtDashboard()
await mkdir(folder, { recursive: true })
const { url, ids } = await madeUpDay(opened)

const page = await browser.newPage()
await page.setViewportSize({ width: 1280, height: 800 })
await page.addInitScript(`localStorage.setItem('webhooks.preferences', '{"clock":"utc"}')`)
// Pictures do not name the machine that took them.
await page.route(`${url}/system`, async route => {
  const answer = await route.fetch()
  const report = (await answer.json()) as { processes: { host: string }[] } // as openapi.json has it
  for (const process of report.processes) process.host = 'node-1'
  await route.fulfill({ response: answer, json: report })
})
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
