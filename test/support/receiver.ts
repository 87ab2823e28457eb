import { EventEmitter, once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How a receiver treats one request. Everything is optional: `{}` is a plain 200. */
export interface Behaviour {
  readonly status?: number
  readonly statusText?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Milliseconds before it answers. */
  readonly delayMs?: number
  /** It answers only after this. */
  readonly after?: Promise<unknown>
  /**
   * What it does wrong: `hang` answers nothing; `drip` sends a byte now and then without end; `reset` cuts the
   * connection unanswered; `reset-after-status` cuts it within the body; `garbage` answers what is not HTTP.
   */
  readonly fault?: 'hang' | 'drip' | 'reset' | 'reset-after-status' | 'garbage'
}

/** A request as it arrived. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** `performance.now()` when its last byte was in. */
  readonly at: number
  /** Counts the connections; the same number means the same socket. */
  readonly connection: number
}

/** A real HTTP server that behaves as a test asks, request by request, and remembers what it got. */
export interface Receiver extends AsyncDisposable {
  readonly origin: string
  readonly received: readonly Received[]
  /** Connections so far. */
  readonly connections: number
  /** The highest number of requests that were under way at the same time. */
  readonly mostAtOnce: number
  /** Resolves when this many requests have arrived. @throws after `timeoutMs` */
  waitFor(requests: number, timeoutMs?: number): Promise<void>
  close(): Promise<void>
}

/** What to do with a request, by its number (from 0) if need be. */
export type Program = Behaviour | ((request: Received, index: number) => Behaviour)

export async function startReceiver(program: Program = {}): Promise<Receiver> {
  const received: Received[] = []
  const numbers = new Map<Socket, number>()
  const arrivals = new EventEmitter()
  let atOnce = 0
  let mostAtOnce = 0

  const server = createServer(async (request, response) => {
    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    response.on('close', () => atOnce--)
    const seen = await record(request, numbers.get(request.socket) ?? 0).catch(() => undefined)
    if (!seen) return // cut off while it was sending
    received.push(seen)
    arrivals.emit('request')
    const behaviour = typeof program === 'function' ? program(seen, received.length - 1) : program
    await answer(response, behaviour).catch(() => {}) // the sender has gone
  })
  server.on('connection', socket => numbers.set(socket, numbers.size))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP

  const close = async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  return {
    origin: `http://127.0.0.1:${port}`,
    received,
    get connections() {
      return numbers.size
    },
    get mostAtOnce() {
      return mostAtOnce
    },
    async waitFor(requests, timeoutMs = 60_000) {
      const signal = AbortSignal.timeout(timeoutMs)
      while (received.length < requests) {
        await once(arrivals, 'request', { signal }).catch(cause => {
          const text = `only ${received.length} of ${requests} requests within ${timeoutMs} ms`
          throw new Error(text, { cause })
        })
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function record(request: IncomingMessage, connection: number): Promise<Received> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer) // no encoding is set, so it is bytes
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    body: Buffer.concat(chunks),
    at: performance.now(),
    connection,
  }
}

async function answer(response: ServerResponse, behaviour: Behaviour): Promise<void> {
  const { status = 200, statusText, headers = {}, body = '', delayMs = 0, after, fault } = behaviour
  await after
  if (delayMs > 0) await sleep(delayMs)
  const { socket } = response
  switch (fault) {
    case 'hang':
      return
    case 'reset':
      socket?.resetAndDestroy()
      return
    case 'garbage':
      socket?.end('220 mail.example.com ESMTP\r\n\r\n')
      return
    case 'drip':
      return drip(response, status)
    case 'reset-after-status':
      response.writeHead(status, { ...headers, 'content-length': '1000' })
      response.write(body === '' ? 'begun' : body)
      await sleep(20)
      socket?.resetAndDestroy()
      return
    case undefined:
      if (statusText === undefined) response.writeHead(status, headers)
      else response.writeHead(status, statusText, headers)
      response.end(body)
  }
}

/** Keeps every timeout between chunks from firing, and never comes to an end. */
async function drip(response: ServerResponse, status: number): Promise<void> {
  response.writeHead(status)
  while (!response.destroyed) {
    response.write('.')
    await sleep(10)
  }
}
