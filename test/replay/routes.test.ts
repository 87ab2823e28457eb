import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import type { Uuid } from '../../src/platform/id.ts'
import { ended, owedRuns, settle, subscribe } from '../support/replay.ts'
import { emptyAll, idAt, laneOf, owe } from '../support/rows.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
beforeEach(() => emptyAll(database))

const post = (path: string, json: unknown) => server.request(path, { method: 'POST', json })
const discard = (json: unknown) => post('/deliveries/discard', json)
const delivery = (webhookId: Uuid, id: number) => ({ webhook_id: webhookId, subscription_id: id })

async function states(): Promise<string[]> {
  const { json } = await server.request('/deliveries?state=pending,failed,success,cancelled')
  return (json as { state: string; subscription_id: number }[]).map(
    row => `${row.state} ${row.subscription_id}`,
  )
}

async function entries(action: string): Promise<readonly Record<string, unknown>[]> {
  const { json } = await server.request(`/audit?action=${action}`)
  return json as Record<string, unknown>[] // as the schema of an entry says
}

test('the deliveries that are named end as cancelled, each once, and no others', async () => {
  await subscribe(database, [1, 2, 3, 4])
  const event = await ended(database, { 1: 'given_up', 2: 'given_up', 3: 'delivered' })
  const waiting = await owe(database, { subscriptionIds: [1, 4] })
  const deliveries = [
    ...[delivery(event, 1), delivery(event, 3), delivery(waiting, 4)],
    delivery(event.toUpperCase() as Uuid, 1), // the same once more
  ]
  const counted = await discard({ deliveries, dry_run: true })
  assert.deepEqual(counted.json, { count: 2, is_complete: true, next_cursor: null })
  assert.equal((await states()).filter(state => state.startsWith('cancelled')).length, 0)
  assert.deepEqual(await entries('delivery.discarded'), [])

  assert.deepEqual((await discard({ deliveries })).json, { count: 2, is_complete: true, next_cursor: null })
  assert.deepEqual((await states()).toSorted(), [
    'cancelled 1',
    'cancelled 4',
    'failed 2',
    'pending 1',
    'success 3',
  ])
  assert.deepEqual(
    (await owedRuns(database)).map(row => [row.webhook_id, row.subscription_id]),
    [[waiting, 1]],
  )
  const [entry, ...more] = await entries('delivery.discarded')
  assert.deepEqual(more, [])
  assert.equal(entry?.tenant, 'default')
  assert.deepEqual(entry?.changes, [
    { field: 'deliveries', before: null, after: [`${waiting}/4`, `${event}/1`] },
    { field: 'discarded', before: null, after: 2 },
  ])

  const again = await discard({ deliveries })
  assert.deepEqual(again.json, { count: 0, is_complete: true, next_cursor: null }, 'they have ended')
  assert.equal((await entries('delivery.discarded')).length, 1)
})

test('when one of the deliveries that are named is not there, none ends, and the answer says which', async () => {
  await subscribe(database, [1, 2])
  const event = await ended(database, { 1: 'given_up' })
  const answer = await discard({ deliveries: [delivery(event, 1), delivery(event, 2)] })
  assert.equal(answer.status, 404, answer.text)
  const { errors } = answer.json as { errors: { pointer: string; detail: string }[] }
  assert.deepEqual(
    errors.map(({ pointer }) => pointer),
    ['/deliveries/1'],
  )
  assert.match(errors[0]?.detail ?? '', new RegExp(`no delivery of the event ${event} to subscription 2`))
  assert.deepEqual(await states(), ['failed 1'])
})

test('the deliveries of another tenant are not there', async () => {
  await database.query({
    text: `insert into tenants (id, name) values ('acme', 'Acme') on conflict do nothing`,
  })
  await subscribe(database, [1])
  await subscribe(database, [5], { tenant: 'acme' })
  const own = await ended(database, { 1: 'given_up' })
  const theirs = await ended(database, { 5: 'given_up' }, { tenant: 'acme' })
  const deliveries = [delivery(own, 1), delivery(theirs, 5)]
  const answer = await discard({ tenant: 'default', deliveries })
  assert.equal(answer.status, 404, answer.text)
  assert.match(answer.text, /\/deliveries\/1/)
  assert.deepEqual((await states()).toSorted(), ['failed 1', 'failed 5'])
  assert.equal((await discard({ deliveries })).status, 200, 'an operator reaches both')
})

