import type { Database, Queryable, QueryResult, Statement } from '../src/platform/postgres.ts'

/** What was read through a database that explains. */
export interface Seen {
  statements: number
  /** Of 8 KiB, in the cache or not. */
  pages: number
}

/** The same database, of which each statement that reads is explained before it is run. */
export function explaining(database: Database): { readonly watched: Database; readonly seen: Seen } {
  const seen: Seen = { statements: 0, pages: 0 }
  const watching = (db: Queryable): Queryable => ({
    async query<Row extends object>(statement: Statement): Promise<QueryResult<Row>> {
      if (/^\s*(select|with)/.test(statement.text)) {
        const explain = { ...statement, text: `explain (analyze, buffers, format json) ${statement.text}` }
        const { rows } = await db.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(explain)
        const plan = rows[0]?.['QUERY PLAN'][0]?.Plan ?? {}
        seen.statements++
        seen.pages += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
      }
      return db.query<Row>(statement)
    },
  })
  const watched = {
    query: (statement: Statement) => watching(database).query(statement),
    transaction: (work: (tx: Queryable) => Promise<unknown>) =>
      database.transaction(tx => work(watching(tx))),
  } as unknown as Database // what lists use of it
  return { watched, seen }
}
