import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'

/** Undefined: there is none here, or CHROMIUM=none says to do without. */
export const browserPath = process.env.CHROMIUM === 'none' ? undefined : findBrowser()
export const howToGetBrowser = 'no Chromium here: "apt-get install chromium", or set CHROMIUM to its path'

/** The Chromium named by CHROMIUM ("none" for doing without), else one on the PATH. */
function findBrowser(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin']
  const usual = folders.flatMap(folder =>
    ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)),
  )
  return [process.env.CHROMIUM, ...usual].find(path => path !== undefined && isExecutable(path))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return path !== ''
  } catch {
    return false
  }
}

/**
 * A fresh context of a browser, with cookies and storage of its own, closed with `opened`. The files of a process share the
 * browser: to start one takes two seconds of the processor.
 *
 * @throws where there is none, and CI wants one
 */
export async function openBrowser(opened: AsyncDisposableStack): Promise<BrowserContext | undefined> {
  if (browserPath === undefined) {
    // Where every change is checked, a browser that went missing must not go unnoticed.
    if (process.env.CI === 'true' && process.env.CHROMIUM !== 'none') throw new Error(howToGetBrowser)
    return undefined
  }
  const browser = await sharedBrowser(browserPath)
  opened.defer(() => browser.leave())
  const context = await browser.browser.newContext()
  opened.defer(() => context.close())
  context.setDefaultTimeout(60_000)
  return context
}

interface Shared {
  readonly browser: Browser
  leave(): void
}

let started: Promise<Browser> | undefined
let users = 0
let closing: NodeJS.Timeout | undefined

/** The next file of a process comes at once; when none comes, this process could not end with the browser open. */
const idleMs = 2000

async function sharedBrowser(executablePath: string): Promise<Shared> {
  users++
  clearTimeout(closing)
  started ??= startBrowser(executablePath)
  const browser = await started
  return {
    browser,
    leave() {
      users--
      if (users > 0) return
      closing = setTimeout(() => {
        started = undefined
        void browser.close()
      }, idleMs)
    },
  }
}

function startBrowser(executablePath: string): Promise<Browser> {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
  return chromium.launch({
    executablePath,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet],
  })
}
