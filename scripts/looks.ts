import { mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { BrowserContext, Page } from 'playwright-core'
import { howToGetBrowser, openBrowser } from '../test/support/browser.ts'
import { builtDashboard } from '../test/support/dashboard.ts'
import { startTestServer, urlOf } from '../test/support/database.ts'
import { settled } from '../test/support/page.ts'
import { processWorld } from '../test/support/service.ts'
import { type Crowd, crowded } from './made-up-crowd.ts'
import { type Day, madeUpDay } from './made-up-day.ts'

// All pages in all states as pictures, to be looked at before a change of the dashboard is done:
//   npm run looks -- FOLDER                      all of them
//   npm run looks -- FOLDER --only '^events'     those whose name matches: page.state, such as events.full-dark
//   npm run looks -- --serve                     only the two services, a full one and an empty one, until it is stopped;
//                                                with --full and --empty pictures are taken of these, again and again

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    serve: { type: 'boolean', default: false },
    full: { type: 'string' },
    empty: { type: 'string' },
  },
})

interface State {
  readonly name: string
  readonly of: 'full' | 'empty'
  readonly width: number
  readonly height: number
  readonly theme?: 'dark'
  /** What the service answers instead. */
  readonly instead?: 500 | 503 | 403 | 'cut' | 'never'
}

const desk = { width: 1280, height: 900 }
const states: readonly State[] = [
  { name: 'full', of: 'full', ...desk },
  { name: 'full-dark', of: 'full', ...desk, theme: 'dark' },
  { name: 'full-phone', of: 'full', width: 360, height: 780 },
  { name: 'full-phone-dark', of: 'full', width: 360, height: 780, theme: 'dark' },
  { name: 'full-tablet', of: 'full', width: 1024, height: 768 },
  { name: 'full-4k', of: 'full', width: 3840, height: 2160 },
  { name: 'empty', of: 'empty', ...desk },
  { name: 'empty-phone', of: 'empty', width: 360, height: 780 },
  { name: 'empty-dark', of: 'empty', ...desk, theme: 'dark' },
  { name: 'error-500', of: 'full', ...desk, instead: 500 },
  { name: 'error-503-phone', of: 'full', width: 360, height: 780, instead: 503 },
  { name: 'error-403-dark', of: 'full', ...desk, theme: 'dark', instead: 403 },
  { name: 'error-cut', of: 'full', ...desk, instead: 'cut' },
  { name: 'loading', of: 'full', ...desk, instead: 'never' },
  { name: 'loading-phone', of: 'full', width: 360, height: 780, instead: 'never' },
]

await using opened = new AsyncDisposableStack()
if (process.env.TEST_DATABASE_URL === undefined) {
  const server = await startTestServer()
  opened.defer(() => server.stop())
  Object.assign(process.env, { TEST_DATABASE_URL: urlOf(server.connection), TEST_RUN: `${process.pid}` })
}
// What was started ends with this, in the middle too.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void opened.disposeAsync().finally(() => process.exit(options.serve ? 0 : 1)))

async function addresses() {
  if (options.full !== undefined && options.empty !== undefined) {
    const ids = JSON.parse(process.env.LOOKS_IDS ?? '{}') as Partial<Day['ids'] & Crowd>
    return { full: options.full, empty: options.empty, ids }
  }
  const { url: full, ids } = await madeUpDay(opened)
  const crowd = await crowded(full, opened)
  const empty = (await opened.use(await processWorld({ AUTH: 'none' })).start()).url
  console.log(`LOOKS_IDS='${JSON.stringify({ ...ids, ...crowd })}' … --full ${full} --empty ${empty}`)
  return { full, empty, ids: { ...ids, ...crowd } as Partial<Day['ids'] & Crowd> }
}

function pages(): readonly (readonly [name: string, path: string])[] {
  const { event, attempt, search, ledger, longEvent, longSubscription, hugeEvent } = at.ids
  return [
    ...usual.map(name => [name, `/${name === 'overview' ? '' : name}`] as const),
    ['subscription-new', '/subscriptions/new'],
    ...['overview', 'deliveries', 'settings', 'secrets', 'danger'].map(
      tab => [`subscription-${tab}`, `/subscriptions/${search}?tab=${tab}`] as const,
    ),
    ['subscription-owed', `/subscriptions/${ledger}`],
    ['subscription-long', `/subscriptions/${longSubscription}`],
    ['event', `/events/${event}`],
    ['event-long', `/events/${longEvent}`],
    ['event-huge', `/events/${hugeEvent}`],
    ['attempt', `/attempts/${attempt}`],
    ['no-match', '/events?event_type=nothing.such&status=failed'],
    ['no-such-page', '/nowhere'],
  ]
}

const usual = [
  ...['overview', 'subscriptions', 'events', 'dead-letters', 'replays', 'live', 'test-receivers', 'send'],
  ...['sources', 'event-types', 'customer-page', 'system', 'tenants', 'keys', 'audit'],
]

async function takeAll(browser: BrowserContext, folder: string | undefined): Promise<void> {
  if (folder === undefined) throw new Error('which folder? npm run looks -- FOLDER')
  await mkdir(folder, { recursive: true })
  const only = new RegExp(options.only)
  for (const state of states) {
    const wanted = pages().filter(([name]) => only.test(`${name}.${state.name}`))
    if (wanted.length === 0) continue
    const page = await browser.newPage()
    await prepare(page, state)
    for (const [name, path] of wanted) {
      if (state.of === 'empty' && path.includes('undefined')) continue
      await page.goto(`${at[state.of]}/ui${path}`)
      if (state.instead !== 'never') await settled(page).catch(() => {})
      // Charts are drawn once their library is there.
      await page.waitForTimeout(500)
      await page.screenshot({ path: `${folder}/${name}.${state.name}.png`, timeout: 20_000 })
    }
    await page.close()
  }
}

async function prepare(page: Page, { width, height, theme, instead }: State): Promise<void> {
  page.setDefaultTimeout(8000)
  await page.setViewportSize({ width, height })
  await page.emulateMedia({ colorScheme: theme ?? 'light', reducedMotion: 'reduce' })
  if (instead === undefined) return
  // What the page itself needs is there.
  const isOwn = /\/(?:ui\/.*|ui|me)$/
  await page.route(
    url => !isOwn.test(url.pathname),
    async route => {
      if (instead === 'never') return
      if (instead === 'cut') return route.abort('connectionfailed')
      await route.fulfill({
        status: instead,
        contentType: 'application/problem+json',
        json: problems[instead],
      })
    },
  )
}

const instance = 'urn:uuid:0193e0a4-6d3c-4d0e-9d0a-3f4a5b6c7d8e'
const problems = {
  500: {
    title: 'Internal error',
    status: 500,
    code: 'internal',
    instance,
    detail: 'Something went wrong here.',
  },
  503: {
    ...{ title: 'Unavailable', status: 503, code: 'database_unavailable', instance },
    detail: 'The database cannot be reached at the moment. Try again in a few seconds.',
  },
  403: {
    ...{ title: 'Forbidden', status: 403, code: 'forbidden', instance },
    detail: 'This key may not read what all tenants have.',
  },
}

await builtDashboard()
const at = await addresses()
if (options.serve) await new Promise(() => {})
else {
  const browser = await openBrowser(opened)
  if (browser === undefined) throw new Error(howToGetBrowser)
  await takeAll(browser, positionals[0])
}