test('deliveries are named, or filtered: not both, and at most five hundred at a time', async () => {
  await subscribe(database, [1])
  const event = await ended(database, { 1: 'given_up' })
  await settle(database, event, 1, 2, 'given_up')
  const deliveries = [delivery(event, 1)]
  for (const [body, pointer] of [
    [{ deliveries, state: 'failed' }, '/state'],
    [{ deliveries, subscription_id: 1 }, '/subscription_id'],
    [{ deliveries: [] }, '/deliveries'],
    [{ deliveries: Array.from({ length: 501 }, (_, n) => delivery(event, n + 1)) }, '/deliveries'],
    [{ deliveries: [{ webhook_id: 'x', subscription_id: 1 }] }, '/deliveries/0/webhook_id'],
  ] as const) {
    const { status, text } = await discard(body)
    assert.equal(status, 422, text)
    assert.ok(text.includes(`"pointer":"${pointer}"`), text)
  }
  assert.deepEqual(await states(), ['failed 1'])
})

test('nothing is discarded or sent again by saying nothing: all is said, and can be counted without', async () => {
  await subscribe(database, [1])
  await ended(database, { 1: 'given_up' })
  for (const [path, body, pointer] of [
    ['/deliveries/discard', {}, ''],
    ['/deliveries/discard', { all: false, dry_run: false }, ''],
    ['/deliveries/discard', { all: true, state: 'failed' }, '/all'],
    ['/deliveries/discard', { all: true, tenant: 'default' }, '/all'],
    ['/replays', { filter: {} }, '/filter'],
  ] as const) {
    const { status, text } = await post(path, body)
    assert.equal(status, 422, text)
    assert.ok(text.includes(`"pointer":"${pointer}"`), text)
  }
  assert.deepEqual(await states(), ['failed 1'])
  assert.deepEqual((await post('/replays', { filter: {}, dry_run: true })).json, { count: 1 })
  assert.equal(Object(await discard({ dry_run: true })).json.count, 1)
  assert.equal(Object(await discard({ all: true })).json.count, 1)
  assert.deepEqual(await states(), ['cancelled 1'])
})

/** An event of some minutes ago that has failed, and waits for its retry. */
async function failedOnce(subscriptionIds: readonly number[], retryAt = Date.now() + 600_000): Promise<Uuid> {
  const event = await owe(database, { webhookId: idAt(Date.now() - 300_000), subscriptionIds })
  await database.query({
    text: `update owed set attempt = 2, due_at = to_timestamp($2::float8 / 1000) where webhook_id = $1`,
    values: [event, retryAt],
  })
  await database.query({
    text: 'update lanes set due_at = to_timestamp($1::float8 / 1000)',
    values: [retryAt],
  })
  return event
}

const tryNow = (event: Uuid, ids?: readonly number[]) =>
  post(`/events/${event}/try-now`, ids === undefined ? {} : { subscription_ids: ids })

test('what waits for its retry is tried now, by hand, and its lane is due', async () => {
  await subscribe(database, [1, 2])
  const event = await failedOnce([1, 2])
  const answer = await tryNow(event, [1])
  assert.deepEqual([answer.status, answer.json], [202, { deliveries: 1 }])
  const isDue = async (id: number) => ((await laneOf(database, id))?.dueAt ?? Infinity) <= Date.now()
  assert.deepEqual([await isDue(1), await isDue(2)], [true, false])
  assert.deepEqual(
    (await owedRuns(database)).map(row => [row.subscription_id, row.attempt, row.trigger]),
    [
      [1, 2, 'manual'],
      [2, 2, null],
    ],
  )
  const [entry] = await entries('event.tried_now')
  assert.deepEqual([entry?.tenant, entry?.subject], ['default', { kind: 'event', id: event }])
  // It is due already: it goes anyway, and leaves no entry.
  assert.deepEqual((await tryNow(event, [1])).json, { deliveries: 0 })
  assert.equal((await entries('event.tried_now')).length, 1)
  assert.deepEqual((await tryNow(event)).json, { deliveries: 1 }, 'the other one')
})

