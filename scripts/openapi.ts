import type { OwnershipChecks } from '../src/deliver/ownership-checks.ts'
import type { TestSends } from '../src/deliver/test-sends.ts'
import { httpHint } from '../src/destinations/http/http-destination.ts'
import { EventTypes } from '../src/event-types/event-types.ts'
import { Expunges } from '../src/events/expunges.ts'
import type { Ingest } from '../src/ingest/ingest.ts'
import { Once } from '../src/ingest/once.ts'
import { ingestRoutes } from '../src/ingest/routes.ts'
import { withdrawAccess } from '../src/keys/keys.ts'
import { ManagedKeys } from '../src/keys/managed-keys.ts'
import { PortalTokens } from '../src/keys/portal-tokens.ts'
import { subscriptionLanes } from '../src/lanes/subscription-lanes.ts'
import type { Live } from '../src/live/live.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { defaultRetryPolicy } from '../src/model/retry-policy.ts'
import { systemClock } from '../src/platform/clock.ts'
import { silentLogger } from '../src/platform/logger.ts'
import { Database } from '../src/platform/postgres.ts'
import { createSealer } from '../src/platform/seal.ts'
import { Troubles } from '../src/platform/troubles.ts'
import { batchRoutes } from '../src/publish/batch-routes.ts'
import type { Publisher } from '../src/publish/publisher.ts'
import { publishRoutes } from '../src/publish/routes.ts'
import { Replays } from '../src/replay/replays.ts'
import { buildServer } from '../src/server/server.ts'
import type { InboundRefusals } from '../src/sources/inbound-refusals.ts'
import { sourceReceivingRoutes } from '../src/sources/receive-routes.ts'
import { Sources } from '../src/sources/sources.ts'
import { Stats } from '../src/stats/stats.ts'
import { Subscriptions } from '../src/subscriptions/subscriptions.ts'
import { Tenants } from '../src/tenants/tenants.ts'
import { TestReceivers } from '../src/test-receivers/test-receivers.ts'
import { version } from '../src/version.ts'

/**
 * The OpenAPI document of the service, as /openapi.json answers it. The server is built with all its routes, without a
 * port and without a database: no part connects before it is used.
 */
export async function openapiDocument(): Promise<string> {
  const logger = silentLogger()
  const clock = systemClock()
  const database = new Database({ connection: {}, poolSize: 1, queryTimeoutMs: 1, connectTimeoutMs: 1 })
  const seal = createSealer([Buffer.alloc(32)])
  const subscriptions = new Subscriptions({
    database,
    seal,
    defaults: {
      retry: defaultRetryPolicy,
      timeoutMs: 1,
      connectTimeoutMs: 1,
      maxInFlight: 1,
      capture: 'failures',
      requestOrigin: '',
    },
    checkTarget: async () => undefined,
    lanes: subscriptionLanes,
    ownership: { setting: 'off', isOwn: () => false },
    mayReveal: true,
    clock,
    log: logger,
  })
  // Only requests that bring events would reach these.
  const ingest = {} as Ingest
  const publisher = {} as Publisher
  const once = new Once(database)
  const eventTypes = new EventTypes({ database, log: logger })
  const testReceivers = new TestReceivers({ database, clock, seal, publicUrl: undefined })
  const sources = new Sources({ database, clock, seal, logger, publicUrl: undefined })
  const app = await buildServer({
    subscriptions,
    eventTypes,
    tenants: new Tenants({ database, withdrawAccess }),
    access: {
      keys: new ManagedKeys({ database, clock }),
      portalTokens: new PortalTokens({ database, clock, publicUrl: undefined }),
    },
    replays: new Replays({ database, clock, retentionMs: 1 }),
    live: { close: async () => {} } as Live, // only requests for a stream would reach more of it
    stats: new Stats({ database, clock }),
    expunges: new Expunges({ database, clock, logger }),
    sources,
    testReceivers,
    testSends: {} as TestSends,
    storage: {
      settings: [],
      retention: { log_hours: 0, payload_hours: 0, details_hours: 0, names_hours: 0, audit_days: 0 },
    },
    ownershipChecks: {} as OwnershipChecks,
    inboundRefusals: {} as InboundRefusals,
    receiving: {
      ...{ receivers: testReceivers, database, clock, seal, unwritten: { during: work => work() } },
      subscriptionsTo: async () => [],
      isDeleted: () => false,
    },
    database,
    hint: httpHint,
    keys: undefined,
    keyLimit: undefined,
    hostCheck: undefined,
    log: logger,
    bodyLimitBytes: 1,
    arrivingBytesMax: 1,
    connectionsMax: 1,
    version,
    basePath: '',
    dashboard: undefined,
    metrics: new Metrics({ database }),
    system: { troubles: new Troubles({ logger, now: Date.now }), id: () => 0, now: Date.now },
    drainMs: 0,
    readiness: async () => ({ ready: false, checks: {} }),
    registerIngest: (scope, edge) => {
      ingestRoutes(scope, {
        ...edge,
        ingest,
        once,
        eventTypes,
        subscription: () => undefined,
        findSubscription: async () => undefined,
        subscriptionWithUid: () => undefined,
        findIdOfUid: async () => undefined,
        logger,
      })
      const publishing = { ...edge, publisher, once, clock, logger }
      publishRoutes(scope, publishing)
      sourceReceivingRoutes(scope, {
        ...{ ...publishing, sources: sources.known, isDeleted: () => false },
        records: { accepted: () => {}, refused: () => {} },
        certificates: { keyOf: () => undefined, fetch: async () => {} },
        visit: async () => ({ status: 500, body: Buffer.alloc(0) }),
      })
      batchRoutes(scope, { ...publishing, batchBytesMax: 1 })
    },
  })
  const response = await app.inject('/openapi.json')
  await app.close()
  await database.close()
  if (response.statusCode !== 200) throw new Error(`/openapi.json answered ${response.statusCode}`)
  return `${JSON.stringify(response.json(), null, 2)}\n`
}
