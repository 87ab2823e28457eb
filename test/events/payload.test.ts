import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Notices } from '../../src/cluster/notices.ts'
import { readContents } from '../../src/deliver/store.ts'
import { expungedNotice } from '../../src/events/expunges.ts'
import { expunge } from '../../src/events/payload.ts'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { logged, owing, store } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { allAttempts, allOwed } from '../support/rows.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme')" })

test('the payload comes byte for byte, and never as a page', async () => {
  const bytes = Buffer.from('<script>alert(1)</script>\u0000\u00ff\r\n', 'latin1')
  const id = await store(database, {
    payload: bytes,
    contentType: 'text/html; charset=utf-8',
    metadata: { content_encoding: 'gzip' },
  })
  const answer = await fetch(`${server.url}/events/${id}/payload`)
  assert.equal(answer.status, 200)
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes)
  const header = (name: string) => answer.headers.get(name)
  assert.equal(header('content-type'), 'application/octet-stream')
  assert.match(header('content-disposition') ?? '', /^attachment; filename="[0-9a-f-]+"$/)
  assert.equal(header('x-content-type-options'), 'nosniff')
  assert.match(header('content-security-policy') ?? '', /sandbox/)
  assert.equal(header('content-encoding'), null)
  assert.equal(header('x-event-content-type'), 'text/html; charset=utf-8')
  assert.equal(header('x-event-content-encoding'), 'gzip')
})

test('an empty payload is one, too; an unknown event has none', async () => {
  const id = await store(database, { payload: '' })
  const answer = await server.request(`/events/${id}/payload`)
  assert.deepEqual([answer.status, answer.text], [200, ''])
  const unknown = '01936b6e-0000-7000-8000-000000000000'
  for (const method of ['GET', 'DELETE']) {
    assert.equal((await server.request(`/events/${unknown}/payload`, { method })).status, 404)
    assert.equal((await server.request('/events/abc/payload', { method })).status, 422)
  }
})

for (const table of ['events', 'events_carried'] as const) {
  test(`a payload in ${table} is expunged, and what is owed of it ends as cancelled`, async () => {
    await database.query({ text: 'truncate owed, delivery_logs' })
    const id = await store(database, { table, to: [1, 2, 3], payload: 'the secret', metadata: { hops: 2 } })
    const other = await store(database, { to: [1] })
    await logged(database, id, 1, 'delivered')
    await owing(database, id, 2, 7) // in the memory of a process
    await owing(database, id, 3, null)
    await owing(database, other, 1)
    const before = Date.now()
    assert.equal((await server.request(`/events/${id}/payload`, { method: 'DELETE' })).status, 204)

    const gone = await server.request(`/events/${id}/payload`)
    assert.equal(gone.status, 410)
    assert.equal(Object(gone.json).code, 'payload_expunged')
    const { rows } = await database.query<{ payload: Buffer; metadata: object }>({
      text: `select payload, metadata from ${table} where webhook_id = $1`,
      values: [id],
    })
    assert.equal(rows[0]?.payload.length, 0)
    assert.equal(Object(rows[0]?.metadata).hops, 2)
    assert.deepEqual(
      (await allOwed(database)).map(row => row.webhookId),
      [other],
    )
    assert.deepEqual(
      (await allAttempts(database)).map(row => [row.subscriptionId, row.verdict, row.error]),
      [
        [1, 'delivered', null],
        [2, 'cancelled', 'the payload was expunged'],
        [3, 'cancelled', 'the payload was expunged'],
      ],
    )
    const event = Object((await server.request(`/events/${id}`)).json)
    assert.equal(event.size_bytes, 10)
    assert.ok(Math.abs(Date.parse(event.payload_expunged_at) - before) < 60_000, event.payload_expunged_at)
    assert.deepEqual(event.delivery_counts, { total: 3, success: 1, failed: 0, pending: 0, cancelled: 2 })
  })
}

test('expunged once more, it stays as it was, and what came to be owed since ends', async () => {
  const id = await store(database, { to: [1] })
  const remove = () => server.request(`/events/${id}/payload`, { method: 'DELETE' })
  assert.equal((await remove()).status, 204)
  const read = async () => Object((await server.request(`/events/${id}`)).json)
  const first = await read()
  await owing(database, id, 1)
  assert.equal((await remove()).status, 204)
  const second = await read()
  assert.deepEqual(
    [second.payload_expunged_at, second.size_bytes, second.status],
    [first.payload_expunged_at, 7, 'cancelled'],
  )
})

test('whoever loads what was expunged hears so, and gets no empty payload to send', async () => {
  const id = await store(database, { to: [1] })
  await expunge(database, localOperator, id)
  assert.equal((await readContents(database, [id])).get(id)?.isExpunged, true)
})

test('every process hears that payloads were expunged', async () => {
  const notices = new Notices(database)
  let heard = 0
  const hear = () => {
    heard++
  }
  notices.on(expungedNotice, hear, async () => hear())
  await notices.keepListening()
  assert.equal(heard, 1, 'what it may not have heard before')
  await expunge(database, localOperator, await store(database, { to: [1] }))
  await eventually(() => heard === 2)
})

test('more than one batch is cancelled', async () => {
  const ids = Array.from({ length: 2500 }, (_, n) => n + 1)
  const id = await store(database, { to: ids })
  await database.query({
    text: `insert into owed (webhook_id, subscription_id, due_at, size_bytes)
           select $1, n, now(), 7 from generate_series(1, 2500) n`,
    values: [id],
  })
  await expunge(database, localOperator, id)
  const event = Object((await server.request(`/events/${id}`)).json)
  assert.deepEqual(event.delivery_counts, { total: 2500, success: 0, failed: 0, pending: 0, cancelled: 2500 })
})

test('the event of another tenant is nobody’s', async () => {
  const id = await store(database, { tenant: 'acme', to: [1] })
  assert.equal(await expunge(database, { ...localOperator, reach: Reach.of('default') }, id), false)
  assert.equal(await expunge(database, { ...localOperator, reach: Reach.of('acme') }, id), true)
})

test('a filter cannot be explained without the payload, what does not need it can', async () => {
  const id = await store(database, { tenant: 'acme', payload: '{"total":1}' })
  const caller = { ...localOperator, reach: Reach.of('acme') }
  const rules = { target_url: 'https://example.com/', filter: { payload: { total: { $gte: 100 } } } }
  const filtered = await server.subscriptions.create(caller, rules)
  const typed = await server.subscriptions.create(caller, { ...rules, event_types: ['user.made'] })
  await database.query({
    text: `update subscriptions set created_at = now() - interval '1 hour', updated_at = now() - interval '1 hour',
             state_since = now() - interval '1 hour'`,
  })
  await expunge(database, caller, id)
  const { unmatched } = Object((await server.request(`/events/${id}`)).json)
  assert.deepEqual(
    unmatched.map((one: { subscription_id: number; reason: string; clause?: string }) => [
      one.subscription_id,
      one.reason,
      one.clause,
    ]),
    [
      [filtered.id, 'filter', undefined],
      [typed.id, 'event_type', undefined],
    ],
  )
})
