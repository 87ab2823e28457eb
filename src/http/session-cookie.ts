import type { IncomingMessage } from 'node:http'
import { AppError } from '../errors.ts'

/** The cookie of a browser's session. No script can read it, and no other site's page can have it sent. */
const name = 'webhooks_session'
/** `whs_` and 43 characters; what is of another form was not made here. */
const form = new RegExp(`(?:^|;\\s*)${name}=(whs_[A-Za-z0-9_-]{43})(?:;|$)`)

/** What the session's cookie of a request holds; undefined: it has none. */
export function sessionOf({ headers }: IncomingMessage): string | undefined {
  return headers.cookie === undefined ? undefined : form.exec(headers.cookie)?.[1]
}

/**
 * The value of `Set-Cookie`. Over https the browser never sends it in the clear.
 *
 * @param seconds how long it lives; 0 removes it
 */
export function setCookie(text: string, seconds: number, { headers }: IncomingMessage, path: string): string {
  const secure = headers['x-forwarded-proto'] === 'https' ? '; Secure' : ''
  return `${name}=${text}; Path=${path || '/'}; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`
}

/**
 * Refuses what another page makes the browser send with this cookie. The browser says where a request comes from
 * (`Sec-Fetch-Site`); what changes something has to have a header, too, that a page of another origin cannot add unasked.
 *
 * @throws AppError origin_not_allowed
 */
export function checkOwnPage({ headers, method }: IncomingMessage): void {
  const site = headers['sec-fetch-site']
  const reads = method === 'GET' || method === 'HEAD'
  const isOwn =
    site === undefined
      ? isOwnOrigin(headers.origin, headers.host)
      : site === 'same-origin' || (reads && site === 'none')
  if (isOwn && (reads || headers['x-requested-by'] !== undefined)) return
  throw new AppError(
    'origin_not_allowed',
    'A session is for the dashboard of this service only. A program sends an API key: Authorization: Bearer whk_…',
  )
}

/** For browsers that do not say it in `Sec-Fetch-Site`. */
function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}
