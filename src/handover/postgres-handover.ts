import type { Bell } from '../cluster/bell.ts'
import type { Handover } from './handover.ts'

/** PostgreSQL alone between the processes: nobody holds anything, and a bell rings for the lanes. */
export class PostgresHandover implements Handover {
  readonly #bell: Pick<Bell, 'ring'>

  constructor(bell: Pick<Bell, 'ring'>) {
    this.#bell = bell
  }

  offer(): null {
    return null
  }

  commit(): void {
    this.#bell.ring()
  }

  abort(): void {} // it took no room, and if it was written it is in its lane

  async stop(): Promise<void> {}
}
