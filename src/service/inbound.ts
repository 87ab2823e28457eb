import type { Config } from '../config/config.ts'
import type { Handover } from '../handover/handover.ts'
import { Ingest } from '../ingest/ingest.ts'
import { Once } from '../ingest/once.ts'
import { EventWriter } from '../ingest/writer.ts'
import type { Clock } from '../platform/clock.ts'
import type { DatabaseHealth } from '../platform/database-health.ts'
import { Deadline } from '../platform/deadline.ts'
import { uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { fixedPlans } from '../platform/sql.ts'
import { Publisher } from '../publish/publisher.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'

export interface InboundDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly health: DatabaseHealth
  /** How what is accepted here gets to a process that delivers it. */
  readonly handover: Handover
  readonly ensurePartitions: () => Promise<void>
  readonly subscriptions: Subscriptions
}

/** The first half of an event's path: what accepts it and makes it durable. */
export class Inbound {
  readonly ingest: Ingest
  readonly writer: EventWriter
  readonly publisher: Publisher
  readonly once: Once

  constructor(deps: InboundDeps) {
    const { config, database, clock, logger, health, handover, subscriptions } = deps
    const { ingestTimeoutMs: timeoutMs } = config
    this.writer = new EventWriter({
      connections: ['ingest-1', 'ingest-2', 'ingest-3'].map(name =>
        database.connection(name, { queryTimeoutMs: timeoutMs, session: fixedPlans }),
      ),
      clock,
      logger,
      health,
      timeoutMs,
      ensurePartitions: deps.ensurePartitions,
    })
    this.ingest = new Ingest({ clock, newId: uuidV7Source(clock), writer: this.writer, handover })
    this.once = new Once(database)
    this.publisher = new Publisher({ ingest: this.ingest, subscriptions, database, clock })
  }

  /** Writes what was accepted before it was closed; what cannot be written in a moment is refused. */
  async stop(): Promise<void> {
    await new Deadline(1500).limit(this.writer.close())
  }
}
