import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { PostgresBell, RedisBell } from '../../src/cluster/bell.ts'
import { Throttle } from '../../src/dispatch/throttle.ts'
import type { Handover } from '../../src/handover/handover.ts'
import { LaneReturn } from '../../src/handover/lane-return.ts'
import { PostgresHandover } from '../../src/handover/postgres-handover.ts'
import { RedisHandover } from '../../src/handover/redis-handover.ts'
import { insertEvents, type OwedRow } from '../../src/ingest/store.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { databaseTime } from '../../src/platform/database-time.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { installationId } from '../../src/platform/installation.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { openRedis, type RedisLink } from '../../src/platform/redis.ts'
import { testCluster } from './cluster.ts'
import { aMember } from './member.ts'
import { type Program, startReceiver } from './receiver.ts'
import { type TestRedis, testRedis } from './redis.ts'
import { anEvent, owedFor } from './rows.ts'
import { client, eventually, type ServiceProcess, settledAudit, startProcess } from './service.ts'
import { aSubscription } from './subscription.ts'
import { someTroubles } from './troubles.ts'

/** The two ways between processes. */
export const ways = ['PostgreSQL alone', 'BullMQ'] as const
export type Way = (typeof ways)[number]

/** Events that a test accepts step by step. */
export interface Accepted {
  readonly ids: readonly Uuid[]
  /** To whom the first one is leased. */
  readonly owner: number | null
  /** Tells whoever is to send it. */
  commit(): void
  abort(written: 'no' | 'unknown'): void
}

/** A process that accepts events, each step of it taken by the test. */
export interface Accepting {
  readonly handover: Handover
  /** Waits until a worker is offered what comes; nothing to wait for where nobody is. */
  ready(): Promise<void>
  /** Offers and writes (unless told not to) one event, or several in one transaction. */
  accept(
    subscriptionId: number,
    options?: { readonly isWritten?: boolean; readonly count?: number },
  ): Promise<Accepted>
}

/** Where deliveries go that only show what a worker has heard of. */
const heardPath = '/heard'

/** An installation with one way between its processes: an api for what people ask, a receiver, and workers as started. */
export async function handoverWorld(way: Way, t: TestContext, program: Program = {}) {
  const redis = way === 'BullMQ' ? await testRedis(t) : undefined
  if (way === 'BullMQ' && !redis) return undefined
  const receiver = await startReceiver(program)
  // All in one Node.js: a worker that is only slow here is not to be taken for dead.
  const cluster = await testCluster({ CIRCUIT_FAILURES: '0', ...(redis && { REDIS_URL: redis.url }) })
  const { database } = cluster.world
  const service = await cluster.start('api')
  const api = client(service.url)
  const accepting = await startAccepting(database, redis)
  const children: ServiceProcess[] = []
  t.after(async () => {
    redis?.resume()
    await Promise.all(children.map(child => child.end('SIGKILL')))
    await accepting.stop()
    await cluster[Symbol.asyncDispose]()
    await receiver.close()
    await redis?.[Symbol.asyncDispose]()
  })
  const received = () => receiver.received.filter(({ path }) => !path.startsWith(heardPath))
  const idsReceived = () => received().map(({ headers }) => String(headers['webhook-id']))
  return {
    redis,
    receiver,
    cluster,
    database,
    api,
    service,
    accepting,
    subscribe: async (changes: object = {}) =>
      (await api.subscribe({ target_url: receiver.origin, retry: { schedule_seconds: [1] }, ...changes })).id,
    /** A worker in this Node.js. */
    startWorker: () => cluster.start('worker'),
    /** A worker that can be stopped and killed. */
    async startWorkerProcess(): Promise<ServiceProcess> {
      const child = await startProcess({ ...cluster.environment, ROLE: 'worker' })
      children.push(child)
      return child
    },
    idsReceived,
    /** Waits until the worker has heard of all changes made so far: it goes by a later one, with deliveries of its own. */
    async heardOfChanges(): Promise<void> {
      const [before, after] = [`${heardPath}/before`, `${heardPath}/after`]
      const { id } = await api.subscribe({ target_url: `${receiver.origin}${before}` })
      const sentTo = (to: string) =>
        eventually(async () => {
          await acceptAll(accepting, [id])
          return receiver.received.some(({ path }) => path === to)
        })
      await sentTo(before)
      await api.patch(id, { target_url: `${receiver.origin}${after}` })
      await sentTo(after)
    },
    /** Waits until these and no others were delivered, each at most `timesMost` times, and nothing is owed any more. */
    async delivered(ids: readonly string[], timesMost = 1): Promise<void> {
      await eventually(
        async () => new Set(idsReceived()).size,
        size => size >= ids.length,
        30_000,
      )
      assert.equal((await settledAudit(cluster.world)).missing, 0)
      const times = new Map([...Map.groupBy(idsReceived(), id => id)].map(([id, all]) => [id, all.length]))
      assert.deepEqual([...times.keys()].sort(), [...ids].sort())
      assert.ok(
        Math.max(...times.values()) <= timesMost,
        `one was delivered ${Math.max(...times.values())} times`,
      )
    },
  }
}

