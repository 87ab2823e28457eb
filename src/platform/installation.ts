import { randomUUID } from 'node:crypto'
import { lockFact } from './installation-store.ts'
import type { Database } from './postgres.ts'

export { readFact, setFact } from './installation-store.ts'

/** The id of this installation: the same for all processes on its database. The first process that asks makes it. */
export async function installationId(database: Database): Promise<string> {
  return String(await database.transaction(tx => lockFact(tx, 'id', randomUUID())))
}
