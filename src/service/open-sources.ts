import type { Notices } from '../cluster/notices.ts'
import type { Config } from '../config/config.ts'
import type { Egress } from '../egress/egress.ts'
import { guardedGet } from '../egress/guarded-get.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { type Database, isDatabaseUnavailable } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { Certificates, type Visit } from '../sources/certificates.ts'
import { InboundRefusals } from '../sources/inbound-refusals.ts'
import { sourceNotice } from '../sources/known-sources.ts'
import { SourceRecords } from '../sources/records.ts'
import { Sources } from '../sources/sources.ts'
import { userAgent } from '../version.ts'

export interface OpenSourcesDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly seal: Sealer
  readonly egress: Egress
}

/** Sources, and what takes requests for them besides. */
export interface OpenSources {
  readonly sources: Sources
  readonly sourceRecords: SourceRecords
  readonly inboundRefusals: InboundRefusals
  readonly certificates: Certificates
  readonly visit: Visit
}

/** More than a chain of certificates has. */
const visitBytesMax = 65_536
const visitTimeoutMs = 5000

/** Makes the sources; where events are accepted, they hear of what other processes change. */
export function openSources(deps: OpenSourcesDeps, notices: Notices): OpenSources {
  const { config, logger } = deps
  const publicUrl = config.publicUrl.replace(/\/+$/, '') || undefined
  const sources = new Sources({ ...deps, publicUrl, basePath: config.basePath })
  const { known } = sources
  if (config.role !== 'worker') {
    notices.on(
      sourceNotice,
      id => {
        known.refresh(id).catch(error => {
          const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // then all are read again afterwards
          logger[level]({ err: error, source_id: id }, 'a changed source could not be read')
        })
      },
      () => known.load(),
    )
  }
  const visit: Visit = url =>
    guardedGet(deps.egress.connector, url, {
      ...{ bytesMax: visitBytesMax, timeoutMs: visitTimeoutMs },
      userAgent: userAgent(config.contactUrl),
    })
  return {
    ...{ sources, visit },
    sourceRecords: new SourceRecords(deps),
    inboundRefusals: new InboundRefusals(deps),
    certificates: new Certificates({ ...deps, visit }),
  }
}
