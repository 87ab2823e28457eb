import { readFileSync } from 'node:fs'

/** The version of this program, as in package.json, which lies one folder up from `src` and from `dist` alike. */
export const version: string = readVersion()

/** What this program calls itself where machines read it. */
export const product = 'webhook-delivery-service'

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return String(Object(parsed).version)
}