test('a row that is being settled at that moment is not waited for', async () => {
  await subscribe(database, [1])
  const event = await failedOnce([1])
  await database.transaction(async tx => {
    await tx.query({ text: 'select from owed where webhook_id = $1 for update', values: [event] })
    assert.deepEqual((await tryNow(event, [1])).json, { deliveries: 0 })
  })
})

test('what cannot be tried now is refused with what to do, and nothing is changed', async () => {
  await subscribe(database, [1, 2])
  const later = `now() + interval '5 min'`
  const cases: readonly (readonly [change: string, sentence: RegExp])[] = [
    ['update subscriptions set paused = true where id = 2', /Subscription 2 is paused\. Resume it/],
    [`update subscriptions set state = 'disabled' where id = 2`, /Subscription 2 is disabled\. Resume it/],
    [
      `with s as (update subscriptions set state = 'circuit_open' where id = 2)
       update lanes set open_until = ${later} where subscription_id = 2`,
      /circuit of subscription 2 is open.+by itself at 20.+resume/,
    ],
    [`update lanes set open_until = ${later} where subscription_id = 2`, /sent nothing before 20/],
    [
      `with s as (update subscriptions set ordered = true where id = 2)
       update lanes set open_until = ${later} where subscription_id = 2`,
      /is ordered, and the first of its deliveries waits/,
    ],
    [
      `update owed set due_at = '9999-01-01', ordering_key = 'k', place_at = now() where subscription_id = 2`,
      /waits behind another one with the same ordering key/,
    ],
    ['update owed set attempt = 1 where subscription_id = 2', /planned for 20.+not sent sooner/],
    ['delete from owed where subscription_id = 2', /Nothing of this event waits for subscription 2 any more/],
  ]
  for (const [change, sentence] of cases) {
    await emptyAll(database)
    await subscribe(database, [1, 2])
    const event = await failedOnce([1, 2])
    await database.query({ text: change })
    const before = await owedRuns(database)
    const answer = await tryNow(event, [1, 2])
    assert.equal(answer.status, 409, `${change}: ${answer.text}`)
    const { code, detail, errors } = answer.json as Record<string, string> & { errors: { pointer: string }[] }
    assert.deepEqual([code, errors.map(({ pointer }) => pointer)], ['not_tried_now', ['/subscription_ids/1']])
    assert.match(detail ?? '', sentence)
    assert.deepEqual(await owedRuns(database), before)
    // Where none is named, the others are tried.
    assert.deepEqual((await tryNow(event)).json, { deliveries: 1 }, change)
  }
})

test('only what an event was for is tried', async () => {
  await subscribe(database, [1, 2])
  const event = await failedOnce([1])
  assert.match((await tryNow(event, [2])).text, /was not for this subscription/)
  await database.query({ text: 'delete from owed' })
  const answer = await tryNow(event)
  assert.equal(answer.status, 409)
  assert.match(answer.text, /Replay it to send it again/)
  assert.equal((await tryNow('01936b6e-0000-7000-8000-000000000000' as Uuid)).status, 404)
})

test('a time from which on nothing can have been accepted is refused where the caller has said it', async () => {
  await subscribe(database, [1])
  const since = '9999-01-01T00:00:00Z'
  const pointers = async (path: string, json: unknown) => {
    const answer = await post(path, json)
    assert.equal(answer.status, 422, answer.text)
    return (answer.json as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer) // of a 422
  }
  assert.deepEqual(await pointers('/subscriptions/1/recover', { since }), ['/since'])
  assert.deepEqual(await pointers('/subscriptions/1/recover', { since: '2026-99-01T00:00:00Z' }), ['/since'])
  assert.deepEqual(await pointers('/replays', { filter: { since } }), ['/filter/since'])
  assert.deepEqual(await pointers('/replays', { filter: { since, until: '2026-01-01T00:00:00Z' } }), [
    '/filter/until',
  ])
})
