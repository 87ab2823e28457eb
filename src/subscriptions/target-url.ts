import { limits } from './schema.ts'
import { targetUrlPattern } from './target-url-pattern.ts'

export type ParsedTargetUrl =
  | { readonly kind: 'valid'; readonly url: URL }
  | { readonly kind: 'invalid'; readonly detail: string }

/**
 * Parses a target address once, and more strictly than the WHATWG parser. That one drops tabs and line breaks, turns
 * `\` into `/`, and accepts `http:host` and `https:///host`: all of it can make an address look like another one. The
 * `href` is what is stored and used from then on.
 */
export function parseTargetUrl(text: string): ParsedTargetUrl {
  const detail = fault(text)
  if (detail !== undefined) return { kind: 'invalid', detail }
  const url = URL.parse(text)
  if (url === null)
    return {
      kind: 'invalid',
      detail: 'This is not a valid address. Give one such as https://example.com/hooks.',
    }
  if (url.href.length > limits.targetUrlChars) return { kind: 'invalid', detail: tooLong }
  if (url.port === '0')
    return { kind: 'invalid', detail: 'Port 0 cannot be connected to. Give another port.' }
  return { kind: 'valid', url }
}

/** @returns what is wrong with where an address leads, in words for its owner */
export type TargetCheck = (url: URL) => Promise<string | undefined>

/** Checks where an address leads. @returns undefined also for one that is not given or not well-formed */
export async function targetFault(check: TargetCheck, text: string | undefined): Promise<string | undefined> {
  const target = text === undefined ? undefined : parseTargetUrl(text)
  return target?.kind === 'valid' ? check(target.url) : undefined
}

const tooLong = `Give an address of at most ${limits.targetUrlChars} characters, as it is sent (percent-encoded).`

const targetUrl = new RegExp(targetUrlPattern, 'u')

function fault(text: string): string | undefined {
  if (text.length > limits.targetUrlChars) return tooLong
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\s\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202f\ufeff\\]/.test(text)) {
    return 'An address holds no spaces, control characters or backslashes. Percent-encode them.'
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return 'Give a whole address with its scheme, such as https://example.com/hooks.'
  if (scheme !== 'http' && scheme !== 'https') {
    return 'Only http and https addresses can be delivered to. Begin it with http:// or https://.'
  }
  const authority = /^[a-z]+:\/\/([^/?#]+)/i.exec(text)?.[1]
  if (authority === undefined) return 'The address names no host. Give one such as https://example.com/hooks.'
  if (authority.includes('@')) {
    return 'Leave user name and password out of the address; deliveries are signed instead.'
  }
  if (text.includes('#')) return 'Leave out the fragment (from # on); it is never sent to a receiver.'
  if (!targetUrl.test(text)) return `The host "${authority}" holds characters that no host name or port has.`
  return undefined
}
