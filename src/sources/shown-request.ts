import { isCredentialHeader } from '../model/credential-headers.ts'
import { type HeaderFields, redacted } from '../model/exchange-details.ts'
import type { KnownSource } from './known-sources.ts'
import type { Place, Verification } from './preset.ts'

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
