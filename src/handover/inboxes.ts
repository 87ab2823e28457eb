import { readProcesses } from '../cluster/store.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RedisLink } from '../platform/redis.ts'
import { removeInbox } from './bullmq.ts'

const knownInboxes = 'inboxes'

/** Writes down that there is an inbox, so that it can be removed when its process has died. Best effort. */
export function rememberInbox(link: RedisLink, owner: number): void {
  link.client.sadd(link.key(knownInboxes), owner).catch(() => {}) // Redis is away: nothing is kept in it either
}

/** Removes an inbox with all that is in it: PostgreSQL holds what its messages told of. */
export async function forgetInbox(link: RedisLink, owner: number): Promise<void> {
  await removeInbox(link, owner)
  await link.client.srem(link.key(knownInboxes), owner)
}

/** Removes from Redis what dead processes left behind there. @returns how many inboxes there were */
export async function removeDeadInboxes(link: RedisLink, db: Queryable): Promise<number> {
  if (!link.isUsable) return 0
  // Redis first: a process is known to PostgreSQL before it has an inbox.
  const inboxes = await link.client.smembers(link.key(knownInboxes))
  const living = new Set((await readProcesses(db)).map(({ id }) => id))
  const dead = inboxes.map(Number).filter(owner => !living.has(owner))
  for (const owner of dead) await forgetInbox(link, owner)
  return dead.length
}
