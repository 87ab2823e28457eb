import type { Queryable } from '../platform/postgres.ts'

/** How many replays are counting, and how many are running. */
export async function countReplays(
  db: Queryable,
): Promise<{ readonly counting: number; readonly running: number }> {
  const { rows } = await db.query<{ counting: number; running: number }>({
    text: `
      select count(*) filter (where state = 'counting')::int as counting,
             count(*) filter (where state = 'running')::int as running
      from replays where state in ('counting', 'running')`,
  })
  return rows[0] ?? { counting: 0, running: 0 }
}
