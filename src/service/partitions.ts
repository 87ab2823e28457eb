import type { Config } from '../config/config.ts'
import { ensureAuditPartitions } from '../log/partitions.ts'
import type { Clock } from '../platform/clock.ts'
import { wordsOf } from '../platform/database-trouble.ts'
import { type Database, isDatabaseUnavailable, sqlState } from '../platform/postgres.ts'
import type { Troubles } from '../platform/troubles.ts'
import { makePartitions as makeUntold, presentMoments } from './retention.ts'

interface Deps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly troubles: Troubles
}

/**
 * Sees that there are partitions for the hours to come. One that cannot be made is told: nothing happens at once, as they
 * are made hours ahead, but then events are refused.
 *
 * @returns how many were made
 */
export function makePathPartitions(deps: Deps): Promise<number> {
  return told(deps.troubles, 'events', () => makeUntold(deps))
}

/** The same with those of the audit log. */
export async function makePartitions(deps: Deps): Promise<number> {
  const { config, database, clock, troubles } = deps
  const made = await makePathPartitions(deps)
  const ofAudit = await told(troubles, 'audit', async () => {
    let partitions = 0
    for (const now of await presentMoments(database, clock))
      partitions += await ensureAuditPartitions(database, now, config.auditRetentionDays)
    return partitions
  })
  return made + ofAudit
}

async function told(
  troubles: Troubles,
  subject: 'events' | 'audit',
  make: () => Promise<number>,
): Promise<number> {
  try {
    const made = await make()
    troubles.ended('partitions', subject)
    return made
  } catch (error) {
    if (isOfPartitions(error)) {
      troubles.began(
        {
          kind: 'partitions',
          subject,
          level: 'error',
          message:
            subject === 'events'
              ? 'partitions for the hours to come cannot be made; when those that are there end, events are refused'
              : 'partitions of the audit log cannot be made; when those that are there end, changes are refused',
          cause: wordsOf(error),
          over: 'partitions can be made again',
          counts: 'tries',
        },
        1,
      )
    }
    throw error
  }
}

/** An outage is told by itself. What the role may not do (42501) counts as one elsewhere, as it may be allowed again. */
function isOfPartitions(error: unknown): boolean {
  if (!isDatabaseUnavailable(error)) return true
  return sqlState(error.cause) === '42501'
}
