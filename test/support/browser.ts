import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

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

/** A fresh browser with a profile of its own, closed with `opened`. @throws where there is none, and CI wants one */
export async function openBrowser(opened: AsyncDisposableStack): Promise<BrowserContext | undefined> {
  if (browserPath === undefined) {
    // Where every change is checked, a browser that went missing must not go unnoticed.
    if (process.env.CI === 'true' && process.env.CHROMIUM !== 'none') throw new Error(howToGetBrowser)
    return undefined
  }
  const profile = await mkdtemp(join(tmpdir(), 'webhooks-browser-'))
  opened.defer(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }))
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: browserPath,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet],
  })
  opened.defer(() => browser.close())
  browser.setDefaultTimeout(60_000)
  return browser
}
