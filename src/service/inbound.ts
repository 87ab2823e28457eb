import type { Membership } from '../cluster/membership.ts'
import type { Config } from '../config/config.ts'
import type { Throttle } from '../dispatch/throttle.ts'
import type { Holder } from '../handover/holder.ts'
import type { UnsureRows } from '../handover/unsure-rows.ts'
import { Ingest } from '../ingest/ingest.ts'
import { EventWriter } from '../ingest/writer.ts'
import type { Clock } from '../platform/clock.ts'
import { Deadline } from '../platform/deadline.ts'
import { uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database } from '../platform/postgres.ts'
import { fixedPlans } from '../platform/sql.ts'

export interface InboundDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: Throttle
  readonly unsure: UnsureRows
  /** Who keeps in memory what is accepted here. */
  readonly holder: Holder
  readonly membership: Membership
  /** Called when deliveries went straight to their lanes. */
  readonly lanesDue: (dueAt: number) => void
  readonly ensurePartitions: () => Promise<void>
}

/** The first half of an event's path: what accepts it and makes it durable. */
export class Inbound {
  readonly ingest: Ingest
  readonly writer: EventWriter

  constructor(deps: InboundDeps) {
    const { config, database, clock, logger, throttle, unsure, holder } = deps
    const { ingestTimeoutMs: timeoutMs } = config
    this.writer = new EventWriter({
      connections: ['ingest-1', 'ingest-2', 'ingest-3'].map(name =>
        database.connection(name, { queryTimeoutMs: timeoutMs, session: fixedPlans }),
      ),
      clock,
      logger,
      unsure,
      timeoutMs,
      ensurePartitions: deps.ensurePartitions,
    })
    this.ingest = new Ingest({
      clock,
      newId: uuidV7Source(clock),
      writer: this.writer,
      holder,
      opensAt: to => throttle.opensAt(to),
      membership: deps.membership,
      lanesDue: deps.lanesDue,
    })
  }

  /** Writes what was accepted before it was closed; what cannot be written in a moment is refused. */
  async stop(): Promise<void> {
    await new Deadline(1500).limit(this.writer.close())
  }
}
