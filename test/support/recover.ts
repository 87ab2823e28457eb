import { recoverHoldings } from '../../src/lanes/recover.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database } from '../../src/platform/postgres.ts'

/** Puts all that a process holds into the lanes, due by the real time. @returns how many deliveries there were */
export async function recoverAll(database: Database, id: number, from = 0): Promise<number> {
  const deps = { database, clock: { now: () => Date.now() }, logger: silentLogger() }
  const recovered = await recoverHoldings(deps, { id, from }, new AbortController().signal)
  if (recovered.kind === 'busy') throw new Error('another one is recovering')
  return recovered.deliveries
}
