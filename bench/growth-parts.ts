import pg from 'pg'
import type { Children } from './children.ts'
import { fillLog, fillRetries, fillSubscriptions } from './growth-fill.ts'
import { openWorld, type World } from './growth-world.ts'

/** What may grow, and is compared by size. `memory` grows with time alone, see growth-memory.ts. */
export const parts = ['subscriptions', 'retries', 'log', 'held-transaction', 'processes'] as const
export type Part = (typeof parts)[number]

/** Subscriptions among which the retries are spread. */
const retryingSubscriptions = 1000

/** The sizes of a part, smallest first; `logRows` is the larger one of the log. */
export function sizesOf(part: Part, logRows: number): readonly number[] {
  switch (part) {
    case 'subscriptions':
      return [1, 1000, 100_000]
    case 'retries':
      return [0, 100_000, 1_000_000]
    case 'log':
      return [Math.min(1_000_000, Math.floor(logRows / 2)), logRows]
    case 'held-transaction':
      return [0, 1]
    case 'processes':
      return [1, 2, 4]
  }
}

/** A service whose database has the given size of the part. */
export async function grow(
  children: Children,
  receiverPort: number,
  part: Part,
  size: number,
): Promise<World> {
  const settings = part === 'processes' ? { PROCESSES: String(size) } : {}
  const world = await openWorld(children, receiverPort, settings)
  switch (part) {
    case 'subscriptions':
      await fillSubscriptions(world, size - 1)
      return world
    case 'retries':
      await fillSubscriptions(world, retryingSubscriptions)
      await fillRetries(world, size)
      return world
    case 'log':
      await fillLog(world, size)
      return world
    case 'held-transaction':
      return size === 0 ? world : holdTransaction(world)
    case 'processes':
      return world
  }
}

/** Opens a transaction with a snapshot of now, so that vacuum can remove no row that dies from now on. */
async function holdTransaction(world: World): Promise<World> {
  const client = new pg.Client({ ...world.connection, application_name: 'held transaction' })
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from subscriptions')
  return {
    ...world,
    async close() {
      await client.query('commit')
      await client.end()
      await world.close()
    },
  }
}