async function startAccepting(database: Database, redis: TestRedis | undefined) {
  const clock = systemClock()
  clock.steer(await databaseTime(database))
  const newId = uuidV7Source(clock)
  const { handover, link } = await openHandover(database, redis)
  const to = (id: number) => aSubscription({ id, maxInFlight: 100 })
  const accepting: Accepting & { stop(): Promise<void> } = {
    handover,
    async ready() {
      if (!link) return
      await eventually(
        async () => {
          const owner = handover.offer(to(1), 10)
          handover.abort({ webhookId: newId(), subscriptionId: 1, sizeBytes: 10, owner }, 'no')
          return owner
        },
        owner => owner !== null,
      )
    },
    async accept(subscriptionId, { isWritten = true, count = 1 } = {}) {
      const acceptedAt = clock.now()
      const events = Array.from({ length: count }, () =>
        anEvent({ webhookId: newId(), subscriptionIds: [subscriptionId] }),
      )
      const rows = events.flatMap(event =>
        owedFor(event, handover.offer(to(subscriptionId), event.payload.length)),
      )
      if (isWritten) await insertEvents(database, events, rows, acceptedAt)
      const deliveryOf = ({ webhookId, sizeBytes }: OwedRow): Delivery => ({
        ...{ webhookId, subscriptionId, sizeBytes, attempt: 1, attemptsBefore: 0, content: null, lane: null },
        since: acceptedAt,
        dueAt: acceptedAt,
      })
      return {
        ids: rows.map(row => row.webhookId),
        owner: rows[0]?.owner ?? null,
        commit() {
          for (const row of rows) handover.commit(row.owner, deliveryOf(row))
        },
        abort(written) {
          for (const row of rows) handover.abort(row, written)
        },
      }
    },
    async stop() {
      await handover.stop()
      await link?.close()
    },
  }
  return accepting
}

async function openHandover(
  database: Database,
  redis: TestRedis | undefined,
): Promise<{ readonly handover: Handover; readonly link: RedisLink | undefined }> {
  const bell = new PostgresBell(database)
  if (!redis) return { handover: new PostgresHandover(bell), link: undefined }
  const prefix = `webhooks:${await installationId(database)}`
  const link = openRedis({ url: redis.url, prefix, logger: silentLogger(), troubles: someTroubles() })
  const clock = systemClock()
  const redisBell = new RedisBell(link, bell)
  const handover = new RedisHandover({
    link,
    bell: redisBell,
    membership: aMember(),
    throttle: new Throttle(clock, { failures: 0, cooldownMs: 1000 }),
    laneReturn: new LaneReturn({ connection: database, clock, returned: () => redisBell.ring() }),
  })
  return { handover, link }
}

/** Accepts events and tells of each at once. @returns their ids */
export async function acceptAll(
  accepting: Accepting,
  subscriptionIds: readonly number[],
): Promise<readonly string[]> {
  const ids: string[] = []
  for (const id of subscriptionIds) {
    const accepted = await accepting.accept(id)
    accepted.commit()
    ids.push(...accepted.ids)
  }
  return ids
}
