import type { Queryable, Statement } from '../../src/platform/postgres.ts'

interface PlanNode {
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/**
 * A database that says how many rows its statements go through: what every step of their plans answers and removes, each time it is run.
 * A plan that compares each row with each is seen by that, also where it takes little time.
 */
export function countingVisited(db: Queryable) {
  const visited = { rows: 0 }
  const counting: Queryable = {
    async query<Row extends object>({ text, values = [] }: Statement) {
      const explained = await db.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>({
        text: `explain (analyze, timing off, format json) ${text}`,
        values,
      })
      const [plan] = explained.rows[0]?.['QUERY PLAN'] ?? []
      if (plan === undefined) throw new Error('a statement was not explained')
      visited.rows += visitedIn(plan.Plan)
      return { rows: [] as Row[], rowCount: 0 }
    },
  }
  return { visited, counting }
}

function visitedIn(node: PlanNode): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0)
  const own = (node['Actual Rows'] + removed) * node['Actual Loops']
  return own + (node.Plans ?? []).reduce((sum, part) => sum + visitedIn(part), 0)
}
