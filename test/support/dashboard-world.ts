import { after, before } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import type { Environment } from '../../src/config/config.ts'
import { browserPath, howToGetBrowser, openBrowser } from './browser.ts'
import { builtDashboard } from './dashboard.ts'
import { complaintsOf } from './page.ts'
import { type TestService, testService } from './service.ts'

/** For the options of a test: why it cannot run, or false. */
export const withoutBrowser = browserPath === undefined && howToGetBrowser

/** What the tests of a file share. */
export interface PagesWorld {
  readonly service: TestService
  readonly browser: BrowserContext
}

export interface Pages {
  /** @throws where there is no browser */
  world(): PagesWorld
  /**
   * Goes to a path of the service, in the page that the tests of this file share: to make one takes three times as long as to
   * go somewhere with one. What the test before did to it is undone, but for what the browser keeps: cookies and storage.
   */
  open(path: string): Promise<{ readonly page: Page; readonly complaints: string[] }>
}

/**
 * A service and a browser for the tests of a file, from before its first test until after its last one.
 *
 * @param settings of the service
 */
export function pagesWorld(settings: () => Environment | Promise<Environment> = () => ({})): Pages {
  const opened = new AsyncDisposableStack()
  let known: PagesWorld | undefined
  let page: Page | undefined
  before(async () => {
    const browser = await openBrowser(opened)
    if (browser === undefined) return
    await builtDashboard()
    known = { service: opened.use(await testService(await settings())), browser }
  })
  after(() => opened.disposeAsync())
  function world(): PagesWorld {
    if (known === undefined) throw new Error('the browser was not started')
    return known
  }
  return {
    world,
    async open(path) {
      const { browser, service } = world()
      page = page === undefined || page.isClosed() ? await browser.newPage() : await asNew(page)
      const complaints = complaintsOf(page, service.url)
      await page.goto(service.url + path, { waitUntil: 'load' })
      return { page, complaints }
    },
  }
}

/** What tests listen to; those of Playwright itself stay. */
const listenedTo = ['console', 'pageerror', 'request', 'response', 'dialog', 'download'] as const

const usualSize = { width: 1280, height: 720 }

async function asNew(page: Page): Promise<Page> {
  for (const event of listenedTo) await page.removeAllListeners(event)
  await page.unrouteAll()
  await page.setViewportSize(usualSize)
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
  return page
}
