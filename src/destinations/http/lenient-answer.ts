/** An answer as far as it was read. */
export interface LenientAnswer {
  readonly status: number
  readonly statusText: string
  /** By name in lower case; one that came more than once has all its values. */
  readonly headers: Record<string, string | string[]>
  readonly body: Buffer
  /** The body is known to have come to its end. */
  readonly isWhole: boolean
}

/**
 * Reads an answer that undici's parser refuses, as liberally as RFC 9112 lets a client: a receiver with such an answer has
 * taken the event, and would get it again. Taken are
 *
 * - the same `Content-Length` twice, in two fields or one (6.3), and one beside `Transfer-Encoding`, which then counts (6.3);
 * - lines that end with LF alone, or with more than one CR (2.2), and empty lines before the answer;
 * - other white space than one space in the status line (4), before the colon of a field (5.1) and around its value (5.1);
 * - values that go on in the next line (5.2), and control characters in them, which become spaces (RFC 9110, 5.5);
 * - lines that are no field, or have no valid name, which are left out (RFC 9110, 2.4; RFC 9112, 2.2);
 * - any minor version of HTTP/1 (RFC 9110, 2.5).
 *
 * It is read for its status, `Retry-After`, `Location` and what of it is kept; the connection is closed in any case, so it
 * does not matter where the next answer would begin. undici stops reading at what it refuses, so that the end of the head
 * may be missing: what came before it counts.
 *
 * @param bytes all that was read since the request was sent
 * @returns undefined for what is no answer of HTTP/1, or has a `Content-Length` by which it must not be used (6.3)
 */
export function readLeniently(bytes: Buffer): LenientAnswer | undefined {
  let rest = bytes
  for (;;) {
    const head = headOf(rest)
    const [, digits, statusText = ''] = statusLine.exec(head.lines[0] ?? '') ?? []
    if (digits === undefined) return undefined
    const status = Number(digits)
    if (status >= 200) return answerOf(status, statusText, head)
    if (status < 100 || status === 101 || head.body === undefined) return undefined
    rest = head.body // informational: the answer is still to come
  }
}

/** Words parted by any white space (RFC 9112, 4). */
const statusLine = /^HTTP\/1\.\d+[ \t]+(\d{3})(?:[ \t]+(.*))?$/

interface Head {
  /** Without their ends; the first is the status line. */
  readonly lines: readonly string[]
  /** What stands behind the head; undefined: its end has not come. */
  readonly body: Buffer | undefined
}

function headOf(bytes: Buffer): Head {
  const lines: string[] = []
  let from = 0
  for (;;) {
    const end = bytes.indexOf('\n', from)
    const line = bytes.toString('latin1', from, end === -1 ? bytes.length : end).replace(/\r+$/, '')
    if (end === -1) return { lines: [...lines, line], body: undefined }
    from = end + 1
    if (line !== '') lines.push(line)
    else if (lines.length > 0) return { lines, body: bytes.subarray(from) }
  }
}

function answerOf(status: number, statusText: string, { lines, body }: Head): LenientAnswer | undefined {
  const fields = fieldsOf(lines.slice(1))
  const headers: Record<string, string | string[]> = Object.fromEntries(
    [...Map.groupBy(fields, ([name]) => name)].map(([name, of]) => {
      const [first = '', ...others] = of.map(([, value]) => value)
      return [name, others.length === 0 ? first : [first, ...others]]
    }),
  )
  const common = { status, statusText: statusText.trim(), headers }
  const valuesOf = (wanted: string) => fields.filter(([name]) => name === wanted).map(([, value]) => value)
  const codings = valuesOf('transfer-encoding')
  if (codings.length > 0) {
    const isChunked = /(^|,)\s*chunked$/i.test(codings.join())
    return { ...common, ...(isChunked ? unchunked(body) : unended(body)) }
  }
  const lengths = new Set(
    valuesOf('content-length').flatMap(value => value.split(',').map(one => one.trim())),
  )
  const [length] = lengths
  if (length === undefined) return { ...common, ...unended(body) }
  if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) return undefined
  return {
    ...common,
    body: Buffer.from(body?.subarray(0, Number(length)) ?? []),
    isWhole: (body?.length ?? 0) >= Number(length),
  }
}

type Field = [name: string, value: string]

function fieldsOf(lines: readonly string[]): readonly Field[] {
  const fields: Field[] = []
  let last: Field | undefined
  for (const line of lines) {
    if (/^[ \t]/.test(line)) {
      if (last) last[1] = `${last[1]} ${clean(line)}`.trim()
      continue
    }
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+)[ \t]*:(.*)$/s.exec(line) ?? []
    last = name === undefined ? undefined : [name.toLowerCase(), clean(value)]
    if (last) fields.push(last)
  }
  return fields
}

function clean(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return value.replace(/[\u0000-\u001f\u007f]/g, ' ').trim()
}

type Body = Pick<LenientAnswer, 'body' | 'isWhole'>

/** A body that goes on to the end of the connection, of which undici reads no more. */
function unended(body: Buffer = Buffer.alloc(0)): Body {
  return { body: Buffer.from(body), isWhole: false }
}

function unchunked(body: Buffer = Buffer.alloc(0)): Body {
  const chunks: Buffer[] = []
  let from = 0
  for (;;) {
    const end = body.indexOf('\n', from)
    const [, digits] =
      /^([\da-f]{1,8})[ \t]*(?:;.*)?\r?$/i.exec(body.toString('latin1', from, Math.max(end, from))) ?? []
    if (digits === undefined) return { body: Buffer.concat(chunks), isWhole: false }
    const size = Number.parseInt(digits, 16)
    if (size === 0) return { body: Buffer.concat(chunks), isWhole: true }
    const chunk = body.subarray(end + 1, end + 1 + size)
    chunks.push(chunk)
    from = end + 1 + size + (body[end + 1 + size] === 13 ? 2 : 1)
  }
}
