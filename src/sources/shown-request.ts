import type { IncomingHttpHeaders } from 'node:http'
import { isCredentialHeader } from '../model/credential-headers.ts'
import { type HeaderFields, redacted } from '../model/exchange-details.ts'
import type { KnownSource } from './known-sources.ts'
import type { Place, Verification } from './preset.ts'
import { sourceLimits } from './schema.ts'

// What is kept of the head of a request that was refused.

/** Where a preset has its secret itself. */
function tokenPlaces(verification: Verification): readonly Place[] {
  switch (verification.kind) {
    case 'any':
      return verification.of.flatMap(tokenPlaces)
    case 'token':
      return [verification.token.at]
    default:
      return []
  }
}

/** Of the headers and the query of a refused request, this many characters are kept in all. */
const shownCharsMax = 16_384

/** Without credentials: a wrong one may be right somewhere else. */
export function shownHeaders(
  source: Pick<KnownSource, 'verification'>,
  headers: Readonly<Record<string, readonly string[] | undefined>>,
): HeaderFields {
  const secret = tokenPlaces(source.verification).flatMap(place => ('header' in place ? [place.header] : []))
  const fields: [string, string | readonly string[]][] = []
  let chars = 0
  for (const [name, values = []] of Object.entries(headers)) {
    const isSecret = isCredentialHeader(name) || secret.includes(name)
    const shown = (isSecret ? [redacted] : values).map(value => value.replaceAll('\u0000', ''))
    chars += name.length + shown.join('').length
    if (chars > shownCharsMax) {
      fields.push(['…', 'more headers came than are kept'])
      break
    }
    const [first = '', ...others] = shown
    fields.push([name, others.length === 0 ? first : shown])
  }
  return Object.fromEntries(fields)
}

/**
 * The beginning of a body, as a copy. Where the preset has its secret in the body, each value under that name is left out:
 * a wrong one may be right somewhere else.
 */
export function shownBody(
  { verification }: Pick<KnownSource, 'verification'>,
  body: Buffer,
  headers: IncomingHttpHeaders,
): Buffer {
  const kept = Buffer.from(body.subarray(0, sourceLimits.bodyBytes))
  const names = tokenPlaces(verification).flatMap(place => ('field' in place ? [place.field] : []))
  if (names.length === 0) return kept
  if (headers['content-encoding'] !== undefined) return Buffer.alloc(0)
  let text = kept.toString('latin1') // each byte stays what it is
  for (const name of names) {
    const last = name.slice(name.lastIndexOf('.') + 1)
    text = text.replace(
      new RegExp(`("${last}"\\s{0,99}:\\s{0,99}")(?:[^"\\\\]|\\\\.)*`, 'g'),
      `$1${redacted}`,
    )
  }
  return Buffer.from(text, 'latin1').subarray(0, sourceLimits.bodyBytes)
}

/** How many bytes a body has; of one that was not read, as many as its sender announced. */
export function bodyBytesOf(body: Buffer, headers: IncomingHttpHeaders): number {
  const announced = headers['content-length'] ?? ''
  return body.length || (/^\d{1,9}$/.test(announced) ? Number(announced) : 0)
}

/** Null: it has none. A token in it is redacted. */
export function shownQuery(source: Pick<KnownSource, 'verification'>, search: string): string | null {
  if (search.length <= 1) return null
  const names = tokenPlaces(source.verification).flatMap(place => ('query' in place ? [place.query] : []))
  const shown = search
    .slice(1, 4096)
    .split('&')
    .map(pair => {
      const name = pair.split('=', 1)[0] ?? ''
      return names.includes(name) ? `${name}=${redacted}` : pair
    })
    .join('&')
  return shown.replaceAll('\u0000', '').toWellFormed()
}
