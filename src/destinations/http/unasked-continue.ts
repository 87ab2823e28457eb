import type { Socket } from 'node:net'

/** The least that tells 100 from every other status: `HTTP/1.1 100 `, also of another minor version or without a reason. */
const beginning = /^HTTP\/1\.\d 100[ \r\n]$/
const beginningLength = 13

/** A longer one is left to undici, which refuses it. */
const bytesMax = 16_384

/**
 * Makes a socket pass over `100 Continue` before an answer. Requests from here never ask for it, but some servers say
 * it all the same, and a client has to take it (RFC 9110, 15.2); undici ends the connection, so that no attempt at such
 * a receiver would ever succeed. Statuses from 102 on are passed over by undici itself.
 *
 * @param isAwaited whether what is read next begins with a status line; what does not is given on as it is
 * @param arrived told of all that is read while a status is awaited, before anything is passed over
 */
export function passOverContinue(
  socket: Socket,
  isAwaited: () => boolean,
  arrived: (bytes: Buffer) => void = () => {},
): void {
  const read = socket.read.bind(socket)
  let held: Buffer | undefined
  socket.read = (size?: number): Buffer | null => {
    for (;;) {
      const chunk: Buffer | null = read(size)
      if (chunk === null || !isAwaited()) return chunk
      arrived(chunk)
      const rest = withoutContinue(held ? Buffer.concat([held, chunk]) : chunk)
      held = undefined
      if (rest.length === 0) continue
      if (!isBegun(rest)) return rest
      held = rest
    }
  }
}

/** What stands behind the responses of status 100, if there are any. */
function withoutContinue(bytes: Buffer): Buffer {
  let rest = bytes
  while (isContinue(rest)) {
    const end = endOfHead(rest)
    if (end === -1) return rest
    rest = rest.subarray(end)
  }
  return rest
}

/** Most answers are told by three bytes. */
function isContinue(bytes: Buffer): boolean {
  const is100 = bytes[9] === 0x31 && bytes[10] === 0x30 && bytes[11] === 0x30
  return is100 && beginning.test(bytes.toString('latin1', 0, beginningLength))
}

/** Lines may end with LF alone (RFC 9112, 2.2). */
function endOfHead(bytes: Buffer): number {
  const [found] = /\r?\n\r?\n/.exec(bytes.toString('latin1')) ?? []
  return found === undefined ? -1 : bytes.indexOf(found) + found.length
}

/** Whether this is, or may become, a response of status 100 whose end is still to come. */
function isBegun(bytes: Buffer): boolean {
  if (bytes.length >= bytesMax) return false
  if (bytes.length >= beginningLength) return isContinue(bytes)
  const missing = 'HTTP/1.1 100 '.slice(bytes.length)
  return beginning.test(bytes.toString('latin1') + missing)
}
