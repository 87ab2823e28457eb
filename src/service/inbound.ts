import type { Unwritten } from '../cluster/unwritten.ts'
import type { Config } from '../config/config.ts'
import type { RecentContents } from '../deliver/recent-contents.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import type { Handover } from '../handover/handover.ts'
import { Ingest } from '../ingest/ingest.ts'
import { Once } from '../ingest/once.ts'
import { EventWriter, wideEventWriter } from '../ingest/writer.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { PathFacts } from '../model/path-facts.ts'
import type { Clock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { Deadline } from '../platform/deadline.ts'
import { uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable, Transactional } from '../platform/postgres.ts'
import { fixedPlans } from '../platform/sql.ts'
import type { Troubles } from '../platform/troubles.ts'
import { Publisher } from '../publish/publisher.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { Access } from './access.ts'

export interface InboundDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly health: DatabaseHealth
  readonly troubles: Troubles
  readonly metrics: Metrics
  readonly tracing: Tracing | undefined
  /** How what is accepted here gets to a process that delivers it. */
  readonly handover: Handover
  /** Undefined where nothing is delivered. */
  readonly recentContents: RecentContents | undefined
  readonly ensurePartitions: () => Promise<void>
  readonly subscriptions: Subscriptions
  readonly eventTypes: EventTypes
  readonly access: Pick<Access, 'tenants'>
  readonly facts: PathFacts
  readonly membership: { readonly unwritten: Unwritten }
}

/** The first half of an event's path: what accepts it and makes it durable. */
export class Inbound {
  readonly ingest: Ingest
  readonly writer: EventWriter
  readonly publisher: Publisher
  readonly once: Once
  readonly #wideWriter: EventWriter<Transactional>
  readonly #writerInOrder: EventWriter

  constructor(deps: InboundDeps) {
    const { config, database, clock, logger, health, handover, subscriptions, eventTypes, facts } = deps
    const { tenants } = deps.access
    const { ingestTimeoutMs: timeoutMs } = config
    const { unwritten } = deps.membership
    const { ensurePartitions } = deps
    const overloaded = () => tellOverload(deps.troubles)
    const shared = { clock, logger, health, timeoutMs, facts, unwritten, ensurePartitions, overloaded }
    const settings = { queryTimeoutMs: timeoutMs, session: fixedPlans }
    this.writer = new EventWriter<Queryable>({
      ...shared,
      connections: ['ingest-1', 'ingest-2', 'ingest-3'].map(name => database.connection(name, settings)),
    })
    this.once = new Once(database, () => deps.metrics.path.deduplicated())
    // Events for more than a thousand subscriptions wait for each other only.
    this.#wideWriter = wideEventWriter({
      ...shared,
      connections: [database.connection('fan-out', { ...settings, isRare: true })],
    })
    this.#writerInOrder = new EventWriter<Queryable>({
      ...shared,
      connections: [database.connection('ingest-in-order', { ...settings, isRare: true })],
    })
    unwritten.on(() => this.writer.oldest)
    unwritten.on(() => this.#writerInOrder.oldest)
    unwritten.on(() => this.#wideWriter.oldest)
    const newId = uuidV7Source(clock)
    const { tracing, recentContents } = deps
    const writers = {
      writer: this.writer,
      wideWriter: this.#wideWriter,
      writerInOrder: this.#writerInOrder,
    }
    this.ingest = new Ingest({ clock, newId, ...writers, handover, tracing, recentContents })
    const found = { subscriptions, eventTypes, tenants }
    this.publisher = new Publisher({ ...found, ingest: this.ingest, database, clock })
  }

  /** Events that wait for a transaction. */
  get waiting(): number {
    return this.writer.depth + this.#wideWriter.depth + this.#writerInOrder.depth
  }

  /** Writes what was accepted before it was closed; what cannot be written in a moment is refused. */
  async stop(): Promise<void> {
    const writers = [this.writer, this.#wideWriter, this.#writerInOrder]
    await new Deadline(1500).limit(Promise.all(writers.map(writer => writer.close())))
  }
}

/** When nothing was refused for this long, it is over. */
const overloadQuietMs = 10_000

function tellOverload(troubles: Troubles): void {
  // While the database is away, that is what is told.
  if (troubles.has('database') || troubles.has('disk_full')) return
  troubles.occurred(
    {
      kind: 'overload',
      level: 'warn',
      message:
        'more events come in than can be written; those beyond are refused with 503 and Retry-After: add processors, or a faster disk for PostgreSQL',
      over: 'all events are accepted again',
      counts: 'refused',
    },
    overloadQuietMs,
  )
}
