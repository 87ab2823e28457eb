import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Expunges } from '../../src/events/expunges.ts'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidTime } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { logged, owing, store } from '../support/events.ts'
import { allAttempts, allOwed } from '../support/rows.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme')" })
beforeEach(() =>
  database.query({ text: 'truncate owed, delivery_logs, attempt_details, events, events_carried, expunges' }),
)

const make = (on: Database = database) =>
  new Expunges({ database: on, clock: systemClock(), logger: silentLogger() })
const running = () => new AbortController().signal

async function payloadsLeft(): Promise<readonly Uuid[]> {
  const { rows } = await database.query<{ id: Uuid }>({
    text: `select webhook_id as id from events where payload <> ''
           union all select webhook_id from events_carried where payload <> '' order by 1`,
  })
  return rows.map(({ id }) => id)
}

/** A minute ago, and a little later each. */
const past = (n: number) => ({ at: Date.now() - 60_000 + n * 10 })

/** The moment after an event. */
const after1 = (id: Uuid) => uuidTime(id) + 1

test('payloads, details and what is owed of a tenant before a moment go, and nothing else', async () => {
  const old = await store(database, { ...past(1), tenant: 'acme', to: [1, 2], payload: 'secret 1' })
  const carried = await store(database, {
    ...{ ...past(2), table: 'events_carried', tenant: 'acme' },
    ...{ to: [3], payload: 'secret 2' },
  })
  const theirs = await store(database, { ...past(3), to: [4], payload: 'theirs' })
  const later = await store(database, { tenant: 'acme', payload: 'later' })
  await logged(database, old, 1, 'given_up')
  await database.query({
    text: `insert into attempt_details (id, request, response_body, timings)
           select id, '{}', 'secret', '{}' from delivery_logs`,
  })
  await owing(database, old, 2)
  await owing(database, carried, 3, 7) // in the memory of a process
  await owing(database, theirs, 4)
  const expunges = make()
  const before = after1(theirs)
  const caller = { ...localOperator, reach: Reach.of('acme') }
  assert.equal(await expunges.count(caller.reach, before), 2)
  const { id } = await expunges.create(caller, before)
  assert.equal(await expunges.run(running()), true)
  const report = await expunges.read(Reach.all, id as Uuid) // as it was given
  assert.deepEqual([report?.state, report?.events, report?.deliveries], ['done', 2, 2])
  assert.deepEqual(await payloadsLeft(), [theirs, later])
  const { rows: details } = await database.query({ text: 'select from attempt_details' })
  assert.equal(details.length, 0)
  assert.deepEqual(
    (await allOwed(database)).map(({ webhookId }) => webhookId),
    [theirs],
  )
  const ended = (await allAttempts(database)).filter(({ verdict }) => verdict === 'cancelled')
  assert.deepEqual(ended.map(({ subscriptionId }) => subscriptionId).toSorted(), [2, 3])
  assert.equal(await expunges.count(caller.reach, before), 0)
})

test('one that is cut off goes on where it was, and ends what a crash has left owed', async () => {
  const ids: Uuid[] = []
  for (let n = 0; n < 20; n++) {
    const id = await store(database, { ...past(n), to: [1], payload: `secret ${n}` })
    await owing(database, id, 1)
    ids.push(id)
  }
  const last = ids.at(-1)
  assert.ok(last)
  const { id } = await make().create(localOperator, after1(last))
  // As a process leaves it that was killed between the payloads and the rest.
  await database.query({
    text: `update events set payload = '', metadata = '{"expunged": {"at": "2026-01-01T00:00:00Z", "size_bytes": 8}}'
           where webhook_id <= $1`,
    values: [ids[9]],
  })
  const stopped = new AbortController()
  stopped.abort()
  await make().run(stopped.signal)
  assert.equal((await payloadsLeft()).length, 10)
  await make().run(running())
  const report = await make().read(Reach.all, id as Uuid) // as it was given
  assert.deepEqual([report?.state, report?.events, report?.deliveries], ['done', 10, 20])
  assert.deepEqual(await payloadsLeft(), [])
  assert.deepEqual(await allOwed(database), [])
})

test('over HTTP: counted first, then begun; a tenant sees its own only', async () => {
  const id = await store(database, { ...past(0), payload: 'secret' })
  const before = new Date(after1(id)).toISOString()
  const counted = await server.request('/events/expunge', { method: 'POST', json: { before, dry_run: true } })
  assert.deepEqual([counted.status, counted.json], [200, { count: 1 }])
  assert.equal((await payloadsLeft()).length, 1)
  const begun = await server.request('/events/expunge', {
    method: 'POST',
    json: { tenant: 'default', before },
  })
  assert.equal(begun.status, 202, begun.text)
  const made = begun.json as { id: string; state: string; tenant: string }
  assert.deepEqual([made.state, made.tenant], ['running', 'default'])
  assert.equal(begun.headers.get('location'), `/events/expunges/${made.id}`)
  await make().run(running())
  const read = await server.request(`/events/expunges/${made.id}`)
  assert.equal(Object(read.json).state, 'done')
  assert.equal(((await server.request('/events/expunges')).json as unknown[]).length, 1)
  assert.deepEqual((await server.request('/events/expunges?tenant=acme')).json, [])
  const [entry] = (await server.request('/audit?limit=1')).json as { action: string; tenant: string }[]
  assert.deepEqual([entry?.action, entry?.tenant], ['event.expunged', 'default'])
})

test('a time to come is refused, and so is what is no time', async () => {
  for (const before of [new Date(Date.now() + 60_000).toISOString(), '2026-13-01T00:00:00Z', 'yesterday']) {
    const { status, json } = await server.request('/events/expunge', { method: 'POST', json: { before } })
    assert.equal(status, 422, before)
    assert.equal(Object(json).errors[0].pointer, '/before')
  }
})

test('what test receivers got of an event goes with its payload', async () => {
  const id = await store(database, { payload: 'secret' })
  const made = await server.request('/test-receivers', { method: 'POST' })
  const { url, id: receiver } = made.json as { url: string; id: number }
  const other = '01936b6e-0000-7000-8000-000000000000'
  for (const webhookId of [id, other])
    await fetch(url, { method: 'POST', body: 'secret', headers: { 'webhook-id': webhookId } })
  await server.request(`/events/${id}/payload`, { method: 'DELETE' })
  const left = (await server.request(`/test-receivers/${receiver}/requests`)).json as { webhook_id: string }[]
  assert.deepEqual(
    left.map(row => row.webhook_id),
    [other],
  )
})
