import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIPv4, isIPv6 } from 'node:net'
import { AppError } from '../errors.ts'

export interface HostCheckDeps {
  /** The setting HOST: what it names may be asked for by that name. */
  readonly boundTo: string
  /** The setting ALLOWED_HOSTS: names, and `*.name` for all names below one. Lower case. */
  readonly allowed: readonly string[]
}

/**
 * Keeps web pages out of a service without API keys. A browser on this machine, or in its network, reaches the service,
 * and runs whatever page its user has open. Such a page can send requests under its own origin, or under a name of its own
 * that it lets lead to this machine (DNS rebinding). Programs notice nothing of the check, unless they use another name.
 */
export class HostCheck {
  readonly #boundTo: string
  readonly #allowed: readonly string[]
  /** The last value of `Host` that was accepted by its name: nearly all requests have the same one. */
  #lastGood: string | undefined

  constructor({ boundTo, allowed }: HostCheckDeps) {
    this.#boundTo = boundTo.toLowerCase()
    this.#allowed = allowed
  }

  /** @returns what the caller is told; undefined: it may go on */
  refusal(request: IncomingMessage): AppError | undefined {
    const { headers } = request
    const { host, origin } = headers
    const site = headers['sec-fetch-site']
    if (host !== undefined && host === this.#lastGood && origin === undefined && site === undefined)
      return undefined
    if (isHealthCheck(request) || isForTestReceiver(request)) return undefined
    const name = nameOf(host)
    if (!this.#isOurs(name, request)) return hostRefusal(name)
    this.#lastGood = this.#isOurName(name) ? host : this.#lastGood
    if (origin !== undefined && !this.#isOwnPage(origin, host)) return originRefusal(origin)
    if (site === undefined || site === 'same-origin' || site === 'none' || isLinkToPage(request))
      return undefined
    return originRefusal(origin)
  }

  #isOurs(name: string, { socket }: IncomingMessage): boolean {
    // No page can get a name of its own to look like an address.
    return this.#isOurName(name) || addressOf(name) === socket.localAddress?.replace(/^::ffff:/i, '')
  }

  #isOurName(name: string): boolean {
    return isLoopback(name) || addressOf(name) === this.#boundTo || this.#isListed(name)
  }

  #isListed(name: string): boolean {
    return this.#allowed.some(allowed =>
      allowed.startsWith('*.') ? name.endsWith(allowed.slice(1)) : name === allowed,
    )
  }

  /** The origin is the very address that was asked for, or a name that the operator lists, as a proxy can change `Host`. */
  #isOwnPage(origin: string, host: string | undefined): boolean {
    if (!URL.canParse(origin)) return false // also `null`, of pages in a sandbox
    const url = new URL(origin)
    return url.host === host?.toLowerCase().replace(/:(80|443)$/, '') || this.#isListed(url.hostname)
  }
}

/** The name in a `Host` header, without the port and the dot of the root, in lower case. */
function nameOf(host: string | undefined): string {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host ?? '')?.[1] ?? ''
  return name.toLowerCase().replace(/\.$/, '')
}

function addressOf(name: string): string {
  return name.replace(/^\[(.*)\]$/, '$1')
}

function isLoopback(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost') || name === '[::1]') return true
  return isIPv4(name) && name.startsWith('127.')
}

const healthChecks = new Set(['/livez', '/readyz', '/healthz'])

/** Health checks tell nothing but their result, and come by whatever name a load balancer uses. */
function isHealthCheck({ method, url = '' }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && healthChecks.has(pathOf(url))
}

/** Who knows the address of a test receiver may send to it, by whatever name; it shows nothing and changes nothing else. */
function isForTestReceiver({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/t/')
}

/**
 * A link on another page that a person follows to a page of documentation. It shows nothing of the installation, and a
 * page cannot read what opens in the whole window.
 */
function isLinkToPage({ method, url = '', headers }: IncomingMessage): boolean {
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return isLink && method === 'GET' && /^\/(docs|redoc|errors|ui)(\/|$)|^$/.test(pathOf(url))
}

function pathOf(url: string): string {
  return (url.split('?', 1)[0] ?? '').replace(/\/$/, '')
}

function hostRefusal(name: string): AppError {
  const shown = /^[a-z0-9.-]{1,253}$/.test(name) || isIPv6(addressOf(name)) ? addressOf(name) : ''
  const what = shown === '' ? 'a name that is none' : shown
  return new AppError(
    'host_not_allowed',
    `Without API keys this service answers only to localhost, 127.0.0.1 and [::1], so that no web page can reach it under a name of its own; this request was for ${what}. To allow a name, set ALLOWED_HOSTS=${shown || 'name'}.`,
  )
}

function originRefusal(origin: IncomingHttpHeaders['origin']): AppError {
  const from = origin !== undefined && /^https?:\/\/[\w.:[\]-]{1,260}$/.test(origin) ? origin : 'another page'
  return new AppError(
    'origin_not_allowed',
    `Without API keys this service takes no requests of other web pages; a browser sent this one for ${from}. Send it from a program. Where a proxy shows the pages of this service under another name, list that name in ALLOWED_HOSTS.`,
  )
}
