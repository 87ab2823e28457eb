import { get, type IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'

export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/**
 * GET. Not `fetch`: it refuses ports that browsers think are other services' (6000, 10080), where this service may listen.
 * A redirect is not followed.
 */
export async function ask(url: string | URL, { headers = {}, signal }: AskOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = new URL(url).protocol === 'https:' ? getSecurely : get
  request(url, { headers, signal, agent: false }, resolve).on('error', reject)
  return promise
}

/** Whether it is an answer of success. */
export function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300
}
