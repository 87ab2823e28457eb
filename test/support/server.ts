import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { OwnershipChecks } from '../../src/deliver/ownership-checks.ts'
import { TestSends } from '../../src/deliver/test-sends.ts'
import { HttpDestination, httpHint } from '../../src/destinations/http/http-destination.ts'
import { EventTypes } from '../../src/event-types/event-types.ts'
import { Expunges } from '../../src/events/expunges.ts'
import { readRawBodies } from '../../src/http/json-body.ts'
import { withdrawAccess } from '../../src/keys/keys.ts'
import { ManagedKeys } from '../../src/keys/managed-keys.ts'
import { PortalTokens } from '../../src/keys/portal-tokens.ts'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createSealer } from '../../src/platform/seal.ts'
import { Replays } from '../../src/replay/replays.ts'
import { buildServer, type ServerDeps } from '../../src/server/server.ts'
import { openTokens } from '../../src/service/credentials.ts'
import { inboundFaults } from '../../src/sources/inbound.ts'
import { InboundRefusals } from '../../src/sources/inbound-refusals.ts'
import { Sources } from '../../src/sources/sources.ts'
import { Stats } from '../../src/stats/stats.ts'
import { Subscriptions } from '../../src/subscriptions/subscriptions.ts'
import { Verifications } from '../../src/subscriptions/verifications.ts'
import { Tenants } from '../../src/tenants/tenants.ts'
import { TestReceivers } from '../../src/test-receivers/test-receivers.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { testEgress } from './egress.ts'
import { testLive } from './live.ts'
import { someTroubles } from './troubles.ts'

export const testSealer = createSealer([Buffer.alloc(32, 7)])

export const testDefaults = {
  retry: defaultRetryPolicy,
  timeoutMs: 10_000,
  connectTimeoutMs: 5000,
  maxInFlight: 10,
  capture: 'failures' as const,
  requestOrigin: 'localhost',
}

export const testDashboard = {
  ...{ auth: 'none' as const, frameAncestors: [] },
  portal: { name: 'Webhooks', accent: undefined, logo: undefined },
}

export function testSubscriptions(
  world: Pick<TestDatabase, 'database'>,
  changes: Partial<ConstructorParameters<typeof Subscriptions>[0]> = {},
): Subscriptions {
  return new Subscriptions({
    database: world.database,
    seal: testSealer,
    defaults: testDefaults,
    checkTarget: async () => undefined,
    checkInbound: inboundFaults,
    lanes: subscriptionLanes,
    ownership: { setting: 'off', isOwn: () => false },
    mayReveal: true,
    clock: systemClock(),
    log: silentLogger(),
    ...changes,
  })
}

/** Asks receivers on this machine. */
export function testOwnershipChecks(
  database: TestDatabase['database'],
  subscriptions: Subscriptions,
  clock: Clock = systemClock(),
): OwnershipChecks {
  const refresh = (id: number) => subscriptions.refresh(id)
  return new OwnershipChecks({
    ...{ clock, logger: silentLogger(), subscriptions, userAgent: 'test/1', origin: 'sender.example' },
    verifications: new Verifications({
      ...{ database, clock, refresh },
      ...{ lanes: subscriptionLanes, defaults: testDefaults },
    }),
    destination: new HttpDestination({
      clock,
      responseBytesMax: 4096,
      connectorFor: () => testEgress().connector,
      capture: { of: 'all', bodyBytesMax: 4096 },
    }),
  })
}

export interface TestServer extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly url: string
  readonly port: number
  readonly subscriptions: Subscriptions
  readonly eventTypes: EventTypes
  readonly testReceivers: TestReceivers
  readonly world: TestDatabase
  /** `fetch` at this server; an object given as `json` is sent as JSON. */
  request(path: string, init?: RequestInit & { readonly json?: unknown }): Promise<TestAnswer>
}

export interface TestAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON, or undefined. */
  readonly json: unknown
}

