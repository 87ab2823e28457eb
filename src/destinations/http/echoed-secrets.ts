import { isSecretRequestHeader, redacted } from '../../model/exchange-details.ts'

/** Shorter values are left as they are: they would be found in half of all texts, and are hardly secrets. */
const charsLeast = 8

/** Of a secret that is cut off at the end of what was kept, this much is recognised. */
const cutCharsLeast = 4

/** One way to write a secret, in lower case, with as many characters around it as hold a part of it too. */
interface Form {
  readonly text: string
  readonly before: number
  readonly after: number
}

/**
 * The secrets of one request: the values of its headers that the log does not show, whole and in parts. A receiver that
 * answers with what it was sent would bring them into the log; here they are taken out of what it said. They are looked
 * for as they are and as they are often written: in JSON, HTML and URLs, in base64 (also within a longer text) and in hex,
 * in upper or lower case. What is compressed, encrypted or encoded in another way is not found, and neither are values of
 * fewer than 8 characters.
 *
 * It costs time for each form of each secret, so it is made only for what is kept.
 */
export class EchoedSecrets {
  readonly #secrets: readonly Secret[]
  readonly #shortest: number

  /**
   * @param headers of the request, names and values in turn
   * @param open names of further headers that hold no secret
   */
  constructor(headers: readonly string[], open: readonly (string | null)[]) {
    const texts = new Set<string>()
    for (let at = 0; at + 1 < headers.length; at += 2) {
      if (!isSecretRequestHeader(headers[at] ?? '', open)) continue
      for (const text of secretsIn(headers[at + 1] ?? '')) texts.add(text)
    }
    this.#secrets = [...texts].map(text => new Secret(text))
    this.#shortest = Math.min(...this.#secrets.map(({ length }) => length))
  }

  /** The same text without the secrets. */
  removedFrom(text: string): string {
    return text.length < this.#shortest ? text : this.removedFromBytes(Buffer.from(text), false).toString()
  }

  /** @param isCut there was more, which was not kept: its end may hold the beginning of a secret */
  removedFromBytes(bytes: Buffer, isCut: boolean): Buffer {
    if (bytes.length < (isCut ? cutCharsLeast : this.#shortest)) return bytes
    // One character for each byte, so that a place in the text is a place in the bytes.
    const text = bytes.toString('latin1')
    const found = this.#find(text.toLowerCase(), isCut)
    return found.length === 0 ? bytes : Buffer.from(replaced(text, found), 'latin1')
  }

  #find(text: string, isCut: boolean): [from: number, to: number][] {
    const found: [number, number][] = []
    let unescaped: Unescaped | undefined
    for (const secret of this.#secrets) {
      if (!isCut && secret.length > text.length) continue // no form of it is shorter
      if (secret.unescaped !== undefined) {
        unescaped ??= withoutEscapes(text)
        for (const at of placesOf(secret.unescaped, unescaped.text))
          found.push([unescaped.from[at] ?? 0, unescaped.from[at + secret.unescaped.length] ?? text.length])
      }
      for (const { text: form, before, after } of secret.forms) {
        for (const at of placesOf(form, text))
          found.push([Math.max(0, at - before), Math.min(text.length, at + form.length + after)])
        const begun = isCut ? endThatBegins(text, form) : undefined
        if (begun !== undefined) found.push([Math.max(0, begun - before), text.length])
      }
    }
    return found
  }
}

/** One secret. To write it in all its forms takes a while, and most answers are too short to hold it. */
class Secret {
  readonly length: number
  readonly #text: string
  #forms: readonly Form[] | undefined
  #unescaped: string | undefined

  constructor(text: string) {
    this.#text = text
    this.length = text.length
  }

