import type { Queryable } from './postgres.ts'

/** The database's time in Unix milliseconds. */
export async function databaseTime(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ ms: number }>({
    text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  })
  return rows[0]?.ms ?? 0
}
