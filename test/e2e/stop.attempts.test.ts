import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { client, processWorld, type ServiceProcess } from '../support/service.ts'
import { stallCommits } from '../support/stalled-commits.ts'

type ProcessWorld = Awaited<ReturnType<typeof processWorld>>

/** Signals a process, which says that it has heard before it does anything else. */
async function beginToStop(service: ServiceProcess): Promise<{ readonly ended: Promise<number | string> }> {
  const ended = service.end('SIGTERM')
  await eventually(() => service.output().includes('stopping'))
  return { ended }
}

/** Another process takes over, until nothing is owed. @returns attempts in the log, and requests to the receiver */
async function afterTakeover(world: ProcessWorld, receiver: Receiver) {
  await world.start()
  const rows = (text: string) => world.world.database.query<{ n: number }>({ text })
  const count = async (text: string) => (await rows(text)).rows[0]?.n
  await eventually(async () => (await count('select count(*)::int as n from owed')) === 0)
  const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
  return {
    logged: await count(`select count(*)::int as n from delivery_logs where status = 'success'`),
    read: ids.length,
    events: new Set(ids).size,
  }
}

/** Lets the log wait, as if the disk of the database did not answer. */
async function stalledLog(connection: ConstructorParameters<typeof pg.Client>[0]) {
  const blocker = new pg.Client(connection)
  await blocker.connect()
  await blocker.query('begin; lock table delivery_logs in exclusive mode')
  return {
    isWaitedFor: async () => {
      const { rowCount } = await blocker.query(
        `select from pg_locks where relation = 'delivery_logs'::regclass and not granted`,
      )
      return rowCount === 1
    },
    end: () => blocker.end(),
  }
}

test('a process that leaves waits for a slow commit of what receivers have answered', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ LOG_LEVEL: 'info' })
  const service = await world.start()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  const stalled = await stalledLog(world.world.connection)
  await client(service.url).ingest(id)
  await eventually(stalled.isWaitedFor)
  await client(service.url).ingest(id) // what comes of it waits behind the first
  await receiver.waitFor(2)
  const { ended } = await beginToStop(service)
  await Promise.race([ended, sleep(3000)]) // twice as long as such a process waited once
  await stalled.end()
  assert.equal(await ended, 0)
  assert.deepEqual(await afterTakeover(world, receiver), { logged: 2, read: 2, events: 2 })
})

test('nothing is begun that would have no time to end: what waits is left to others', async () => {
  let delayMs = 250
  await using receiver = await startReceiver(() => ({ delayMs }))
  // Nothing is begun from 1 s after the signal on, and what runs is cut off after 2 s: one attempt has 750 ms more than it takes.
  await using world = await processWorld({ SHUTDOWN_TIMEOUT_MS: '6000', LOG_LEVEL: 'info' })
  const service = await world.start()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin, max_in_flight: 1 })
  for (let n = 0; n < 30; n++) await client(service.url).ingest(id)
  // A sender that waits for its answer keeps the HTTP server, and then the writer of events, for as long as they may take.
  await using stalled = await stallCommits(world.world.connection)
  const sent = client(service.url)
    .post(`/ingest/${id}`, '{}')
    .catch(() => {})
  await eventually(async () => (await stalled.waiting()) > 0)
  const { ended } = await beginToStop(service)
  await sleep(2500) // beyond the moment at which it cuts off
  await stalled.end()
  assert.equal(await ended, 0)
  await sent
  assert.ok(receiver.received.length < 30, 'there was something left to begin')
  delayMs = 0
  const { read, events } = await afterTakeover(world, receiver)
  assert.equal(read, events)
})

test('what is cut off is told, by the number of attempts that may be repeated', async () => {
  const { promise: answer, resolve: answerAll } = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ after: answer })
  await using world = await processWorld({ SHUTDOWN_TIMEOUT_MS: '4500' })
  const service = await world.start()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  for (let n = 0; n < 2; n++) await client(service.url).ingest(id)
  await receiver.waitFor(2)
  assert.equal(await service.end('SIGTERM'), 0)
  assert.match(service.output(), /"cut_off":2,"msg":"attempts are cut off/)
  answerAll()
  assert.deepEqual(await afterTakeover(world, receiver), { logged: 2, read: 4, events: 2 })
})
