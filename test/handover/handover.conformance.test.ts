import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openQueueTo } from '../../src/handover/bullmq.ts'
import { installationId } from '../../src/platform/installation.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis } from '../../src/platform/redis.ts'
import { acceptAll, handoverWorld, ways } from '../support/handover.ts'
import { recoverAll } from '../support/recover.ts'
import { allOwed, newId } from '../support/rows.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'
import { someTroubles } from '../support/troubles.ts'

// What handing over promises, whichever way it goes between processes. What only one way has stands at the end, with
// the reason.

/** Here a look for rows that nobody told of comes every 0.25 s, and they are 1.2 s old then (`testPaces`). */
const lookMs = 2000

const times = (count: number, id: number) => Array.from({ length: count }, () => id)

for (const way of ways) {
  // They wait more than they work, each for a world of its own.
  suite(way, { concurrency: 3 }, () => {
    test('what is offered and committed is delivered once, over many subscriptions', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const ids = await Promise.all(Array.from({ length: 50 }, () => w.subscribe()))
      await w.accepting.ready()
      const accepted = await acceptAll(w.accepting, [...ids, ...ids, ...times(50, ids[0] ?? 0)])
      await w.delivered(accepted)
    })

    test('what was not written leaves nothing behind, and what was written though nobody knows is delivered once', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe()
      await w.accepting.ready()
      const notWritten = await w.accepting.accept(id, { isWritten: false })
      notWritten.abort('no')
      const unknown = [await w.accepting.accept(id), await w.accepting.accept(id, { isWritten: false })]
      for (const one of unknown) one.abort('unknown')
      await w.delivered(unknown[0]?.ids ?? [])
    })

    test('what an api did not live to tell of is delivered once, and does not hold up what comes after it', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe()
      await w.accepting.ready()
      const untold = await w.accepting.accept(id)
      const told = await acceptAll(w.accepting, times(3, id))
      await w.receiver.waitFor(3)
      await w.delivered([...untold.ids, ...told])
    })

    test('a worker that dies before it hears of a delivery has not sent it, and another one does', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      const worker = await w.startWorkerProcess()
      const id = await w.subscribe()
      await w.accepting.ready()
      worker.child.kill('SIGSTOP')
      const accepted = await acceptAll(w.accepting, times(5, id))
      await worker.end('SIGKILL')
      await w.startWorker()
      await w.delivered(accepted)
    })

    test('what a worker was sending when it died is sent again, under the same id', async t => {
      const w = await handoverWorld(way, t, (_, index) => (index === 0 ? { fault: 'hang' } : {}))
      if (!w) return
      const worker = await w.startWorkerProcess()
      const id = await w.subscribe()
      await w.accepting.ready()
      const accepted = await acceptAll(w.accepting, [id])
      await w.receiver.waitFor(1)
      await worker.end('SIGKILL')
      await w.startWorker()
      await w.receiver.waitFor(2)
      await w.delivered(accepted, 2)
    })

    test('a message that is lost, with all that is in Redis, costs seconds and no delivery', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      const worker = await w.startWorkerProcess()
      const id = await w.subscribe()
      await w.accepting.ready()
      worker.child.kill('SIGSTOP') // so that it can't have heard of it
      const accepted = await acceptAll(w.accepting, times(5, id))
      if (w.redis) {
        const { redis } = w
        const waiting = () => redis.command('KEYS', '*:handover-*:wait')
        await eventually(waiting, answer => answer !== '*0') // its message is in Redis
        await redis.command('FLUSHALL')
      }
      worker.child.kill('SIGCONT')
      await w.delivered(accepted)
    })

    test('a message that comes late, after its row went to its lane, is not followed', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe()
      await w.accepting.ready()
      const late = await w.accepting.accept(id)
      w.redis?.freeze()
      late.commit()
      const committedAt = performance.now()
      await w.receiver.waitFor(1)
      w.redis?.resume()
      await w.accepting.ready()
      // Told again, by a message that is really late: had the worker been silent before the freeze, the row would have
      // gone to its lane without one.
      await sleep(committedAt + lookMs - performance.now())
      late.commit()
      const after = await acceptAll(w.accepting, [id])
      await w.delivered([...late.ids, ...after])
    })

    test('a worker that goes on under a new id delivers what it was handed under both', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe()
      await w.accepting.ready()
      const before = await acceptAll(w.accepting, times(3, id))
      await w.receiver.waitFor(3)
      const { rows } = await w.database.query<{ id: number }>({
        text: `delete from processes where role = 'worker' returning id`,
      })
      for (const process of rows) await recoverAll(w.database, process.id)
      const between = await acceptAll(w.accepting, times(3, id))
      await eventually(
        () => w.database.query({ text: `select from processes where role = 'worker'` }),
        ({ rowCount }) => rowCount === 1,
      )
      await w.accepting.ready()
      const after = await acceptAll(w.accepting, times(3, id))
      // What it had under way when it was declared dead may be sent by it and by who found it.
      await w.delivered([...before, ...between, ...after], 2)
    })

    test('more than a worker has room for waits in the lane, and all of it is delivered once', async t => {
      const w = await handoverWorld(way, t, { delayMs: 20 })
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe({ max_in_flight: 20 })
      await w.accepting.ready()
      const accepted = await w.accepting.accept(id, { count: 1000 })
      accepted.commit()
      await eventually(
        () => allOwed(w.database),
        rows => rows.some(({ owner }) => owner === null),
      )
      await w.delivered(accepted.ids)
    })

    test('what is accepted by a process that has not heard of a pause is kept until the subscription is resumed', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe()
      await acceptAll(w.accepting, [id]) // so that the worker knows it
      await w.receiver.waitFor(1)
      await w.accepting.ready()
      assert.equal((await w.api.post(`/subscriptions/${id}/pause`, '')).status, 200)
      await w.heardOfChanges()
      const accepted = await w.accepting.accept(id)
      accepted.commit()
      await eventually(
        () => allOwed(w.database),
        rows => rows.some(row => row.webhookId === accepted.ids[0] && row.owner === null),
      )
      await sleep(600) // some looks at the lanes
      assert.deepEqual(
        w.idsReceived().filter(id => id === accepted.ids[0]),
        [],
      )
      assert.equal((await w.api.post(`/subscriptions/${id}/resume`, '')).status, 200)
      await eventually(
        async () => w.idsReceived(),
        received => received.length === 2 && received[1] === accepted.ids[0],
      )
    })

    test('what is for a receiver that asks for a pause comes after it, and each is taken once', async t => {
      const taken: string[] = []
      const w = await handoverWorld(way, t, (request, index) => {
        if (index === 0) return { status: 429, headers: { 'retry-after': '1' } }
        taken.push(String(request.headers['webhook-id']))
        return {}
      })
      if (!w) return
      await w.startWorker()
      const id = await w.subscribe({ max_in_flight: 1 })
      await w.accepting.ready()
      const [first, ...others] = [
        ...(await acceptAll(w.accepting, [id])),
        ...(await acceptAll(w.accepting, times(10, id))),
      ]
      await w.delivered([first ?? '', ...others], 2)
      assert.deepEqual([...taken].sort(), [first, ...others].sort())
    })

    test('a worker that leaves under load gives back what it holds, and nothing is delivered twice', async t => {
      const w = await handoverWorld(way, t, { delayMs: 5 })
      if (!w) return
      const leaving = await w.startWorker()
      await w.startWorker()
      const id = await w.subscribe({ max_in_flight: 20 })
      await w.accepting.ready()
      const load = Promise.all(Array.from({ length: 4 }, () => acceptAll(w.accepting, times(100, id))))
      await w.receiver.waitFor(20)
      await leaving.close()
      await w.delivered((await load).flat())
    })

    test('without any worker all of it waits, and the first one that comes delivers it', async t => {
      const w = await handoverWorld(way, t)
      if (!w) return
      const id = await w.subscribe()
      const accepted = await acceptAll(w.accepting, times(20, id))
      assert.equal((await allOwed(w.database)).filter(({ owner }) => owner === null).length, 20)
      await w.startWorker()
      await w.delivered(accepted)
    })

    test('when everything is restarted, and Redis with it, what was accepted is delivered', async t => {
      const w = await handoverWorld(way, t, { delayMs: 20 })
      if (!w) return
      const worker = await w.startWorker()
      const id = await w.subscribe({ max_in_flight: 4 })
      await w.accepting.ready()
      const untold = await w.accepting.accept(id)
      const accepted = await acceptAll(w.accepting, times(60, id))
      await Promise.all([worker.close(), w.service.close(), w.redis?.kill()])
      await w.redis?.start()
      await w.cluster.start('api')
      await w.startWorker()
      await w.delivered([...untold.ids, ...accepted])
    })
  })
}

