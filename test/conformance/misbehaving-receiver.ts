import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** What a receiver does once it has a whole request: writes whatever it likes, or nothing. */
export type Answer = (socket: Socket) => void | Promise<void>

/** A server that speaks bytes, not HTTP, so that it can get everything wrong. */
export interface MisbehavingReceiver extends AsyncDisposable {
  readonly origin: string
  /** Whole requests so far, whatever their path: a redirect that is followed shows here. */
  readonly requests: number
}

export interface MisbehavingOptions {
  /** Undefined: plain TCP. */
  readonly tls?: TlsOptions
  /** Answers the first bytes, whatever they are, and not only a whole request. */
  readonly eager?: boolean
}

export async function startMisbehaving(
  answer: Answer,
  { tls, eager = false }: MisbehavingOptions = {},
): Promise<MisbehavingReceiver> {
  const sockets = new Set<Socket>()
  let requests = 0
  const serve = (socket: Socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      const whole = isWhole(text)
      if (!whole && !eager) return
      text = ''
      if (whole) requests += 1
      Promise.resolve(answer(socket)).catch(() => socket.destroy())
    })
  }
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    get requests() {
      return requests
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1] ?? 0)
  return text.length >= headEnd + 4 + length
}

/** A port where nobody listens: one that was free a moment ago. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  await new Promise(resolve => server.close(resolve))
  return port
}
