import type { Database } from '../platform/postgres.ts'
import { type PackedSubscription, scanSubscriptions } from './store.ts'

/** Rows read at a time, of all: with 5,000 instead of 1,000 PostgreSQL takes 0.8 and Node 0.6 times as long for each. */
const scanRows = 5000

/** No id is larger. */
export const idMax = 2 ** 31 - 1

/**
 * Reads all rows, where they are more than a page on two connections: from both ends until they meet, where some may be taken
 * twice. PostgreSQL packs rows half as fast as they are taken here: with one connection this process was idle for more than
 * half of the time.
 */
export async function readAll(database: Database, take: (row: PackedSubscription) => void): Promise<void> {
  // What is between them is still to be read.
  const ends = { upwards: 0, downwards: idMax + 1 }
  const read = async (direction: keyof typeof ends, page: Promise<readonly PackedSubscription[]>) => {
    for (let next = page; ends.upwards < ends.downwards; ) {
      const rows = await next
      const last = rows.at(-1)
      if (last === undefined || rows.length < scanRows) {
        ends[direction] = direction === 'upwards' ? ends.downwards : ends.upwards
      } else {
        ends[direction] = last.id
        next = scanSubscriptions(database, direction, last.id, scanRows)
        next.catch(() => {}) // it is met when this page was taken
      }
      for (const row of rows) take(row)
    }
  }
  const first = scanSubscriptions(database, 'upwards', 0, scanRows)
  if ((await first).length < scanRows) return read('upwards', first)
  const down = scanSubscriptions(database, 'downwards', idMax + 1, scanRows)
  const both = await Promise.allSettled([read('upwards', first), read('downwards', down)])
  for (const end of both) if (end.status === 'rejected') throw end.reason
}
