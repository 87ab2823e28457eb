import pg from 'pg'
import type { TestConnection } from './database.ts'

/** While it lasts no event is committed, as if the disk of the database did not answer. */
export interface StalledCommits extends AsyncDisposable {
  /** How many transactions with events wait just now. */
  waiting(): Promise<number>
  end(): Promise<void>
}

export async function stallCommits(connection: TestConnection): Promise<StalledCommits> {
  const blocker = new pg.Client(connection)
  await blocker.connect()
  await blocker.query('begin; lock table events in exclusive mode')
  let ended = false
  const end = async () => {
    if (ended) return
    ended = true
    await blocker.query('rollback')
    await blocker.end()
  }
  return {
    end,
    [Symbol.asyncDispose]: end,
    async waiting() {
      const { rows } = await blocker.query<{ n: number }>(
        // Those that write: retention, which only reads, waits too.
        `select count(*)::int as n from pg_locks
         where relation = 'events'::regclass and mode = 'RowExclusiveLock' and not granted`,
      )
      return rows[0]?.n ?? 0
    },
  }
}
