import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Hint } from '../destinations/destination.ts'
import { AppError, codeOf, overloaded } from '../errors.ts'
import { requireKey } from '../http/auth.ts'
import { ignoreBodies, readJsonBodies } from '../http/json-body.ts'
import { Problem, rawProblem, sendProblem, writeRawProblem } from '../http/problem.ts'
import { validatorCompiler } from '../http/validation.ts'
import type { ApiKeys } from '../keys/keys.ts'
import { type Readiness, registerHealth, registerMonitor, registerSystem } from '../monitor/routes.ts'
import { monitorSchemas } from '../monitor/schema.ts'
import { systemSchemas } from '../monitor/system-schema.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { registerSubscriptions, subscriptionSchemas } from '../subscriptions/routes.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { registerDocs } from './docs.ts'
import { LongTurn } from './long-turn.ts'
import { registerOpenapi } from './openapi.ts'
import { registerPages } from './pages.ts'
import { unknownPath } from './unknown-path.ts'

export interface ServerDeps {
  readonly subscriptions: Subscriptions
  readonly database: Database
  /** Undefined: no API keys are needed. */
  readonly keys: ApiKeys | undefined
  readonly log: Logger
  /** Explains failed attempts to the owners of receivers. */
  readonly hint: Hint
  /** A larger body is refused with 413, also when it comes in chunks. */
  readonly bodyLimitBytes: number
  readonly version: string
  readonly readiness: () => Promise<Readiness>
  /** For this long after `close` was called, requests are still answered, and each answer asks its client to leave. */
  readonly drainMs: number
  /**
   * Adds the routes of ingest, in a scope that reads no bodies yet and asks for no key. Undefined: the process only
   * delivers, and has the routes of health and `/system` only.
   */
  readonly registerIngest: ((scope: FastifyInstance) => void) | undefined
}

/** Limits for clients that send slowly or not at all, and so occupy a connection. */
const timeouts = { headersMs: 15_000, requestMs: 30_000, keepAliveMs: 72_000, checkMs: 2000 } as const

/**
 * Builds the HTTP server; `listen({ host, port })` starts it.
 *
 * No hook covers all routes, because `POST /ingest/{id}` would run it for every event. What a group of routes needs (a
 * key, JSON bodies, a header) is added in its own scope.
 */
export async function buildServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { log } = deps
  let closing = false
  const turn = new LongTurn()
  const refusal = ({ url }: IncomingMessage) => {
    if (closing)
      return new AppError('shutting_down', 'This process is shutting down. Send the request again.')
    // Requests of operators are always answered: they are few, and come when the service is overloaded.
    if (url?.startsWith('/ingest/') && turn.isTooLong())
      return overloaded('More requests come in than can be read; send this one again shortly.')
    return undefined
  }
  const app = Fastify({
    serverFactory: handler => slowClientsCutOff(handler, refusal),
    bodyLimit: deps.bodyLimitBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // the server factory does it, with a problem as the body
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    logger: false,
    routerOptions: { ignoreTrailingSlash: true },
    clientErrorHandler: refuseUnparsable,
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, error, log)
    },
  })
  app.addHook('preClose', async () => {
    // Fastify adds `Connection: close` to each answer from now on.
    await left(app.server, deps.drainMs)
    closing = true
    closeAsTheyFallIdle(app.server)
  })
  app.setValidatorCompiler(validatorCompiler)
  // Response schemas are for the document, and tests check answers against them. Serialising by schema would drop fields.
  app.setSerializerCompiler(() => value => JSON.stringify(value))
  const unknown = unknownPath(app)
  app.setErrorHandler((error, request, reply) => {
    // Fastify refuses QUERY without a content type before it looks for a route, and no route takes it.
    const isQuery = codeOf(error) === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'
    return sendProblem(request, reply, isQuery ? unknown(request, reply) : error, log)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, unknown(request, reply), log))
  ignoreBodies(app)
  for (const schema of [Problem, ...subscriptionSchemas, ...monitorSchemas, ...systemSchemas])
    app.addSchema(schema)
  await registerOpenapi(app, deps)
  await registerRoutes(app, deps)
  await app.ready()
  return app
}

async function registerRoutes(app: FastifyInstance, deps: ServerDeps): Promise<void> {
  const { registerIngest } = deps
  if (registerIngest) {
    await app.register(async scope => {
      scope.removeAllContentTypeParsers()
      registerIngest(scope)
    })
  }
  await app.register(async scope => {
    readJsonBodies(scope)
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id)
      done()
    })
    if (deps.keys !== undefined) scope.addHook('onRequest', requireKey(deps.keys))
    registerSystem(scope, deps.database)
    if (!registerIngest) return
    registerSubscriptions(scope, deps.subscriptions)
    registerMonitor(scope, deps)
  })
  await app.register(async scope => {
    registerHealth(scope, deps.readiness)
    if (!registerIngest) return
    registerPages(scope, deps.version)
    await registerDocs(scope)
  })
}

/** The server under Fastify, made here to set its timeouts, and to refuse a request before Fastify handles it. */
function slowClientsCutOff(
  handler: RequestListener,
  refusal: (request: IncomingMessage) => AppError | undefined,
): Server {
  return createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: timeouts.checkMs,
    },
    (request, response) => {
      const error = refusal(request)
      if (error === undefined) return handler(request, response)
      const { status, headers, body } = rawProblem(error, randomUUID())
      response.writeHead(status, {
        ...headers,
        'content-length': Buffer.byteLength(body),
        ...(error.code === 'shutting_down' ? { connection: 'close' } : {}),
      })
      response.end(body)
    },
  )
}

/**
 * Waits until no client is connected, at most `withinMs`. A request that is sent just when its idle connection is closed
 * gets no answer, and its sender cannot know whether it was accepted. Clients that were asked to leave send none.
 */
async function left(server: Server, withinMs: number): Promise<void> {
  const count = () => new Promise<number>(resolve => server.getConnections((_, open) => resolve(open ?? 0)))
  const until = performance.now() + withinMs
  while (performance.now() < until && (await count()) > 0) await setTimeout(20)
}

/** Closes each busy connection when it becomes idle. Else it would stay open until its client or a timeout closes it. */
function closeAsTheyFallIdle(server: Server): void {
  const sweeping = setInterval(() => server.closeIdleConnections(), 20).unref()
  server.once('close', () => clearInterval(sweeping))
}

/** Answers a request that Node could not parse, or that did not arrive in time. There is no reply object for it. */
function refuseUnparsable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  writeRawProblem(socket, parserError(error.code), randomUUID())
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
