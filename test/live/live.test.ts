import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { ApiKeys } from '../../src/keys/keys.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidV7Source } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { GatedDatabase } from '../support/gated-database.ts'
import { aKey, aTenant } from '../support/keys.ts'
import { readStream, type StreamReader, testLive } from '../support/live.ts'
import { ended, settle, subscribe } from '../support/replay.ts'
import { owe } from '../support/rows.ts'
import { testServer, testSubscriptions } from '../support/server.ts'

const own = await testDatabase()
const { database } = own
const unwritten = new Unwritten(systemClock())
const looking = new GatedDatabase(database)
const world = await testServer({
  live: testLive(own, { unwritten, connection: looking }),
  subscriptions: testSubscriptions(own),
  database,
})
after(async () => {
  await world[Symbol.asyncDispose]()
  await own.close()
})
await subscribe(database, [1, 2])
await aTenant(database, 'blue')
await subscribe(database, [3], { tenant: 'blue' })

const newId = uuidV7Source(systemClock())

const accept = (event: { readonly eventType?: string } = {}) =>
  unwritten.during(() => owe(database, { webhookId: newId(), ...event }))

const finish = (verdict: 'delivered' | 'given_up', subscriptionId: number, eventType: string) =>
  unwritten.during(() => ended(database, { [subscriptionId]: verdict }, { eventType }))

/** A reader that is told of what comes from now on. */
async function listen(t: TestContext, query = '', headers = {}): Promise<StreamReader> {
  const reader = await readStream(world.url, query, headers)
  t.after(() => reader[Symbol.asyncDispose]())
  assert.equal(reader.response.status, 200)
  if (!query.includes('last_event_id') && !('last-event-id' in headers)) await eventually(() => reader.lastId)
  return reader
}

const ids = (reader: StreamReader) => reader.told.map(({ id }) => id)

/** What it was told, once the last of it is this. */
async function toldUntil(reader: StreamReader, id: string): Promise<readonly string[]> {
  await eventually(() => ids(reader).includes(id))
  return ids(reader)
}

