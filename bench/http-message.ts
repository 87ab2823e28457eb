const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i
const CHUNKED = /\r\ntransfer-encoding: *chunked/i

/** One HTTP/1.1 message inside a latin1 text: where its body lies, and where the next message begins. */
export interface Message {
  /** The text that holds the body; another one than what was read if the body came in chunks. */
  readonly text: string
  readonly bodyAt: number
  readonly bodyBytes: number
  readonly end: number
}

/**
 * Finds the message that begins at `from`; undefined while it isn't complete. Only what the benchmark's own peers
 * send is understood: Content-Length or chunked, no trailers. A full parser would cost more than the socket does.
 */
export function readMessage(text: string, from: number): Message | undefined {
  const headEnd = text.indexOf('\r\n\r\n', from)
  if (headEnd < 0) return undefined
  const head = text.slice(from, headEnd)
  const bodyAt = headEnd + 4
  const length = CONTENT_LENGTH.exec(head)
  if (length === null && CHUNKED.test(head)) return readChunked(text, bodyAt)
  const bodyBytes = length === null ? 0 : Number(length[1])
  const end = bodyAt + bodyBytes
  return text.length < end ? undefined : { text, bodyAt, bodyBytes, end }
}

function readChunked(text: string, from: number): Message | undefined {
  let body = ''
  let at = from
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (text.length < next) return undefined
    if (!(size > 0)) return { text: body, bodyAt: 0, bodyBytes: body.length, end: next }
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}
