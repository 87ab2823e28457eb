import { readFileSync } from 'node:fs'

/** The version of this program, as in package.json, which lies one folder up from `src` and from `dist` alike. */
export const version: string = readVersion()

/** What this program calls itself where machines read it. */
export const product = 'webhook-delivery-service'

/** How deliveries name themselves. @param contactUrl where whoever receives them finds out more; '' for nowhere */
export function userAgent(contactUrl: string): string {
  const name = `${product}/${version}`
  return contactUrl === '' ? name : `${name} (+${contactUrl})`
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return String(Object(parsed).version)
}
