import { readFileSync } from 'node:fs'

/** The version in package.json, which is one folder above `src` and above `dist`. */
export const version: string = readVersion()

/** The name of this program for other programs. */
export const product = 'webhook-delivery-service'

/** The `User-Agent` of deliveries. @param contactUrl where owners of receivers find out more; '' for none */
export function userAgent(contactUrl: string): string {
  const name = `${product}/${version}`
  return contactUrl === '' ? name : `${name} (+${contactUrl})`
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return String(Object(parsed).version)
}