  /** Undefined where all write it alike, and where hardly anything is left of it. */
  get unescaped(): string | undefined {
    if (isPlain(this.#text)) return undefined
    this.#unescaped ??= withoutEscapes(Buffer.from(this.#text).toString('latin1').toLowerCase()).text
    return this.#unescaped.length < charsLeast ? undefined : this.#unescaped
  }

  get forms(): readonly Form[] {
    this.#forms ??= formsOf(this.#text)
    return this.#forms
  }
}

function* placesOf(secret: string, text: string): Generator<number> {
  for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + secret.length)) yield at
}

/** Where the end of a text begins that is the beginning of a secret, of which the rest is missing. */
function endThatBegins(text: string, secret: string): number | undefined {
  const beginning = secret.slice(0, cutCharsLeast)
  let at = text.indexOf(beginning, Math.max(0, text.length - secret.length + 1))
  while (at !== -1) {
    if (secret.startsWith(text.slice(at))) return at
    at = text.indexOf(beginning, at + 1)
  }
  return undefined
}

function replaced(text: string, found: [from: number, to: number][]): string {
  found.sort(([one], [other]) => one - other)
  let clean = ''
  let kept = 0
  for (const [from, to] of found) {
    if (to <= kept) continue
    if (from > kept || kept === 0) clean += text.slice(kept, from) + redacted
    kept = to // what overlaps is one place
  }
  return clean + text.slice(kept)
}

/**
 * What is secret in the value of a header: a token without the name of its scheme, each of several signatures, the user name
 * and password in Basic credentials; and the whole value, unless these leave hardly anything of it.
 */
function secretsIn(value: string): readonly string[] {
  const whole = value.trim()
  const [, scheme = '', credentials = whole] = /^([a-z][a-z0-9-]*) +(.+)$/i.exec(whole) ?? []
  const parts = credentials
    .split(/[\s,;]+/)
    .map(unnamed)
    .filter(part => part.length >= charsLeast)
  const left = parts.reduce((chars, part) => chars - part.length, whole.length)
  const secrets = left < charsLeast ? parts : [whole, ...parts]
  if (scheme.toLowerCase() !== 'basic') return secrets.filter(({ length }) => length >= charsLeast)
  const pair = Buffer.from(credentials, 'base64').toString()
  return [...secrets, pair, pair.slice(pair.indexOf(':') + 1)].filter(({ length }) => length >= charsLeast)
}

/** `sha256=…` and `t="…"` without their names, unless what stands before the sign may be a part of the secret. */
function unnamed(part: string): string {
  const [, named = part] = /^[\w-]{0,16}=(?=[^=])(.*)$/.exec(part) ?? []
  return (named.length < charsLeast ? part : named).replace(/^"(.*)"$/, '$1')
}

/** It is written alike nearly everywhere. */
function isPlain(secret: string): boolean {
  return /^[\w.~-]+$/.test(secret)
}

/** A text of which no sign is escaped, and from where in the other one each of its signs is, and its end. */
interface Unescaped {
  readonly text: string
  readonly from: Uint32Array
}

/** How signs are written in HTML, URLs and strings of programs; the last is the backslash before a sign, which does not change it. */
const escaped =
  /&(?:lt|gt|amp|apos|quot|sol|plus|equals);|&#0{0,5}\d{2,3};|&#x0{0,5}[\da-f]{2};|%[\da-f]{2}|\\u00[\da-f]{2}|\\x[\da-f]{2}|\\(?=\W)/g

/**
 * Text and secret are compared without their escapes, as each sign of a secret may be written in a way of its own: what escapes
 * for HTML leaves `>`, or writes `/` and `+` as entities, as it likes. A space and `+` are taken for the same. One pass, whatever the
 * text: a pattern with all ways of each sign takes exponential time where a sign is the beginning of its own escape.
 *
 * @param text in lower case
 */
function withoutEscapes(text: string): Unescaped {
  const from = new Uint32Array(text.length + 1)
  const signs: string[] = []
  let [done, begun] = [0, 0]
  const add = (sign: string, end: number) => {
    from[signs.length] = begun
    signs.push(sign === '+' ? ' ' : sign)
    done = end
    begun = end
  }
  for (const { 0: way, index } of text.matchAll(escaped)) {
    while (done < index) add(text[done] ?? '', done + 1)
    // A backslash belongs to the sign behind it.
    if (way === '\\') done = index + 1
    else add(signOf(way), index + way.length)
  }
  while (done < text.length) add(text[done] ?? '', done + 1)
  from[signs.length] = text.length
  return { text: signs.join(''), from: from.subarray(0, signs.length + 1) }
}

function signOf(way: string): string {
  const named = namedEntities[way]
  if (named !== undefined) return named
  const [, decimal] = /^&#(\d+);$/.exec(way) ?? []
  const code =
    decimal === undefined ? Number.parseInt(way.replace(/^(?:&#x|%|\\u|\\x)/, ''), 16) : Number(decimal)
  return String.fromCharCode(code).toLowerCase()
}

function formsOf(secret: string): readonly Form[] {
  const bytes = Buffer.from(secret)
  const whole = isPlain(secret)
    ? [secret, bytes.toString('hex')]
    : [
        secret,
        JSON.stringify(secret).slice(1, -1),
        JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'), // PHP
        secret.replace(/[<>&='"]/g, sign => `\\u00${hex(sign)}`), // Gson, Go
        secret.replace(/[<>&'"]/g, sign => entities[sign] ?? sign),
        secret.replace(/[<>&'"]/g, sign => `&#${sign.charCodeAt(0)};`),
        encodeURIComponent(secret),
        encodeURIComponent(secret).replaceAll('%20', '+'),
        secret.replace(/[^A-Za-z0-9_.~-]/g, sign => `%${hex(sign)}`),
        bytes.toString('hex'),
      ]
  const forms = new Map<string, Form>()
  for (const text of whole) add(forms, { text, before: 0, after: 0 })
  for (const form of base64Forms(bytes)) {
    add(forms, form)
    add(forms, { ...form, text: form.text.replaceAll('+', '-').replaceAll('/', '_') })
  }
  return [...forms.values()]
}

function add(forms: Map<string, Form>, form: Form): void {
  const text = form.text.toLowerCase()
  if (!forms.has(text)) forms.set(text, { ...form, text })
}

/** In base64 a text looks in one of three ways, by how many bytes stand before it; its first and last signs are shared. */
function base64Forms(bytes: Buffer): readonly Form[] {
  return [0, 1, 2].map(shift => {
    const before = Math.ceil((shift * 8) / 6)
    const end = Math.floor(((shift + bytes.length) * 8) / 6)
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .slice(before, end)
    return { text, before: before === 0 ? 0 : 1, after: 1 }
  })
}

const entities: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  "'": '&#39;',
  '"': '&quot;',
}

const namedEntities: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&apos;': "'",
  '&quot;': '"',
  '&sol;': '/',
  '&plus;': '+',
  '&equals;': '=',
}

function hex(sign: string): string {
  return sign.charCodeAt(0).toString(16).padStart(2, '0')
}
