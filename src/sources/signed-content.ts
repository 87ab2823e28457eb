import { crc32 } from 'node:zlib'
import type { InboundRequest } from './inbound-request.ts'
import type { Piece, TimestampRule, Verification } from './preset.ts'
import { failed, type Verified, type VerifyOptions } from './verified.ts'

// The bytes that were signed, and when.

type Signed = Extract<Verification, { kind: 'hmac' | 'public key' }>

/** The time as it came, or why it is not good. */
export function readTimestamp(
  { at, unit, toleranceSeconds }: TimestampRule,
  request: InboundRequest,
  options: VerifyOptions,
): string | Verified {
  const [text] = request.partsAt(at)
  if (text === undefined) return failed('missing_timestamp')
  const ms = momentOf(text, unit)
  if (Number.isNaN(ms)) return failed('malformed_timestamp')
  const tolerance = options.toleranceSeconds ?? toleranceSeconds
  if (tolerance === null) return text
  const toleranceMs = tolerance * 1000
  if (ms < options.now - toleranceMs) return failed('timestamp_too_old')
  if (ms > options.now + toleranceMs) return failed('timestamp_in_future')
  return text
}

function momentOf(text: string, unit: TimestampRule['unit']): number {
  if (unit === 'iso') return isoMoment.test(text) ? Date.parse(text) : Number.NaN
  if (!/^\d{1,16}$/.test(text)) return Number.NaN
  return Number(text) * (unit === 's' ? 1000 : 1)
}

const isoMoment = /^\d{4}-\d\d-\d\dT[\d:.]{5,18}(Z|[+-]\d\d:?\d\d)$/

/** What may have been signed: one text, or one for each form of the URL. */
export function contentsOf(
  { signed, id }: Signed,
  request: InboundRequest,
  timestamp: string | undefined,
): readonly Buffer[] {
  const forms = signed.includes('url with or without port') ? urlForms(request.publicUrl ?? '') : ['']
  return forms.map(url =>
    Buffer.concat(
      signed.map(piece => {
        const bytes = bytesOf(piece, request, { url, timestamp, id: id && request.textAt(id) })
        return typeof bytes === 'string' ? Buffer.from(bytes) : bytes
      }),
    ),
  )
}

/** One piece of what was signed. */
export function bytesOf(
  piece: Piece,
  request: InboundRequest,
  known: {
    readonly url: string
    readonly timestamp: string | undefined
    readonly id: string | undefined
    readonly secret?: string
  },
): Buffer | string {
  switch (piece) {
    case 'secret':
      return known.secret ?? ''
    case 'body crc32':
      return String(crc32(request.body))
    case 'body':
      return request.body
    case 'plain body':
      return request.plainBody ?? request.body // one that cannot be decompressed has been refused before
    case 'timestamp':
      return known.timestamp ?? ''
    case 'id':
      return known.id ?? ''
    case 'method':
      return request.method
    case 'url':
      return request.publicUrl ?? ''
    case 'url with or without port':
      return known.url
    case 'url partly decoded':
      return partlyDecoded(request.publicUrl ?? '')
    case 'sorted form':
      return sortedForm(request.form)
    default:
      return 'line' in piece ? lineOf(piece.line, request) : (request.textAt(piece) ?? '')
  }
}

function lineOf(name: string, request: InboundRequest): string {
  const value = request.textAt({ field: name })
  return value === undefined ? '' : `${name}\n${value}\n`
}

/** Names in order, each with its values in order, each value once. */
function sortedForm(form: URLSearchParams): string {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of form) values.set(name, (values.get(name) ?? new Set()).add(value))
  return [...values.keys()]
    .sort()
    .flatMap(name => [...(values.get(name) ?? [])].sort().map(value => name + value))
    .join('')
}

/** As the documentation of HubSpot's signature v3 lists them. */
function partlyDecoded(url: string): string {
  return url.replace(/%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi, decodeURIComponent)
}

function urlForms(text: string): readonly string[] {
  const match = /^(https?):\/\/([^/?#:]+)(:\d+)?(.*)$/s.exec(text)
  if (match === null) return [text]
  const [, scheme, host, port, rest] = match
  const own = scheme === 'https' ? ':443' : ':80'
  if (port !== undefined && port !== own) return [text, `${scheme}://${host}${rest}`]
  return [`${scheme}://${host}${rest}`, `${scheme}://${host}${own}${rest}`]
}
