import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { EventDetails } from '../../src/events/schema.ts'
import { type AttemptEntry, recordAttempts } from '../../src/log/store.ts'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import type { SubscriptionCreate } from '../../src/subscriptions/schema.ts'
import { logged, owing, store } from '../support/events.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
const detailsSchema = Compile(EventDetails)

let tenants = 0
/** A tenant of its own for a test. */
async function aTenant(): Promise<string> {
  const id = `t${++tenants}`
  await database.query({ text: 'insert into tenants (id, name) values ($1, $1)', values: [id] })
  return id
}

async function subscribe(tenant: string, rules: Partial<SubscriptionCreate> = {}): Promise<number> {
  const made = await server.subscriptions.create(
    { ...localOperator, reach: Reach.of(tenant) },
    { target_url: 'https://example.com/', ...rules },
  )
  return made.id
}

async function read(id: Uuid, query = ''): Promise<EventDetails> {
  const answer = await server.request(`/events/${id}${query}`)
  assert.equal(answer.status, 200, answer.text)
  assert.ok(detailsSchema.Check(answer.json), answer.text)
  return answer.json
}

const reasonsOf = ({ unmatched }: EventDetails) => unmatched.map(one => [one.subscription_id, one.reason])

/** The rows of a subscription were changed at that moment. */
async function changedAt(
  id: number,
  column: 'created_at' | 'updated_at' | 'state_since',
  at: number,
): Promise<void> {
  await database.query({
    text: `update subscriptions set ${column} = $2 where id = $1`,
    values: [id, new Date(at)],
  })
}

for (const path of ['/events', '/status']) {
  test(`${path}: a delivery that is settled while it is read is not shown as owed and as ended`, async t => {
    const tenant = await aTenant()
    const to = await subscribe(tenant)
    const id = await store(database, { tenant, to: [to] })
    await owing(database, id, to)
    const [query, snapshot] = [database.query.bind(database), database.snapshot.bind(database)]
    let settling: Promise<unknown> | undefined
    const settledAfterOwed =
      (reads: Queryable['query']): Queryable['query'] =>
      async statement => {
        const result = await reads(statement)
        if (/from owed/.test(statement.text)) {
          settling ??= recordAttempts({ query }, 1, [givenUp(id, to)], [])
          await settling
        }
        return result as never // of the same statement
      }
    t.mock.method(database, 'query', settledAfterOwed(query))
    t.mock.method(database, 'snapshot', (work: (tx: Queryable) => Promise<unknown>) =>
      snapshot(tx => work({ query: settledAfterOwed(tx.query.bind(tx)) })),
    )
    const event = Object((await server.request(`${path}/${id}`)).json)
    assert.ok(settling)
    const [delivery] = event.deliveries
    assert.deepEqual([event.status, delivery.status, delivery.attempts.length], ['pending', 'pending', 0])
    const now = Object((await server.request(`${path}/${id}`)).json)
    assert.deepEqual([now.status, now.deliveries[0].status], ['failed', 'failed'])
  })
}

const newId = uuidV7Source(systemClock())
const givenUp = (webhookId: Uuid, subscriptionId: number): AttemptEntry => ({
  ...{ id: newId(), webhookId, subscriptionId, timestamp: Date.now(), attempt: 1, status: 'failed' },
  ...{ verdict: 'given_up', httpStatus: 500, durationMs: 1, nextAt: null, error: 'HTTP 500' },
})

test('an event shows each of its deliveries with its newest attempts, in parts', async () => {
  const tenant = await aTenant()
  const [one, two, three] = [
    await subscribe(tenant, { uid: 'first' }),
    await subscribe(tenant),
    await subscribe(tenant),
  ]
  const id = await store(database, { tenant, to: [three, one, two] })
  for (let attempt = 1; attempt <= 12; attempt++) await logged(database, id, one, 'retry', attempt)
  await owing(database, id, one)
  await logged(database, id, two, 'delivered')
  await logged(database, id, two, 'retry', 2)
  await logged(database, id, three, 'given_up')
  const first = await read(id, '?limit=2')
  assert.deepEqual(
    first.deliveries.map(({ subscription_id, uid, status, trigger }) => [
      subscription_id,
      uid,
      status,
      trigger,
    ]),
    [
      [one, 'first', 'pending', 'auto'],
      [two, null, 'success', 'auto'],
    ],
  )
  assert.deepEqual(
    first.deliveries[0]?.attempts.map(({ attempt }) => attempt),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  )
  assert.deepEqual(first.delivery_counts, { total: 3, success: 1, failed: 1, pending: 1, cancelled: 0 })
  assert.equal(first.status, 'pending')
  const second = await read(id, `?limit=2&cursor=${first.deliveries_next_cursor}`)
  assert.deepEqual(
    second.deliveries.map(({ subscription_id, status }) => [subscription_id, status]),
    [[three, 'failed']],
  )
  assert.equal(second.deliveries_next_cursor, null)
  assert.deepEqual(second.unmatched, [])
})

