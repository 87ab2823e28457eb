import type { IncomingHttpHeaders } from 'node:http'
import { decompressed } from './decompressed.ts'
import type { Parts, Place } from './preset.ts'

/** A request that a provider has sent, as it came. */
export class InboundRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly query: URLSearchParams
  readonly body: Buffer
  /** The URL as the provider was given it, with the query of this request; undefined: nobody has said it. */
  readonly publicUrl: string | undefined
  #plain: { readonly bytes: Buffer | undefined } | undefined
  #json: { readonly value: unknown } | undefined
  #exact: { readonly value: unknown } | undefined
  #form: URLSearchParams | undefined

  /** @param search the query as it came, with its question mark, or empty */
  constructor(request: {
    readonly method: string
    readonly headers: IncomingHttpHeaders
    readonly search: string
    readonly body: Buffer
    readonly publicUrl?: string | undefined
  }) {
    this.method = request.method
    this.headers = request.headers
    this.query = new URLSearchParams(request.search)
    this.body = request.body
    this.publicUrl = request.publicUrl === undefined ? undefined : request.publicUrl + request.search
  }

  /** The body without its `Content-Encoding`; undefined: it cannot be decompressed, or is too large then. */
  get plainBody(): Buffer | undefined {
    this.#plain ??= { bytes: decompressed(this.body, this.headers['content-encoding']) }
    return this.#plain.bytes
  }

  /** The body as JSON, decompressed; undefined when it is none. */
  get json(): unknown {
    if (this.#json === undefined) {
      let value: unknown
      try {
        value = JSON.parse((this.plainBody ?? '').toString().replace(/^\uFEFF/, ''))
      } catch {
        value = undefined
      }
      this.#json = { value }
    }
    return this.#json.value
  }

  /** The same with those numbers as they stand there that a number of the language does not hold. */
  get #exactJson(): unknown {
    this.#exact ??= {
      value: JSON.parse((this.plainBody ?? '').toString().replace(/^\uFEFF/, ''), asItStands),
    }
    return this.#exact.value
  }

  /** The body as a form, decompressed; without any field when its type is another one, or it has more fields than any provider sends. */
  get form(): URLSearchParams {
    if (this.#form === undefined) {
      const isForm = /^application\/x-www-form-urlencoded\b/i.test(this.headers['content-type'] ?? '')
      const text = isForm ? (this.plainBody ?? '').toString() : ''
      this.#form = new URLSearchParams(text.split('&', fieldsMax + 1).length > fieldsMax ? '' : text)
    }
    return this.#form
  }

  /** The text at a place; undefined when there is none, or it is empty. */
  textAt(place: Place): string | undefined {
    const text = this.#read(place)
    return text === '' ? undefined : text
  }

  #read(place: Place): string | undefined {
    if ('header' in place)
      return Object.hasOwn(this.headers, place.header) ? this.headers[place.header]?.toString() : undefined
    if ('query' in place) return this.query.get(place.query) ?? undefined
    if ('form' in place) return this.form.get(place.form) ?? undefined
    if ('text' in place) return place.text
    const value = fieldOf(this.json, place.field)
    // Else two long ids would be one, of which the second was dropped as a repeat.
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      return textOfNumber(fieldOf(this.#exactJson, place.field))
    return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
  }

  /** The parts at a place without their prefix, at most `partsMax` of those that have it. */
  partsAt({ at, split, prefix = '' }: Parts): readonly string[] {
    const text = this.textAt(at)
    if (text === undefined || text.length > textCharsMax) return []
    const parts = split === undefined ? [text] : text.split(split, partsMax * 4)
    return parts
      .flatMap(part => {
        const whole = part.trim()
        const isOne = whole.toLowerCase().startsWith(prefix.toLowerCase()) && whole.length > prefix.length
        return isOne ? [whole.slice(prefix.length)] : []
      })
      .slice(0, partsMax)
  }
}

/** No provider sends more: a sender that does wants to keep us busy. */
const partsMax = 20
const fieldsMax = 1000
const textCharsMax = 8192

/** For `JSON.parse`. */
function asItStands(_name: string, value: unknown, { source }: { readonly source?: string } = {}): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) ? (source ?? value) : value
}

function textOfNumber(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= textCharsMax ? value : undefined
}

/** The value behind names with dots between them; a number is an index. */
function fieldOf(value: unknown, path: string): unknown {
  let at = value
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name] // an object that has it
  }
  return at
}
