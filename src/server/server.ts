import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import { setImmediate as startImmediate } from 'node:timers'
import { setImmediate, setTimeout } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { registerAudit } from '../audit/routes.ts'
import { auditSchemas } from '../audit/schema.ts'
import { registerJwks } from '../deliver/jwks-routes.ts'
import type { OwnershipChecks } from '../deliver/ownership-checks.ts'
import { registerOwnership } from '../deliver/ownership-routes.ts'
import { registerTests } from '../deliver/test-routes.ts'
import { testSchemas } from '../deliver/test-schema.ts'
import type { TestSends } from '../deliver/test-sends.ts'
import type { Hint } from '../destinations/destination.ts'
import { codeOf, type ErrorCode, overloaded } from '../errors.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import { registerEventTypes } from '../event-types/routes.ts'
import { eventTypeSchemas } from '../event-types/schema.ts'
import { registerExpunges } from '../events/expunge-routes.ts'
import type { Expunges } from '../events/expunges.ts'
import { registerEvents } from '../events/routes.ts'
import { eventSchemas } from '../events/schema.ts'
import { Callers, identifyCaller, type KeyCheck } from '../http/auth.ts'
import { BodyBudget } from '../http/body-budget.ts'
import { ignoreBodies, readJsonBodies } from '../http/json-body.ts'
import type { KeyLimit, KeyLimitRules } from '../http/key-limit.ts'
import { asAppError, Problem, sendProblem } from '../http/problem.ts'
import type { BodyRules } from '../http/read-body.ts'
import { validatorCompiler } from '../http/validation.ts'
import { type KeysDeps, keySchemas, registerKeys } from '../keys/routes.ts'
import { registerSessions } from '../keys/session-routes.ts'
import type { Sessions } from '../keys/sessions.ts'
import type { Live } from '../live/live.ts'
import { registerLive } from '../live/routes.ts'
import { liveSchemas } from '../live/schema.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { registerMetrics } from '../metrics/routes.ts'
import { filterSchemas } from '../monitor/filter-test.ts'
import { type Readiness, registerHealth, registerMonitor, registerSystem } from '../monitor/routes.ts'
import { monitorSchemas } from '../monitor/schema.ts'
import { storageSchemas } from '../monitor/storage.ts'
import { registerStorage, type StorageDeps } from '../monitor/storage-routes.ts'
import { systemSchemas } from '../monitor/system-schema.ts'
import type { OwnSystem } from '../monitor/troubles.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { registerCancelling } from '../publish/cancel-routes.ts'
import type { Replays } from '../replay/replays.ts'
import { registerReplay, replaySchemas } from '../replay/routes.ts'
import { registerInboundRefusals } from '../sources/inbound-refusal-routes.ts'
import type { InboundRefusals } from '../sources/inbound-refusals.ts'
import { registerSources } from '../sources/routes.ts'
import { sourceSchemas } from '../sources/schema.ts'
import type { Sources } from '../sources/sources.ts'
import { registerStats } from '../stats/routes.ts'
import { statsSchemas } from '../stats/schema.ts'
import type { Stats } from '../stats/stats.ts'
import { registerSubscriptions, subscriptionSchemas } from '../subscriptions/routes.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { registerTenants, tenantSchemas } from '../tenants/routes.ts'
import type { Tenants } from '../tenants/tenants.ts'
import {
  type ReceivingRoutesDeps,
  registerReceiving,
  registerTestReceivers,
} from '../test-receivers/routes.ts'
import { testReceiverSchemas } from '../test-receivers/schema.ts'
import type { TestReceivers } from '../test-receivers/test-receivers.ts'
import { giveAccess } from './access.ts'
import { leadThroughBase } from './base-path.ts'
import { Connections } from './connections.ts'
import { type DashboardDeps, registerDashboard } from './dashboard.ts'
import { registerDocs } from './docs.ts'
import type { HostCheck } from './host-check.ts'
import { httpServer, refuseUnparsable } from './http-server.ts'
import { LongTurn } from './long-turn.ts'
import { registerOpenapi } from './openapi.ts'
import { registerPages } from './pages.ts'
import { unknownPath } from './unknown-path.ts'

