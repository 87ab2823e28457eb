/**
 * A text with placeholders, such as `orders/{metadata.order}`. There is nothing to compute with: a placeholder is replaced by
 * a value, and that is all.
 */
export interface MessageTemplate {
  /** In the order in which they stand: a text as it is, or a placeholder. */
  readonly pieces: readonly (string | Placeholder)[]
}

/** `name` is one of those that the template may use; `metadata` is followed by a name of the sender's own, in lower case. */
export type Placeholder =
  | { readonly name: Exclude<PlaceholderName, 'metadata'> }
  | { readonly name: 'metadata'; readonly of: string }

/** What every attempt of a delivery has in common. */
export const eventPlaceholders = [
  'id',
  'event_id',
  'event_type',
  'tenant',
  'subscription_id',
  'created_at',
  'metadata',
] as const

/** And what an attempt has of its own. */
export const attemptPlaceholders = [...eventPlaceholders, 'attempt', 'timestamp', 'timestamp_ms'] as const

/** What can be signed besides. */
export const signedPlaceholders = [...attemptPlaceholders, 'body', 'method', 'url', 'path'] as const

/** Of the value of a header that holds signatures. */
export const signaturePlaceholders = [...attemptPlaceholders, 'signature', 'signatures'] as const

export type PlaceholderName = (typeof signedPlaceholders)[number] | (typeof signaturePlaceholders)[number]

/** The value of a placeholder; undefined or null: there is none. */
export type ValueOf = (placeholder: Placeholder) => string | null | undefined

export type CompiledTemplate =
  | { readonly kind: 'template'; readonly template: MessageTemplate }
  | { readonly kind: 'invalid'; readonly detail: string }

/** The name of an entry of metadata, after the dot. */
const metadataNameCharsMax = 100

/**
 * Reads a template. `{name}` stands for a value, `{{` and `}}` for the braces themselves.
 *
 * @param allowed the placeholders that may be used
 * @returns what is wrong with it, in a sentence that says what to do
 */
export function compileTemplate(text: string, allowed: readonly PlaceholderName[]): CompiledTemplate {
  const pieces: (string | Placeholder)[] = []
  let literal = ''
  for (const [part, name] of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (name !== undefined) {
      const placeholder = readPlaceholder(name, allowed)
      if (placeholder === undefined) return { kind: 'invalid', detail: unknownPlaceholder(name, allowed) }
      if (literal !== '') pieces.push(literal)
      literal = ''
      pieces.push(placeholder)
    } else if (part === '{' || part === '}') {
      return { kind: 'invalid', detail: 'A brace stands alone. Write {{ or }} for the brace itself.' }
    } else literal += part === '{{' ? '{' : part === '}}' ? '}' : part
  }
  if (literal !== '') pieces.push(literal)
  return { kind: 'template', template: { pieces } }
}

function readPlaceholder(text: string, allowed: readonly PlaceholderName[]): Placeholder | undefined {
  if (text.startsWith('metadata.') && allowed.includes('metadata')) {
    const of = text.slice('metadata.'.length).toLowerCase()
    return of === '' || of.length > metadataNameCharsMax ? undefined : { name: 'metadata', of }
  }
  const name = allowed.find(one => one === text)
  return name === undefined || name === 'metadata' ? undefined : { name }
}

function unknownPlaceholder(name: string, allowed: readonly PlaceholderName[]): string {
  const list = allowed.map(one => `{${one === 'metadata' ? 'metadata.NAME' : one}}`).join(' ')
  return `There is no {${name.slice(0, 100)}} here. Use ${list}, and {{ for a brace.`
}

/** The text without its placeholders. */
export function literalsOf({ pieces }: MessageTemplate): string {
  return pieces.filter(piece => typeof piece === 'string').join('')
}

export function usesPlaceholder({ pieces }: MessageTemplate, name: PlaceholderName): boolean {
  return pieces.some(piece => typeof piece !== 'string' && piece.name === name)
}

/** The text with its values; where there is no value, nothing. @param encode is applied to each value */
export function render(
  { pieces }: MessageTemplate,
  valueFor: ValueOf,
  encode: (value: string) => string = value => value,
): string {
  let text = ''
  for (const piece of pieces) text += typeof piece === 'string' ? piece : encode(valueFor(piece) ?? '')
  return text
}

/** A rendered header is cut here: receivers, and what stands before them, take 8 KiB of all headers together. */
const headerCharsMax = 2048

/**
 * A header of a template whose own text is fit for one. Each value is made fit (`headerText`), and spaces around the whole
 * are left out. Empty: there is nothing to send.
 */
export function renderHeader(template: MessageTemplate, valueFor: ValueOf): string {
  return fitForHeader(render(template, valueFor, headerText))
}

/** Without spaces around it, and not longer than a header may be. @param text visible ASCII and spaces */
export function fitForHeader(text: string): string {
  if (text.length <= headerCharsMax) return text.trim()
  let cut = text.slice(0, headerCharsMax).replace(/%.?$/, '')
  // A character of up to four bytes is encoded byte by byte: what is left of one that was cut could not be decoded.
  for (let bytes = 0; bytes < 3 && !isDecodable(/(?:%[0-9A-F]{2})+$/.exec(cut)?.[0] ?? ''); bytes++)
    cut = cut.slice(0, -3)
  return cut.trim()
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/**
 * A value fit for a header, whatever it was: what is no visible ASCII character or space, and `%`, is percent-encoded as
 * UTF-8. So nothing ends the line, and a receiver gets the value back by decoding it.
 */
export function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]/gu, char => encodeURIComponent(char))
}
