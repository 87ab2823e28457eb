import type { IncomingHttpHeaders } from 'node:http'
import { envelopeLimits } from '../ingest/envelope.ts'
import { isCredentialHeader } from '../model/credential-headers.ts'
import type { InboundRequest } from './inbound-request.ts'
import type { KnownSource } from './known-sources.ts'
import type { Place } from './preset.ts'

// What an event is that a provider has sent: its type, its id, and the headers that go on with it.

/** The event type; null: there is none where it should stand. Characters that no event type has become `_`. */
export function eventTypeOf(
  source: Pick<KnownSource, 'typePlaces' | 'typeTemplate'>,
  request: InboundRequest,
): string | null {
  const read = firstOf(source.typePlaces, request)
  const text = source.typeTemplate === undefined ? read : filled(source.typeTemplate, request, read)
  const type = text
    ?.trim()
    .slice(0, envelopeLimits.eventTypeChars * 2)
    .replace(/[^\x21-\x7e]/g, '_')
    .slice(0, envelopeLimits.eventTypeChars)
  return type || null
}

/** A part that a request does not have is left out, with the dot before it. */
function filled(
  template: NonNullable<KnownSource['typeTemplate']>,
  request: InboundRequest,
  read: string | undefined,
): string | undefined {
  let isRead = false
  const parts = template.map(part => {
    if (part !== 'type' && 'text' in part) return part.text
    const text = part === 'type' ? read : request.textAt(part)
    isRead ||= text !== undefined
    return text ?? ''
  })
  const isFixed = template.every(part => part !== 'type' && 'text' in part)
  if (!isRead && !isFixed) return undefined
  const whole = parts.join('')
  return parts.includes('') ? whole.replace(/\.{2,}/g, '.').replace(/^\.+|\.+$/g, '') : whole
}

/** The provider's own id of the event; undefined: it has none. */
export function repeatIdOf(source: Pick<KnownSource, 'dedupe'>, request: InboundRequest): string | undefined {
  return firstOf(source.dedupe, request)
}

function firstOf(places: readonly Place[], request: InboundRequest): string | undefined {
  for (const place of places) {
    const text = request.textAt(place)
    if (text !== undefined) return text
  }
  return undefined
}

/** Of all headers that are kept with an event. Node takes at most 16 KiB of headers. */
const forwardedMax = { count: 64, chars: 16_384 } as const

/** Headers of the request that go on with the event, by the names that they are delivered as; undefined: none. */
export function forwardedHeaders(
  { forwardHeaders: wanted, forwardPrefix: prefix }: KnownSource,
  headers: IncomingHttpHeaders,
): Readonly<Record<string, string>> | undefined {
  if (wanted.length === 0) return undefined
  const kept: [string, string][] = []
  let chars = 0
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isCredentialHeader(name) || !isWanted(name, wanted)) continue
    const text = value.toString()
    chars += name.length + text.length
    if (kept.length >= forwardedMax.count || chars > forwardedMax.chars) break
    kept.push([prefix + name, text])
  }
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

function isWanted(name: string, wanted: readonly string[]): boolean {
  return wanted.some(one => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one))
}