export interface ServerDeps {
  readonly subscriptions: Subscriptions
  readonly eventTypes: EventTypes
  readonly tenants: Tenants
  readonly replays: Replays
  readonly live: Live
  readonly stats: Stats
  readonly expunges: Expunges
  readonly sources: Sources
  readonly testReceivers: TestReceivers
  readonly testSends: TestSends
  readonly ownershipChecks: OwnershipChecks
  readonly inboundRefusals: InboundRefusals
  /** What takes requests to test receivers: every process does. */
  readonly receiving: Omit<ReceivingRoutesDeps, 'bodies'>
  readonly database: Database
  /** Undefined: no API keys are needed. */
  readonly keys: KeyCheck | undefined
  /** Of browsers that use the dashboard; undefined: there is none, or no keys are needed. */
  readonly sessions?: Sessions | undefined
  /** How many requests each key may send; undefined: any number, and nothing is counted. */
  readonly keyLimit: KeyLimitRules | undefined
  /** What manages keys and portal tokens. */
  readonly access: KeysDeps
  /** Asked about every request; undefined where keys keep others out. */
  readonly hostCheck: HostCheck | undefined
  readonly log: Logger
  /** Explains failed attempts to the owners of receivers. */
  readonly hint: Hint
  /** A larger body is refused with 413, also when it comes in chunks. */
  readonly bodyLimitBytes: number
  /** What bodies may take in all while they arrive. */
  readonly arrivingBytesMax: number
  /** At most this many connections of clients are open. */
  readonly connectionsMax: number
  readonly version: string
  /** Below which path clients see this service: empty, or such as `/hooks`. A proxy may leave it away or not. */
  readonly basePath: string
  /** Undefined: there is none. */
  readonly dashboard: Omit<DashboardDeps, 'version' | 'basePath'> | undefined
  readonly metrics: Pick<Metrics, 'expose'>
  /** Told of each request with an event that is refused, by the code of its problem. */
  readonly onRefusedEvent?: (code: ErrorCode) => void
  /** What this process knows of itself, for `GET /system`. */
  readonly system: OwnSystem
  /** The settings in force and how long things are kept, for operators. */
  readonly storage: StorageDeps
  readonly readiness: () => Promise<Readiness>
  /** For this long after `close` was called, requests are still answered, and each answer asks its client to leave. */
  readonly drainMs: number
  /**
   * Adds the routes that take events, in a scope that reads no bodies yet and asks for no key. Undefined: the process only
   * delivers, and has the routes of health and `/system` only.
   */
  readonly registerIngest: ((scope: FastifyInstance, edge: Edge) => void) | undefined
}

/** What groups of routes share. */
export interface Edge {
  readonly bodies: BodyRules
  /** Undefined: no API keys are needed. */
  readonly callers: Callers | undefined
}

/**
 * Builds the HTTP server; `listen({ host, port })` starts it.
 *
 * One hook covers all routes, and `POST /ingest/{id}` runs it for every event: it only gives the answer its id. What a
 * group of routes needs besides (a key, JSON bodies) is added in its own scope.
 */
export async function buildServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { log } = deps
  const turn = new LongTurn()
  const refusal = (request: IncomingMessage) => {
    // Requests of operators are always answered: they are few, and come when the service is overloaded.
    if (isEvent(request) && turn.isTooLong()) {
      deps.onRefusedEvent?.('overloaded')
      return overloaded('More requests come in than can be read; send this one again shortly.')
    }
    return deps.hostCheck?.refusal(request)
  }
  const connections = new Connections(deps.connectionsMax)
  const app = Fastify({
    serverFactory: handler => httpServer(handler, { connections, refusal, basePath: deps.basePath }),
    bodyLimit: deps.bodyLimitBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // the server factory does it, with a problem as the body
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    logger: false,
    // A name of 128 characters, each percent-encoded, and more; longer ones are nothing that there could be.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 4096 },
    clientErrorHandler: refuseUnparsable(connections),
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, error, log)
    },
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  leadThroughBase(app, deps.basePath)
  app.addHook('preClose', async () => {
    // Fastify adds `Connection: close` to each answer from now on.
    await left(app.server, deps.drainMs)
    await readWhatArrived(app.server)
    closeAsTheyFallIdle(app.server, connections)
  })
  app.setValidatorCompiler(validatorCompiler)
  // Response schemas are for the document, and tests check answers against them. Serialising by schema would drop fields.
  app.setSerializerCompiler(() => value => JSON.stringify(value))
  const unknown = unknownPath(app)
  app.setErrorHandler((error, request, reply) => {
    // Fastify refuses QUERY without a content type before it looks for a route, and no route takes it.
    const isQuery = codeOf(error) === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'
    if (deps.onRefusedEvent && isEvent(request.raw)) deps.onRefusedEvent(asAppError(error).code)
    return sendProblem(request, reply, isQuery ? unknown(request, reply) : error, log)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, unknown(request, reply), log))
  app.decorateRequest('caller', null)
  giveAccess(app)
  ignoreBodies(app)
  for (const schema of schemas) app.addSchema(schema)
  await registerOpenapi(app, deps)
  await registerRoutes(app, deps)
  await app.ready()
  return app
}