test('over PostgreSQL alone nobody is offered anything, for nobody could be told of it', async t => {
  const w = await handoverWorld('PostgreSQL alone', t)
  if (!w) return
  await w.startWorker()
  const id = await w.subscribe()
  assert.equal(w.accepting.handover.offer(aSubscription({ id }), 10), null)
})

test('over BullMQ what is not written frees the room of its worker', async t => {
  const w = await handoverWorld('BullMQ', t)
  if (!w) return
  await w.startWorker()
  const id = await w.subscribe()
  await w.accepting.ready()
  const { handover } = w.accepting
  // In one turn of the event loop, so that the worker says nothing in between.
  const taken: number[] = []
  for (;;) {
    const owner = handover.offer(aSubscription({ id }), 10)
    if (owner === null) break
    taken.push(owner)
  }
  assert.ok(taken.length > 1000, `room for ${taken.length}`)
  const [owner = 0] = taken
  handover.abort({ webhookId: newId(), subscriptionId: id, sizeBytes: 10, owner }, 'no')
  assert.equal(handover.offer(aSubscription({ id }), 10), owner)
})

test('over BullMQ a message that Redis brings twice is followed once', async t => {
  const w = await handoverWorld('BullMQ', t)
  if (!w?.redis) return
  await w.startWorker()
  const id = await w.subscribe()
  await w.accepting.ready()
  const { ids, owner } = await w.accepting.accept(id)
  const [webhookId] = ids
  assert.ok(webhookId)
  const prefix = `webhooks:${await installationId(w.database)}`
  const link = openRedis({ url: w.redis.url, prefix, logger: silentLogger(), troubles: someTroubles() })
  const producer = link.bullConnection('producer')
  await eventually(
    async () => producer.status,
    status => status === 'ready',
  )
  const queue = openQueueTo(link, producer, owner ?? 0)
  t.after(async () => {
    queue.close()
    await link.close()
  })
  const message = { id: 'the same', rows: [[webhookId, id, 7]] as const }
  await queue.send(message)
  await w.receiver.waitFor(1)
  await w.delivered([webhookId]) // it has left the worker's memory
  await queue.send(message)
  await w.delivered([webhookId, ...(await acceptAll(w.accepting, [id]))])
})

test('over BullMQ a row that no message told of waits for the look of its worker, and no longer', async t => {
  const w = await handoverWorld('BullMQ', t)
  if (!w) return
  await w.startWorker()
  const id = await w.subscribe()
  await w.accepting.ready()
  const { ids } = await w.accepting.accept(id)
  await w.receiver.waitFor(1, 30_000) // not by the repair of each minute
  await w.delivered(ids)
})
