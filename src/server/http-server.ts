import { randomUUID } from 'node:crypto'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { AppError, overloaded } from '../errors.ts'
import { rawProblem, writeRawProblem } from '../http/problem.ts'
import type { Connections } from './connections.ts'

/** Limits for clients that send slowly or not at all, and so occupy a connection. */
const timeouts = { headersMs: 15_000, requestMs: 30_000, keepAliveMs: 72_000, checkMs: 2000 } as const

export interface HttpServerDeps {
  readonly connections: Connections
  /** It is taken off the paths of requests, where they have it: empty, or such as `/hooks`. */
  readonly basePath: string
  /** Says whether a request is refused by its headers alone, before the handler sees it. */
  readonly refusal: (request: IncomingMessage) => AppError | undefined
}

/**
 * The server under Fastify, made here to set its timeouts, to bound its connections, and to refuse a request before Fastify
 * handles it. What Node would answer by itself, without a body and an id, is answered here.
 */
export function httpServer(
  handler: RequestListener,
  { connections, basePath, refusal }: HttpServerDeps,
): Server {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (basePath !== '') request.url = withoutBase(request.url ?? '', basePath)
    connections.begin(request.socket, response, () => {
      const error = wrongHost(request) ?? refusal(request)
      if (error === undefined) handler(request, response)
      else refuse(response, error)
    })
  }
  const server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: timeouts.checkMs,
      requireHostHeader: false, // `wrongHost` does it
    },
    answer,
  )
  server.on('connection', socket => {
    if (!connections.open(socket))
      closeWith(socket, overloaded('Too many connections are open; try again shortly.'))
  })
  server.on('checkContinue', (request, response) => {
    continueWhenRead(request, response)
    answer(request, response)
  })
  // An expectation that is not known here can be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', answer)
  server.on('connect', (_request, socket) => {
    // It would be taken for the answer to what came before, which is carried out.
    if (connections.lastWhole(socket as Socket) !== undefined) return void socket.destroy()
    // Typed as a stream, for servers on other streams than sockets; this one has sockets only.
    closeWith(
      socket as Socket,
      new AppError('malformed_request', 'This service is no proxy: it takes no CONNECT.'),
    )
  })
  return server
}

function withoutBase(url: string, basePath: string): string {
  if (!url.startsWith(basePath)) return url
  const rest = url.slice(basePath.length)
  if (rest === '' || rest.startsWith('?')) return `/${rest}`
  return rest.startsWith('/') ? rest : url
}

/**
 * Asks for the body, which the client holds back until then, when something begins to read it. A client that is refused
 * before does not send it: Node closes that connection, as nobody could tell its next request from the body.
 */
function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  request.once('resume', () => {
    if (!response.headersSent) response.writeContinue()
  })
}

/** One `Host` is asked for by RFC 9112, 3.2; of two, another server on the way may go by the other one. */
function wrongHost({ headers, httpVersion, rawHeaders }: IncomingMessage): AppError | undefined {
  if (headers.host === undefined) {
    return httpVersion === '1.1'
      ? new AppError('malformed_request', 'A request of HTTP/1.1 must have a Host header.')
      : undefined
  }
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count > 1
    ? new AppError('malformed_request', 'A request must have one Host header only.')
    : undefined
}

function refuse(response: ServerResponse, error: AppError): void {
  const { status, headers, body } = rawProblem(error, randomUUID())
  response.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(body),
    ...(error.code === 'shutting_down' ? { connection: 'close' } : {}),
  })
  response.end(body)
}

function closeWith(socket: Socket, error: AppError): void {
  writeRawProblem(socket, error, randomUUID())
  socket.destroySoon()
}

/**
 * Answers a request that Node could not parse, or that did not arrive in time. There is no reply object for it.
 *
 * What follows whole requests and is none itself ends the connection after their answers, and is not answered: it would be
 * taken for the answer to one of them, which is carried out. Clients that send a body and do not say so are met, such as
 * `http.request` of Node.js for GET and DELETE.
 */
export function refuseUnparsable(connections: Connections) {
  const ending = new WeakSet<ServerResponse>()
  return (error: Error & { readonly code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const last = connections.lastWhole(socket)
    if (last === undefined) writeRawProblem(socket, parserError(error.code), randomUUID())
    else if (!last.headersSent) last.shouldKeepAlive = false
    else if (!ending.has(last)) {
      ending.add(last) // the parser fails again with each packet
      last.once('close', () => socket.destroySoon())
    }
  }
}

function parserError(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new AppError(
      'headers_too_large',
      'The request headers are larger than 16 KiB. Send fewer or shorter ones.',
    )
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError(
      'request_timeout',
      `The whole request must arrive within ${timeouts.requestMs / 1000} s.`,
    )
  }
  return new AppError('malformed_request', 'This is not a valid HTTP/1.1 request.')
}
