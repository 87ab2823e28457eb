import { isUtf8 } from 'node:buffer'

/** What a filter is held against. */
export interface FilterInput {
  readonly eventType: string | null
  /** The payload as JSON, read when it is first asked for; undefined when it is no JSON. */
  readonly payload: unknown
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly metadata: Readonly<Record<string, unknown>>
}

/** What a filter sees of an event. Its payload is parsed at the first filter that asks for it, and only once. */
export class EventFields implements FilterInput {
  readonly eventType: string | null
  readonly headers: FilterInput['headers']
  readonly metadata: FilterInput['metadata']
  readonly #bytes: Buffer
  #parsed: { readonly value: unknown } | undefined

  /** @param event `headers` by their names in lower case */
  constructor(event: Pick<FilterInput, 'eventType' | 'headers' | 'metadata'> & { readonly payload: Buffer }) {
    this.eventType = event.eventType
    this.headers = event.headers
    this.metadata = event.metadata
    this.#bytes = event.payload
  }

  get payload(): unknown {
    this.#parsed ??= { value: jsonOf(this.#bytes) }
    return this.#parsed.value
  }
}

/** Whatever its content type says. Undefined when the bytes are not JSON in UTF-8; a byte order mark may come first. */
function jsonOf(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch {
    return undefined
  }
}