test('it says what a stream is, and proxies are to pass it on at once', async t => {
  const { response, text } = await listen(t)
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(response.headers.get('x-accel-buffering'), 'no')
  assert.match(response.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
  assert.match(text, /^retry: 2000\n\n/)
})

test('an event, its attempt, and a change of its subscription are told as they come', async t => {
  const reader = await listen(t)
  const webhookId = await accept({ eventType: 'order.paid' })
  await unwritten.during(() => settle(database, webhookId, 1, 1, 'given_up'))
  await world.request('/subscriptions/1/pause', { method: 'POST' })
  await eventually(() => reader.told.length === 3)
  const [accepted, attempt, changed] = reader.told
  assert.deepEqual([accepted?.event, accepted?.id], ['accepted', webhookId])
  assert.deepEqual(accepted?.data.subscription_ids, [1])
  assert.equal(accepted?.data.size_bytes, 7)
  assert.deepEqual(
    [
      attempt?.event,
      attempt?.data.id,
      attempt?.data.webhook_id,
      attempt?.data.verdict,
      attempt?.data.event_type,
    ],
    ['attempt', attempt?.id, webhookId, 'given_up', 'order.paid'],
  )
  assert.match(String(attempt?.data.hint), /./)
  assert.deepEqual(
    [changed?.event, changed?.data.subscription_id, changed?.data.paused, changed?.data.paused_before],
    ['subscription', 1, true, false],
  )
  await world.request('/subscriptions/1/resume', { method: 'POST' })
})

test('a reader that comes back is told all that it has missed, in order, and nothing twice', async t => {
  const first = await listen(t)
  const seen = await accept()
  await toldUntil(first, seen)
  await first[Symbol.asyncDispose]()
  const missed: string[] = []
  for (let n = 0; n < 1200; n++) missed.push(await accept())
  const again = await listen(t, '', { 'last-event-id': seen })
  assert.deepEqual(await toldUntil(again, missed.at(-1) ?? ''), missed)
  const live = await accept()
  assert.deepEqual(await toldUntil(again, live), [...missed, live])
})

test('a reader that comes back while many things happen misses none of them', async t => {
  // The streams are told up to something that happened, and the next page of it is held back.
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
  let isFull = false
  const connection: Queryable = {
    async query<Row extends object>(statement: Parameters<Queryable['query']>[0]) {
      if (isFull && statement.name === 'live_accepted') await mayGoOn
      const result = await database.query<Row>(statement)
      if (statement.name === 'live_accepted') isFull = result.rows.length === 500
      return result
    },
  }
  await using server = await testServer({ live: testLive(own, { unwritten, connection }), database })
  await using first = await readStream(server.url)
  const seen = (await eventually(() => first.lastId)) ?? ''
  const many = Array.from({ length: 700 }, newId)
  await unwritten.during(() =>
    database.query({
      text: `insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
             select id, 'default', 'text/plain', 'x', '{1}' from unnest($1::uuid[]) id`,
      values: [many],
    }),
  )
  await eventually(() => first.told.length === 500)
  t.after(() => goOn())
  await using again = await readStream(server.url, '', { 'last-event-id': seen })
  await eventually(() => again.lastId === many[499])
  goOn()
  await toldUntil(again, many.at(-1) ?? '')
  assert.deepEqual(
    many.filter(id => !ids(again).includes(id)),
    [],
  )
  assert.equal(again.told.length, many.length)
})

test('a reader that was told of nothing comes back to where it was: comments have an id, too', async t => {
  const first = await listen(t, '?event_type=nothing.such')
  const { lastId } = first
  await first[Symbol.asyncDispose]()
  const missed = await accept()
  const again = await listen(t, `?last_event_id=${lastId}`)
  assert.deepEqual(await toldUntil(again, missed), [missed])
})

test('what is committed after what has a greater id is told before it', async t => {
  const reader = await listen(t)
  const { promise: written, resolve: isWritten } = Promise.withResolvers<Uuid>()
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
  const transaction = database.transaction(async tx => {
    await tx.query({ text: 'select pg_current_xact_id()' }) // as a statement that has written something before
    isWritten(await owe(tx, { webhookId: newId() }))
    await mayCommit
  })
  const late = await written
  const sooner = await accept()
  const { statements } = looking
  await eventually(() => looking.statements > statements + 12) // several looks, which must not pass what is under way
  assert.deepEqual(ids(reader), [])
  commit()
  await transaction
  assert.deepEqual(await toldUntil(reader, sooner), [late, sooner])
})

test('filters hold for what is live and for what was missed', async t => {
  const from = uuidLowerBound(Date.now())
  const [mine, other] = [await finish('given_up', 2, 'order.paid'), await finish('delivered', 1, 'user.made')]
  const wanted = async (query: string) => {
    const reader = await listen(t, `${query}&last_event_id=${from}`)
    const marker = await finish('given_up', 2, 'order.paid')
    await eventually(() => reader.told.some(({ data }) => data.webhook_id === marker))
    const told = reader.told.filter(({ data }) => [mine, other].includes(data.webhook_id as Uuid))
    return told.map(({ event, data }) => `${event} ${data.webhook_id === mine ? 'mine' : 'other'}`)
  }
  const both = ['accepted mine', 'attempt mine']
  assert.deepEqual(await wanted('?subscription_id=2'), both)
  assert.deepEqual(await wanted('?event_type=order.*'), both)
  assert.deepEqual(await wanted('?kind=accepted'), ['accepted mine', 'accepted other'])
  assert.deepEqual(await wanted('?kind=attempt,accepted&status=failed'), ['attempt mine'])
})

test('tests of a subscription are no attempts of the stream', async t => {
  const reader = await listen(t)
  const id = newId()
  await database.query({
    text: `insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict, trigger)
           values ($1, $1, 1, 1, 'success', 'delivered', 'test')`,
    values: [id],
  })
  const webhookId = await accept()
  assert.deepEqual(await toldUntil(reader, webhookId), [webhookId])
})

test('what cannot be asked for is refused with a sentence', async () => {
  const answer = async (query: string, headers = {}) => {
    const { status, text } = await world.request(`/stream${query}`, { headers })
    return `${status} ${text}`
  }
  assert.match(await answer('', { 'last-event-id': 'yesterday' }), /^422 .*last-event-id.*UUID/)
  assert.match(await answer('?last_event_id=ffffffff-ffff-7fff-bfff-ffffffffffff'), /^422 .*last-event-id/)
  assert.match(await answer('?kind=gap'), /^422 /)
  assert.match(await answer('?subscription_id=999'), /^404 /)
  assert.match(await answer('?subscription_id=uid:none'), /^404 /)
  assert.match(await answer('?event_type=no%20type'), /^422 /)
  assert.match(await answer('?colour=red'), /^422 /)
})

test('what retention has taken is a gap', async t => {
  const reader = await listen(t, `?last_event_id=${uuidLowerBound(Date.now() - 100 * 3_600_000)}`)
  const [gap] = await eventually(
    () => reader.told,
    ({ length }) => length > 0,
  )
  assert.deepEqual([gap?.event, gap?.data], ['gap', { dropped: null, reason: 'retention' }])
})

/** More than the buffers of two sockets and the megabyte that may wait here. @returns how many events */
async function acceptTooMany(): Promise<number> {
  const long = 'x'.repeat(1500)
  const made = 8000
  const many = {
    text: `insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids)
           select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7000'
                   || lpad(to_hex(n), 16, '8000'))::uuid, 'default', $1, $1, 'x', '{1}'
           from generate_series(1, $2::int) n`,
    values: [long, made],
  }
  await unwritten.during(() => database.query(many))
  return made
}

test('a reader that does not read has a gap with the number, and can get what is missing', async t => {
  const socket = connect(world.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n')
  let text = ''
  const hear = (piece: Buffer) => {
    text += piece.toString()
  }
  socket.on('data', hear)
  await eventually(() => /^id: /m.test(text))
  socket.off('data', hear)
  socket.pause()
  const made = await acceptTooMany()
  const last = await accept()
  const other = await listen(t)
  await eventually(() => (other.lastId ?? '') >= last)
  socket.on('data', hear)
  socket.resume()
  await eventually(() => text.includes('event: gap'))
  const gap = /event: gap\nid: (\S+)\ndata: (.*)\n\n/.exec(text)
  const { dropped, reason } = JSON.parse(gap?.[2] ?? '{}')
  assert.equal(reason, 'slow_reader')
  const before = [...text.slice(0, gap?.index).matchAll(/event: accepted\nid: (\S+)/g)].map(([, id]) => id)
  assert.equal(before.length + dropped, made + 1)
  const again = await listen(t, '', { 'last-event-id': before.at(-1) ?? '' })
  assert.equal((await toldUntil(again, last)).length, dropped)
})

test('a reader that stops reading what it has missed is cut off after a minute, and one that reads is not', async t => {
  const before = await accept()
  await acceptTooMany()
  let now = 0
  const live = testLive(own, { heartbeatMs: 5, monotonicNow: () => now })
  await using server = await testServer({ live })
  await using reading = await readStream(server.url)
  const socket = connect(server.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(`GET /stream?last_event_id=${before} HTTP/1.1\r\nhost: x\r\n\r\n`) // and its answer is not read
  await eventually(() => live.size === 2)
  const waitFor = async (ms: number) => {
    const { text } = reading
    now += ms
    await eventually(() => reading.text.length > text.length + 100) // two heartbeats of both at least
  }
  await waitFor(0)
  for (let seconds = 0; live.size === 2 && seconds < 600; seconds += 15) await waitFor(15_000)
  assert.equal(live.size, 1)
  await waitFor(120_000)
  assert.equal(live.size, 1)
})

test('when the service stops, a stream ends, and one that is asked for then ends at once', async () => {
  const live = testLive(own)
  await using server = await testServer({ live })
  await using reader = await readStream(server.url)
  await eventually(() => reader.lastId)
  await live.close()
  await reader.ended
  await using late = await readStream(server.url)
  await late.ended
  assert.deepEqual([late.response.status, late.text], [200, 'retry: 2000\n\n'])
})

test('a reader that leaves before its stream begins takes no place', async () => {
  const { promise: kept, resolve: answer } = Promise.withResolvers<number>()
  let asked = 0
  const retentionMs = () => {
    asked++
    return kept
  }
  const live = testLive(own, { retentionMs, streamsMax: 1 })
  await using server = await testServer({ live })
  const { app } = server
  const socket = connect(server.port, '127.0.0.1')
  socket.write(`GET /stream?last_event_id=${newId()} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await eventually(() => asked === 1)
  socket.destroy()
  const connections = promisify(app.server.getConnections.bind(app.server))
  await eventually(connections, count => count === 0)
  answer(3_600_000)
  await using next = await readStream(server.url)
  assert.equal(next.response.status, 200)
  await next[Symbol.asyncDispose]()
  await eventually(() => live.size === 0)
})

test('the number of streams is bounded, and one key may have a quarter of them', async t => {
  const other = await testDatabase()
  t.after(() => other.close())
  await aTenant(other.database, 'red')
  const [greedy, modest] = [await aKey(other.database, 'read', 'red'), await aKey(other.database, 'read')]
  const keys = new ApiKeys({ database: other.database, clock: systemClock() })
  await keys.load()
  const live = testLive(other, { streamsMax: 4 })
  await using server = await testServer({ keys, live })
  const open = (key: string) => readStream(server.url, '', { authorization: `Bearer ${key}` })
  await using first = await open(greedy)
  assert.equal(first.response.status, 200)
  await using second = await open(greedy)
  assert.equal(second.response.status, 429)
  await second.ended
  await eventually(() => /"code":"too_many_streams"/.test(second.text))
  await using third = await open(modest)
  assert.equal(third.response.status, 200)
  await first[Symbol.asyncDispose]()
  await eventually(() => live.size === 1)
  await using fourth = await open(greedy)
  assert.equal(fourth.response.status, 200)
})
