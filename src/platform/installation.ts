import { randomUUID } from 'node:crypto'
import { lockFact } from './installation-store.ts'
import type { Database } from './postgres.ts'

export { readFact, setFact } from './installation-store.ts'

/** Names this installation: the same for all processes on its database, and no other's. Made by the first to ask. */
export async function installationId(database: Database): Promise<string> {
  return String(await database.transaction(tx => lockFact(tx, 'id', randomUUID())))
}
