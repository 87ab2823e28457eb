export const headerNameCharsMax = 128

/** A token of RFC 9110. */
export const fieldNamePattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
const fieldName = new RegExp(fieldNamePattern)

/** Headers that the service sets, and headers for one connection only; in lower case. */
const reservedNames = new Set([
  'host',
  'user-agent',
  'content-type',
  'content-length',
  'content-encoding',
  'accept-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'trailers',
  'upgrade',
  'expect',
  'x-event-type',
])

/** Whether a header of a request that brought an event may be delivered with it, by this name. */
export function mayBeForwarded(name: string): boolean {
  return fieldNameFault(name) === undefined && !name.toLowerCase().startsWith('webhook-')
}

/**
 * Why a subscription may not choose this text as the name of a header: it is no token (RFC 9110), or belongs to HTTP or
 * to the service. @returns undefined when it may
 */
export function fieldNameFault(name: string): string | undefined {
  if (!fieldName.test(name) || name.length > headerNameCharsMax) {
    return `Give a header name of 1 to ${headerNameCharsMax} letters, digits and ! # $ % & ' * + - . ^ _ \` | ~`
  }
  const lower = name.toLowerCase()
  if (!reservedNames.has(lower) && !lower.startsWith('proxy-')) return undefined
  return `The header ${name} is set by the service or by HTTP itself. Leave it out.`
}