const schemas = [
  Problem,
  ...subscriptionSchemas,
  ...monitorSchemas,
  ...filterSchemas,
  ...eventSchemas,
  ...liveSchemas,
  ...systemSchemas,
  ...storageSchemas,
  ...statsSchemas,
  ...auditSchemas,
  ...eventTypeSchemas,
  ...replaySchemas,
  ...tenantSchemas,
  ...keySchemas,
  ...sourceSchemas,
  ...testReceiverSchemas,
  ...testSchemas,
]

/** Whether a request brings events, which come in any number. */
function isEvent({ method, url = '' }: IncomingMessage): boolean {
  if (url.startsWith('/ingest/') || url.startsWith('/in/')) return true
  return method === 'POST' && /^\/events(?:\/batch)?\/?(?:\?|$)/.test(url)
}

async function registerRoutes(app: FastifyInstance, deps: ServerDeps): Promise<void> {
  const { registerIngest } = deps
  const bodies = { bytesMax: deps.bodyLimitBytes, budget: new BodyBudget(deps.arrivingBytesMax) }
  const callers = deps.keys && new Callers(deps.keys, await keyLimit(app, deps.keyLimit), deps.sessions)
  if (registerIngest) {
    await app.register(async scope => {
      scope.removeAllContentTypeParsers()
      registerIngest(scope, { bodies, callers })
    })
  }
  await app.register(async scope => {
    readJsonBodies(scope, bodies)
    scope.addHook('onRequest', identifyCaller(callers))
    registerSystem(scope, deps.database, deps.system)
    registerStorage(scope, deps.database, deps.storage)
    registerMetrics(scope, deps.metrics)
    if (!registerIngest) return
    registerSubscriptions(scope, deps.subscriptions)
    registerEventTypes(scope, deps.eventTypes)
    registerAudit(scope, deps.database)
    registerMonitor(scope, deps)
    registerStats(scope, deps)
    registerTenants(scope, deps.tenants)
    registerKeys(scope, deps.access)
    registerCancelling(scope, deps.database)
    registerReplay(scope, deps)
    registerEvents(scope, deps)
    registerLive(scope, { ...deps, callers })
    registerExpunges(scope, deps.expunges)
    registerSources(scope, deps.sources)
    registerTestReceivers(scope, deps.testReceivers)
    registerTests(scope, deps)
    registerOwnership(scope, deps)
    registerInboundRefusals(scope, deps)
  })
  // Without a look at who asks.
  if (registerIngest) registerJwks(app, { subscriptions: deps.subscriptions, clock: deps.receiving.clock })
  await app.register(async scope => registerReceiving(scope, { bodies, ...deps.receiving }))
  await app.register(async scope => {
    registerHealth(scope, deps.readiness)
    if (!registerIngest) return
    registerPages(scope, deps)
    await registerDocs(scope, deps.basePath)
    if (deps.dashboard) registerDashboard(scope, { ...deps, ...deps.dashboard })
  })
  const { sessions, basePath } = deps
  if (!registerIngest || !callers || !sessions) return
  await app.register(async scope => {
    readJsonBodies(scope, bodies)
    registerSessions(scope, { sessions, callers, basePath })
  })
}

/** The plugin is loaded only where it is asked for. */
async function keyLimit(
  app: FastifyInstance,
  rules: KeyLimitRules | undefined,
): Promise<KeyLimit | undefined> {
  if (rules === undefined) return undefined
  const { openKeyLimit } = await import('../http/key-limit.ts')
  return openKeyLimit(app, rules)
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

/**
 * Waits until this process has read what had been sent to it. One that got no processor for a while still has clients
 * that it could not ask to leave: their connections would be closed with requests in them. A turn of the event loop takes
 * at most one new connection, and the next turn reads what came on it.
 */
async function readWhatArrived(server: Server): Promise<void> {
  let came = true
  const note = () => {
    came = true
  }
  server.on('connection', note)
  for (let turns = 0; came && turns < arrivedTurnsMax; turns++) {
    came = false
    await setImmediate()
    await setImmediate()
  }
  server.off('connection', note)
}

/** What was opened this long ago and has brought nothing is not about to. */
const unusedMs = 1000

/** Clients that come without end do not keep a process from its stop. */
const arrivedTurnsMax = 1000

/**
 * Closes each busy connection when it becomes idle. Else it would stay open until its client or a timeout closes it. Looks
 * just after the requests that had arrived were read: what is idle then has none in it.
 */
function closeAsTheyFallIdle(server: Server, connections: Connections): void {
  const sweep = () => {
    server.closeIdleConnections()
    connections.closeUnused(unusedMs)
  }
  const sweeping = setInterval(() => startImmediate(sweep), 20).unref()
  server.once('close', () => clearInterval(sweeping))
}
