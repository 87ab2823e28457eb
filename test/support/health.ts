import { DatabaseHealth } from '../../src/platform/database-health.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { someTroubles } from './troubles.ts'

/** The health of a database that nobody asks about. */
export function aHealth(): DatabaseHealth {
  return new DatabaseHealth({ logger: silentLogger(), troubles: someTroubles() })
}
