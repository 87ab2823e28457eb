import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { atLength } from './length.ts'

/** What a person would not see of a page: complaints of the console, and requests to elsewhere. */
export function complaintsOf(page: Page, origin: string): string[] {
  const complaints: string[] = []
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  page.on('request', request => {
    const { protocol } = new URL(request.url())
    if (!request.url().startsWith(`${origin}/`) && !['data:', 'blob:'].includes(protocol))
      complaints.push(`asked for ${request.url()}`)
  })
  return complaints
}

const axeRules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
let axeSource: Promise<string> | undefined

/**
 * Serious faults that keep somebody from using the page, as axe finds them.
 *
 * @param rules those of WCAG 2.2 AA, or one by its name: the second theme differs from the first in colours only
 */
export async function faultsOf(
  page: Page,
  rules: 'all' | 'color-contrast' = 'all',
): Promise<readonly string[]> {
  axeSource ??= readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const isThere = await page.evaluate("typeof axe === 'object'")
  if (isThere !== true) await page.evaluate(await axeSource)
  return page.evaluate(
    async runOnly => {
      const { axe } = globalThis as unknown as { axe: Axe } // the script that was just run
      const { violations } = await axe.run((globalThis as unknown as { document: unknown }).document, {
        runOnly,
      })
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
          ({ id, nodes }) =>
            `${id}: ${nodes
              .map(({ html }) => html.slice(0, 160))
              .slice(0, 3)
              .join(' | ')}`,
        )
    },
    rules === 'all' ? axeRules : [rules],
  )
}

interface Axe {
  run(
    root: unknown,
    options: object,
  ): Promise<{
    readonly violations: readonly {
      readonly id: string
      readonly impact: string
      readonly nodes: readonly { readonly html: string }[]
    }[]
  }>
}

/** All pages that need no id. */
export const dashboardRoutes = [
  '/',
  '/subscriptions',
  '/subscriptions/new',
  '/events',
  '/dead-letters',
  '/replays',
  '/live',
  '/test-receivers',
  '/send',
  '/sources',
  '/event-types',
  '/customer-page',
  '/system',
  '/tenants',
  '/keys',
  '/audit',
] as const

/**
 * Those of them that a test visits where it would take a second of the processor for each: all with `npm run test:pages`, and
 * in the suite the ones that have each kind of part, that is figures, a list, a form, and a list in another form.
 */
export const sampledRoutes = atLength<readonly (typeof dashboardRoutes)[number][]>(dashboardRoutes, [
  '/',
  '/subscriptions',
  '/subscriptions/new',
  '/system',
])

/** Waits until a page is there as a whole: its heading, and nothing that is still loaded. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').waitFor()
  await page
    .locator('[aria-busy=true], [role=status] .skeleton, .skeleton')
    .first()
    .waitFor({ state: 'detached' })
}

/** Waits for charts: they are drawn after the page, by a library that is loaded then. */
export async function drawn(page: Page): Promise<void> {
  await page.waitForLoadState('networkidle', { timeout: 1500 }).catch(() => {}) // it listens to what happens, so it never is
  await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
}
