import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import pg from 'pg'
import { type Uuid, uuidTime } from '../../src/platform/id.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit, testService } from '../support/service.ts'

const json = { 'content-type': 'application/json' }
const batches = 3
const events = batches * 1000

interface Expunge {
  readonly state: string
  readonly events: number
  readonly deliveries: number
}

test('an expunging whose process is killed with kill -9 goes on in the next one: nothing is left, and nothing is counted twice', async () => {
  await using world = await processWorld()
  const { database, connection } = world.world
  const first = await world.start()
  const api = client(first.url)
  await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  const batch = JSON.stringify(Array.from({ length: 1000 }, () => ({ payload: { secret: true } })))
  for (let n = 0; n < batches; n++) assert.equal((await api.post('/events/batch', batch, json)).status, 202)
  const count = async (text: string) => (await database.query<{ n: number }>({ text })).rows[0]?.n

  // While nothing can be logged, payloads go, and what is owed of their events cannot end.
  const holder = new pg.Client(connection)
  holder.on('error', () => {}) // it is ended with the database when the test fails
  await holder.connect()
  await holder.query('begin; lock table delivery_logs in exclusive mode')
  const { rows } = await database.query<{ id: Uuid }>({
    text: 'select webhook_id as id from events order by 1 desc limit 1',
  })
  // By the clock of the service, which is not to the millisecond that of this process; a moment to come is refused.
  const before = new Date(uuidTime(rows[0]?.id as Uuid) + 1).toISOString()
  const begun = await eventually(
    () => api.post('/events/expunge', JSON.stringify({ before }), json),
    ({ status }) => status === 202,
  )
  const { id } = (await begun.json()) as { id: string } // as openapi.json has it
  const locks = (relation: string, granted: boolean) =>
    `select count(*)::int as n from pg_locks
     where relation = '${relation}'::regclass and mode = 'RowExclusiveLock' and granted = ${granted}`
  // Of what a process does from time to time, something may wait for the log as well.
  const payloads = `select count(*)::int as n from events where payload <> ''`
  await eventually(
    async () =>
      ((await count(payloads)) ?? 0) < events && ((await count(locks('delivery_logs', false))) ?? 0) > 0,
  )
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const left = (await count(payloads)) ?? 0
  assert.ok(left > 0 && left < events, `${left} payloads were left when it was killed`)
  assert.equal(await count('select count(*)::int as n from owed'), events)
  await holder.end()
  await eventually(async () => (await count(locks('owed', true))) === 0) // PostgreSQL has noticed

  const second = await world.start()
  const read = async () => (await fetch(`${second.url}/events/expunges/${id}`)).json() as Promise<Expunge>
  const done = await eventually(read, ({ state }) => state === 'done')
  assert.deepEqual([done.events, done.deliveries], [events, events])
  assert.equal(await count(payloads), 0)
  assert.equal(await count('select count(*)::int as n from owed'), 0)
  const ended = `select count(distinct webhook_id)::int as n from delivery_logs where verdict = 'cancelled'`
  assert.equal(await count(ended), events)
  assert.equal(await count('select count(*)::int as n from delivery_logs'), events, 'each ended once')
})

test('what waits in memory is not sent any more when its payload was expunged', async () => {
  const { promise: seen, resolve: answer } = Promise.withResolvers<void>()
  await using receiver = await startReceiver({ after: seen })
  await using service = await testService()
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, max_in_flight: 1 })
  await api.ingest(id, '"first"')
  await receiver.waitFor(1)
  const secret = await api.ingest(id, '"secret"')
  const gone = await fetch(`${service.url}/events/${secret}/payload`, { method: 'DELETE' })
  assert.equal(gone.status, 204)
  answer()
  await settledAudit(service.world)
  await api.ingest(id, '"last"')
  await receiver.waitFor(2)
  assert.deepEqual(
    receiver.received.map(({ body }) => body.toString()),
    ['"first"', '"last"'],
  )
  const [delivery] = (await api.status(secret)).deliveries
  assert.equal(delivery?.status, 'cancelled')
  assert.deepEqual(
    delivery?.attempts.map(({ verdict }) => verdict),
    ['cancelled'],
    'it ends once',
  )
})
