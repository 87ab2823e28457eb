import { Client } from 'undici'
import type { Connector } from './connector.ts'

/** What was found at an address. */
export interface Fetched {
  readonly status: number
  readonly body: Buffer
}

/**
 * Reads what is at an address, over a connection that the rules for addresses allow. Redirects are not followed.
 *
 * @throws Error when it cannot be connected to, takes too long, or is longer than `bytesMax`
 */
export async function guardedGet(
  connector: Connector,
  address: string,
  {
    bytesMax,
    timeoutMs,
    userAgent,
  }: { readonly bytesMax: number; readonly timeoutMs: number; readonly userAgent: string },
): Promise<Fetched> {
  const url = new URL(address)
  // The connector answers at once with the socket that it is connecting, and undici's type says nothing of that.
  const client = new Client(url.origin, {
    connect: connector as Client.Options['connect'] & object,
    pipelining: 0,
  })
  try {
    const { statusCode: status, body } = await client.request({
      method: 'GET',
      path: url.pathname + url.search,
      headers: { 'user-agent': userAgent, accept: '*/*' },
      signal: AbortSignal.timeout(timeoutMs),
    })
    const pieces: Buffer[] = []
    let bytes = 0
    for await (const piece of body) {
      bytes += piece.length
      if (bytes > bytesMax) throw new Error(`${url.host} answered with more than ${bytesMax} bytes`)
      pieces.push(piece)
    }
    return { status, body: Buffer.concat(pieces) }
  } finally {
    await client.destroy()
  }
}