/** The HTTP edge on a port of its own, with a database of its own. Ingest answers 202 with what it was sent. */
export async function testServer(changes: Partial<ServerDeps> = {}): Promise<TestServer> {
  const world = await testDatabase()
  const subscriptions = changes.subscriptions ?? testSubscriptions(world)
  const eventTypes = changes.eventTypes ?? new EventTypes({ database: world.database, log: silentLogger() })
  const retentionMs = 72 * 3_600_000
  const unwritten = { during: <T>(work: () => Promise<T>) => work() }
  const testReceivers = new TestReceivers({
    ...{ database: world.database, clock: systemClock(), seal: testSealer, publicUrl: undefined },
  })
  const sources = new Sources({
    ...{ database: world.database, clock: systemClock(), seal: testSealer, logger: silentLogger() },
    publicUrl: undefined,
  })
  const egress = testEgress()
  const seal = testSealer
  const tokens = openTokens({
    ...{ database: world.database, clock: systemClock(), logger: silentLogger(), egress, seal },
  })
  const app = await buildServer({
    subscriptions,
    eventTypes,
    tenants: new Tenants({ database: world.database, withdrawAccess }),
    access: {
      keys: new ManagedKeys({ database: world.database, clock: systemClock() }),
      portalTokens: new PortalTokens({
        database: world.database,
        clock: systemClock(),
        publicUrl: undefined,
      }),
    },
    replays: new Replays({ database: world.database, clock: systemClock(), retentionMs }),
    live: testLive(world),
    stats: new Stats({ database: world.database, clock: systemClock() }),
    expunges: new Expunges({ database: world.database, clock: systemClock(), logger: silentLogger() }),
    sources,
    testReceivers,
    testSends: new TestSends({
      ...{ database: world.database, clock: systemClock(), unwritten, subscriptions, eventTypes },
      destination: new HttpDestination({
        clock: systemClock(),
        responseBytesMax: 65_536,
        connectorFor: ({ credentials }) =>
          credentials?.tls ? egress.connectorOf(credentials.tls) : egress.connector,
        tokens,
        capture: { of: 'all', bodyBytesMax: 16_384 },
      }),
      ...{ userAgent: 'test/1', hint: httpHint, capture: 'failures' },
    }),
    ownershipChecks: testOwnershipChecks(world.database, subscriptions),
    inboundRefusals: new InboundRefusals({ database: world.database, clock: { now: Date.now } }),
    receiving: {
      ...{
        receivers: testReceivers,
        database: world.database,
        clock: systemClock(),
        seal: testSealer,
        unwritten,
      },
      subscriptionsTo: url => subscriptions.leadingTo(url),
      isDeleted: () => false,
    },
    database: world.database,
    hint: httpHint,
    keys: undefined,
    keyLimit: undefined,
    hostCheck: undefined,
    log: silentLogger(),
    bodyLimitBytes: 65_536,
    arrivingBytesMax: 1_048_576,
    connectionsMax: 1000,
    version: '0.0.0-test',
    basePath: '',
    dashboard: testDashboard,
    metrics: new Metrics({ database: world.database }),
    storage: {
      settings: [],
      retention: { log_hours: 72, payload_hours: 72, details_hours: 72, names_hours: 72, audit_days: 400 },
    },
    system: { troubles: someTroubles(), id: () => 0, now: Date.now },
    readiness: async () => ({ ready: true, checks: { database: 'ok' } }),
    drainMs: 0,
    registerIngest: (scope, { bodies }) => {
      readRawBodies(scope, bodies)
      scope.post('/ingest/:id', (request, reply) => reply.code(202).send(request.body ?? ''))
    },
    ...changes,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo // it listens on TCP
  const url = `http://127.0.0.1:${port}`
  return {
    app,
    url,
    port,
    subscriptions,
    eventTypes,
    testReceivers,
    world,
    request: (path, init) => requestAt(url + path, init),
    async [Symbol.asyncDispose]() {
      await app.close()
      await world.close()
    },
  }
}

async function requestAt(
  url: string,
  { json, ...init }: RequestInit & { readonly json?: unknown } = {},
): Promise<TestAnswer> {
  const headers = new Headers(init.headers)
  if (json !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')
  const body = json === undefined ? (init.body ?? null) : JSON.stringify(json)
  const response = await fetch(url, { ...init, headers, body })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
