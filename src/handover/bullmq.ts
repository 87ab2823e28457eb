import { Queue, Worker } from 'bullmq'
import type { RedisClient, RedisLink } from '../platform/redis.ts'

/** What one message says of a delivery: id of the event, id of the subscription, bytes of the payload. */
export type HandedRow = readonly [webhookId: string, subscriptionId: number, sizeBytes: number]

/** A message: what was committed for its reader, and when it was sent (Unix milliseconds). */
export interface Letter {
  readonly at: number
  readonly rows: readonly HandedRow[]
}

// The one file that knows BullMQ. One queue per process that delivers: who accepts an event chooses who delivers it
// before it is written, so its row is leased to the right process without a claim. A job is a batch, not a delivery:
// BullMQ spends some 30 commands on each.

const jobName = 'batch'

/** Messages of no use any more are not kept: what they told is in PostgreSQL. */
const forgetful = { attempts: 1, removeOnComplete: true, removeOnFail: true } as const

const nameOf = (owner: number) => `inbox-${owner}`

/** The way to one process. */
export interface Outbox {
  /** Rejects when Redis did not take it, or did not say so in time. */
  send(letter: Letter): Promise<void>
  close(): void
}

/** @param connection a producer's, shared by all outboxes */
export function openOutbox(link: RedisLink, connection: RedisClient, owner: number): Outbox {
  const queue = new Queue<Letter>(nameOf(owner), {
    connection,
    prefix: link.prefix,
    skipVersionCheck: true,
    skipWaitingForReady: true,
    skipMetasUpdate: true,
    defaultJobOptions: forgetful,
  })
  queue.on('error', error => link.report(error))
  return {
    async send(letter) {
      await queue.add(jobName, letter)
    },
    close: () => void queue.close().catch(() => {}),
  }
}

/** What this process is told. */
export interface Letters {
  close(): Promise<void>
}

/** Hears of every batch for `owner` from now on, also over losses of Redis. */
export function openLetters(
  link: RedisLink,
  connection: RedisClient,
  owner: number,
  receive: (letter: Letter) => void,
): Letters {
  const worker = new Worker<Letter>(
    nameOf(owner),
    async job => {
      receive(job.data)
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

/** Removes what is left in Redis of a process that is gone. */
export async function removeInbox(link: RedisLink, owner: number): Promise<void> {
  const queue = new Queue(nameOf(owner), {
    connection: link.client,
    prefix: link.prefix,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  })
  queue.on('error', error => link.report(error))
  await queue.obliterate({ force: true })
  await queue.close()
}
