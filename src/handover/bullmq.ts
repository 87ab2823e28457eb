import { Queue, Worker } from 'bullmq'
import { readLiving } from '../cluster/membership.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { RedisClient, RedisLink } from '../platform/redis.ts'

/** What a message says of a delivery: id of the event, id of the subscription, bytes of the payload. */
export type MessageRow = readonly [webhookId: Uuid, subscriptionId: number, sizeBytes: number]

/** Tells a worker of rows that are committed as leased to it. */
export interface Message {
  /** No other message has it. */
  readonly id: string
  readonly rows: readonly MessageRow[]
}

// The one file that knows BullMQ. One queue per worker: who accepts an event chooses who delivers it before it is
// written, so its row is leased to the right process without a claim. A job is a batch, not a delivery: BullMQ spends
// some 30 commands on each.

const jobName = 'batch'

const queueNameOf = (owner: number) => `handover-${owner}`

/** The set of all queues, so that those of dead workers can be removed. */
const knownQueues = 'handover-queues'

/** The way to one worker. */
export interface QueueTo {
  /** Rejects when Redis did not take it, or did not say so in time. */
  send(message: Message): Promise<void>
  close(): void
}

/** @param connection a producer's, shared by all queues */
export function openQueueTo(link: RedisLink, connection: RedisClient, owner: number): QueueTo {
  const queue = new Queue<Message>(queueNameOf(owner), {
    connection,
    prefix: link.prefix,
    skipVersionCheck: true,
    skipWaitingForReady: true,
    skipMetasUpdate: true,
    // Messages of no use any more are not kept: what they told is in PostgreSQL.
    defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
  })
  queue.on('error', error => link.report(error))
  return {
    async send(message) {
      await queue.add(jobName, message)
    },
    close: () => void queue.close().catch(() => {}),
  }
}

/** The messages to this worker. */
export interface OwnQueue {
  /** Hears nothing more. What is left in Redis is removed by `removeQueue`. */
  close(): Promise<void>
}

/** Hears of every message to `owner` from now on, also over losses of Redis. */
export function openOwnQueue(
  link: RedisLink,
  connection: RedisClient,
  owner: number,
  hear: (message: Message) => void,
): OwnQueue {
  link.client.sadd(link.key(knownQueues), owner).catch(() => {}) // Redis is away: nothing is kept in it either
  const worker = new Worker<Message>(
    queueNameOf(owner),
    async job => {
      hear(job.data)
    },
    {
      connection,
      prefix: link.prefix,
      skipVersionCheck: true,
      concurrency: 4,
      // A batch is taken over at once, and what gets lost with this process is found in PostgreSQL: no locks to renew,
      // no stalled jobs to look for.
      skipLockRenewal: true,
      skipStalledCheck: true,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  )
  worker.on('error', error => link.report(error))
  return { close: () => worker.close(true) }
}

/** Removes a queue with all that is in it: PostgreSQL holds what its messages told of. */
export async function removeQueue(link: RedisLink, owner: number): Promise<void> {
  const queue = new Queue(queueNameOf(owner), {
    connection: link.client,
    prefix: link.prefix,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  })
  queue.on('error', error => link.report(error))
  await queue.obliterate({ force: true })
  await queue.close()
  await link.client.srem(link.key(knownQueues), owner)
}

/** Removes from Redis what dead workers left behind there. @returns how many queues there were */
export async function removeDeadQueues(link: RedisLink, db: Queryable): Promise<number> {
  if (!link.isUsable) return 0
  // Redis first: a process is known to PostgreSQL before it has a queue.
  const owners = (await link.client.smembers(link.key(knownQueues))).map(Number)
  const living = await readLiving(db)
  const dead = owners.filter(owner => !living.has(owner))
  for (const owner of dead) await removeQueue(link, owner)
  return dead.length
}
