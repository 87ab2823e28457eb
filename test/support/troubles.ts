import { type Logger, silentLogger } from '../../src/platform/logger.ts'
import { Troubles } from '../../src/platform/troubles.ts'

/** The place where troubles are told, which tells them to this logger. */
export function someTroubles(logger: Pick<Logger, 'warn' | 'error'> = silentLogger()): Troubles {
  return new Troubles({ logger, now: Date.now })
}