test('for every other subscription of the tenant it says why', async () => {
  const tenant = await aTenant()
  await subscribe(await aTenant())
  const got = await subscribe(tenant)
  const type = await subscribe(tenant, { event_types: ['user.*'] })
  const channel = await subscribe(tenant, { channels: ['us'], uid: 'mine' })
  const filter = await subscribe(tenant, { filter: { payload: { total: { $gte: 100 } } } })
  const metadata = await subscribe(tenant, { filter: { metadata: { plan: 'gold' } } })
  const disabled = await subscribe(tenant)
  const fits = await subscribe(tenant)
  const all = [got, type, channel, filter, metadata, disabled, fits]
  await database.query({
    text: `update subscriptions set state = 'disabled', state_since = now() + interval '1 s' where id = $1`,
    values: [disabled],
  })
  await server.subscriptions.load()
  for (const one of all) {
    for (const column of ['created_at', 'updated_at', 'state_since'] as const) {
      await changedAt(one, column, Date.now() - 10_000)
    }
  }
  const id = await store(database, {
    tenant,
    to: [got],
    type: 'order.created',
    channels: ['eu'],
    payload: '{"total":99}',
    metadata: { given: { plan: 'gold' } },
  })
  const event = await read(id)
  assert.deepEqual(reasonsOf(event), [
    [type, 'event_type'],
    [channel, 'channel'],
    [filter, 'filter'],
    [metadata, 'not_addressed'],
    [disabled, 'disabled'],
    [fits, 'not_addressed'],
  ])
  const [, ofChannel, ofFilter] = event.unmatched
  assert.equal(ofChannel?.uid, 'mine')
  assert.deepEqual(
    { pointer: ofFilter?.pointer, clause: ofFilter?.clause, value: ofFilter?.value },
    { pointer: '/payload/total/$gte', clause: '$gte 100', value: 99 },
  )
})

test('of what was made or changed since the event, it says only that', async () => {
  const tenant = await aTenant()
  const [made, changed, state, old] = [
    await subscribe(tenant, { event_types: ['user.*'] }),
    await subscribe(tenant, { event_types: ['user.*'] }),
    await subscribe(tenant),
    await subscribe(tenant, { event_types: ['user.*'] }),
  ]
  const [before, at, later] = [Date.now() - 20_000, Date.now() - 10_000, Date.now()]
  for (const id of [made, changed, state, old]) {
    await changedAt(id, 'created_at', id === made ? later : before)
    await changedAt(id, 'updated_at', id === changed || id === made ? later : before)
    await changedAt(id, 'state_since', id === old || id === changed ? before : later)
  }
  const id = await store(database, { tenant, at })
  const event = await read(id)
  assert.deepEqual(reasonsOf(event), [
    [made, 'created_later'],
    [changed, 'changed_since'],
    [state, 'changed_since'],
    [old, 'event_type'],
  ])
  assert.match(event.unmatched[1]?.detail ?? '', /they do not fit: The type of the event is order.created/)
  assert.equal(event.status, 'unmatched')
})

test('what did not get it comes in parts, too, and a part may be empty', async () => {
  const tenant = await aTenant()
  const ids = []
  for (let n = 0; n < 5; n++) ids.push(await subscribe(tenant, { event_types: ['user.made'] }))
  const id = await store(database, { tenant, to: [ids[1] ?? 0] })
  const seen: number[] = []
  let cursor: string | null = ''
  for (let parts = 0; cursor !== null && parts < 10; parts++) {
    const event = await read(id, `?unmatched_limit=2${cursor === '' ? '' : `&unmatched_cursor=${cursor}`}`)
    seen.push(...event.unmatched.map(one => one.subscription_id))
    cursor = event.unmatched_next_cursor
  }
  assert.deepEqual(seen, [ids[0], ids[2], ids[3], ids[4]])
})

test('a carried event tells of what is still known; one that retention removed is unknown', async () => {
  const tenant = await aTenant()
  const [owed, settled] = [await subscribe(tenant), await subscribe(tenant)]
  const id = await store(database, {
    tenant,
    to: [owed, settled],
    table: 'events_carried',
    at: Date.now() - 1e9,
  })
  await owing(database, id, owed)
  const event = await read(id)
  assert.deepEqual(
    event.deliveries.map(one => one.subscription_id),
    [owed],
  )
  await database.query({ text: 'delete from events_carried where webhook_id = $1', values: [id] })
  assert.equal((await server.request(`/events/${id}`)).status, 404)
})

test('what is no event, no cursor or no parameter is refused', async () => {
  const id = await store(database)
  assert.equal((await server.request('/events/abc')).status, 422)
  assert.equal((await server.request(`/events/${id}?cursor=abc`)).status, 400)
  assert.equal((await server.request(`/events/${id}?unmatched_limit=251`)).status, 422)
  const list = await server.request('/events?limit=1')
  const other = list.headers.get('x-next-cursor')
  if (other !== null) assert.equal((await server.request(`/events/${id}?cursor=${other}`)).status, 400)
})
