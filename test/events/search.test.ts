import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { EventSearch, searchBounds } from '../../src/events/search.ts'
import { Reach } from '../../src/model/caller.ts'
import { type Uuid, uuidTime } from '../../src/platform/id.ts'
import { testDatabase } from '../support/database.ts'
import { logged, owing, store } from '../support/events.ts'
import { emptyAll } from '../support/rows.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme'), ('other', 'Other')" })
beforeEach(() => emptyAll(database))

const search = new EventSearch(database)
const [acme, other] = [Reach.of('acme'), Reach.of('other')]
const put = (event: Parameters<typeof store>[1] = {}) => store(database, { tenant: 'acme', ...event })

async function found(
  query: Parameters<EventSearch['page']>[1] = {},
  reach: Reach = acme,
): Promise<readonly Uuid[]> {
  const { events, next } = await search.page(reach, query, 250)
  assert.equal(next, undefined)
  return events.map(event => event.webhook_id)
}

/** All pages, whatever they hold. */
async function allPages(
  by: EventSearch,
  reach: Reach,
  query: Parameters<EventSearch['page']>[1],
  limit: number,
): Promise<readonly (readonly Uuid[])[]> {
  const pages: Uuid[][] = []
  let before: Uuid | undefined
  do {
    const { events, next } = await by.page(reach, query, limit, before)
    pages.push(events.map(event => event.webhook_id))
    assert.ok(before === undefined || next === undefined || next < before, 'it goes on')
    before = next
  } while (before !== undefined && pages.length < 100)
  return pages
}

test('a tenant sees its own events, newest first, and an operator those of all', async () => {
  const [first, foreign, second] = [await put(), await put({ tenant: 'other' }), await put()]
  assert.deepEqual(await found(), [second, first])
  assert.deepEqual(await found({}, other), [foreign])
  assert.deepEqual(await found({}, Reach.of('default')), [])
  assert.deepEqual(await found({}, Reach.all), [second, foreign, first])
})

test('each filter leaves out what does not fit, and all of them must fit', async () => {
  const type = await put({ type: 'order.paid' })
  const channel = await put({ channels: ['eu', 'us'] })
  const to = await put({ to: [7, 8] })
  const named = await put({ eventId: 'E-1', idempotencyKey: 'K-1' })
  const none = await put({ type: null })
  await put({ tenant: 'other', type: 'order.paid', eventId: 'E-1' })
  assert.deepEqual(await found({ eventType: 'order.paid' }), [type])
  assert.deepEqual(await found({ eventTypePrefix: 'order.' }), [named, to, channel, type])
  assert.deepEqual(await found({ channel: 'us' }), [channel])
  assert.deepEqual(await found({ subscriptionId: 8 }), [to])
  assert.deepEqual(await found({ eventId: 'E-1' }), [named])
  assert.deepEqual(await found({ idempotencyKey: 'K-1' }), [named])
  assert.deepEqual(await found({ ids: [none] }), [none])
  assert.deepEqual(await found({ ids: [none], eventType: 'order.paid' }), [])
  assert.deepEqual(await found({ eventType: 'order.created', channel: 'eu' }), [channel])
  assert.deepEqual(await found({ ids: [none] }, other), [], 'an id of another tenant')
})

test('a time begins with its moment and ends before it', async () => {
  const noon = Date.now() - 3_600_000
  const [before, at, later] = [noon - 1, noon, noon + 1000]
  const ids = [await put({ at: before }), await put({ at }), await put({ at: later })]
  assert.deepEqual(await found({ since: noon }), [ids[2], ids[1]])
  assert.deepEqual(await found({ until: noon }), [ids[0]])
  assert.deepEqual(await found({ since: noon, until: noon + 1000 }), [ids[1]])
})

test('an event is as its deliveries are, and found by that', async () => {
  await database.query({
    text: `insert into subscriptions (id, tenant, target_url, signing_secrets)
           select n, 'acme', 'http://127.0.0.1:9/', '[]' from generate_series(1, 3) n`,
  })
  const pending = await put({ to: [1, 2] })
  await logged(database, pending, 1, 'given_up')
  await owing(database, pending, 2)
  const failed = await put({ to: [1, 2, 3] })
  await logged(database, failed, 1, 'delivered')
  await logged(database, failed, 2, 'retry')
  await logged(database, failed, 2, 'given_up', 2)
  await logged(database, failed, 3, 'cancelled')
  const success = await put({ to: [1] })
  await logged(database, success, 1, 'given_up')
  await logged(database, success, 1, 'delivered', 2) // replayed
  const cancelled = await put({ to: [1] })
  await logged(database, cancelled, 1, 'cancelled')
  const unmatched = await put()
  const replayed = await put({ to: [1] })
  await logged(database, replayed, 1, 'given_up')
  await owing(database, replayed, 1)
  const missing = await put({ to: [1] })
  const ending = await put({ to: [99] })
  await owing(database, ending, 99, null)

  const { events } = await search.page(acme, {}, 250)
  const counts = (id: Uuid) => {
    const event = events.find(({ webhook_id }) => webhook_id === id)
    const { total, success, failed, pending, cancelled } = event?.deliveries ?? {}
    return [event?.status, total, success, failed, pending, cancelled]
  }
  assert.deepEqual(counts(pending), ['pending', 2, 0, 1, 1, 0])
  assert.deepEqual(counts(failed), ['failed', 3, 1, 1, 0, 1])
  assert.deepEqual(counts(success), ['success', 1, 1, 0, 0, 0])
  assert.deepEqual(counts(cancelled), ['cancelled', 1, 0, 0, 0, 1])
  assert.deepEqual(counts(unmatched), ['unmatched', 0, 0, 0, 0, 0])
  assert.deepEqual(counts(replayed), ['pending', 1, 0, 0, 1, 0])
  assert.deepEqual(counts(missing), ['pending', 1, 0, 0, 1, 0])
  assert.deepEqual(counts(ending), ['cancelled', 1, 0, 0, 0, 1])

  assert.deepEqual(await found({ status: 'pending' }), [replayed, pending])
  assert.deepEqual(await found({ status: 'failed' }), [failed])
  assert.deepEqual(await found({ status: 'success' }), [success])
  assert.deepEqual(await found({ status: 'cancelled' }), [ending, cancelled])
  assert.deepEqual(await found({ status: 'unmatched' }), [unmatched])
  assert.deepEqual(await found({ status: 'failed' }, other), [])
  assert.deepEqual(await found({ status: 'pending', eventType: 'order.paid' }), [])
})

test('pages hold each event once, while new ones come', async () => {
  const ids = []
  for (let n = 0; n < 7; n++) ids.push(await put())
  const first = await search.page(acme, {}, 3)
  await put()
  const second = await search.page(acme, {}, 3, first.next)
  const third = await search.page(acme, {}, 3, second.next)
  assert.deepEqual(
    [first, second, third].map(({ events }) => events.length),
    [3, 3, 1],
  )
  assert.deepEqual(
    [first, second, third].flatMap(({ events }) => events.map(event => event.webhook_id)),
    ids.toReversed(),
  )
  assert.equal(third.next, undefined)
})

test('a full page that is the last one leads nowhere', async () => {
  for (let n = 0; n < 3; n++) await put()
  assert.equal((await search.page(acme, {}, 3)).next, undefined)
})

test('a request looks at a bounded number of events, and the next goes on where it ended', async () => {
  const small = new EventSearch(database, { ...searchBounds, rows: 4, rowsOfLook: 2, idsOfLook: 2 })
  const ids = []
  for (let n = 0; n < 12; n++) {
    const id = await put({ type: n % 5 === 0 ? 'rare' : 'common', to: n % 5 === 0 ? [1] : [] })
    if (n % 5 === 0) ids.push(id)
    if (n % 5 === 0) await owing(database, id, 1)
  }
  const pages = await allPages(small, acme, { eventType: 'rare' }, 10)
  assert.deepEqual(pages.flat(), ids.toReversed())
  assert.ok(pages.length >= 3, `${pages.length} pages`)
  assert.deepEqual((await allPages(small, acme, { status: 'pending' }, 1)).flat(), ids.toReversed())
  assert.deepEqual(
    (await allPages(small, acme, { status: 'pending', eventType: 'rare' }, 10)).flat(),
    ids.toReversed(),
  )
})

test('a request counts a bounded number of deliveries, but one event at least', async () => {
  const small = new EventSearch(database, { ...searchBounds, deliveries: 5 })
  const ids = []
  for (const fanOut of [9, 2, 3, 9, 1]) {
    const id = await put({ to: Array.from({ length: fanOut }, (_, n) => n + 1) })
    for (let n = 1; n <= fanOut; n++) await logged(database, id, n, 'given_up')
    ids.push(id)
  }
  const pages = await allPages(small, acme, {}, 10)
  assert.deepEqual(pages.flat(), ids.toReversed())
  assert.deepEqual(
    pages.map(page => page.length),
    [2, 2, 1],
  )
  assert.deepEqual((await allPages(small, acme, { status: 'failed' }, 10)).flat(), ids.toReversed())
  const { events } = await small.page(acme, { status: 'failed' }, 1)
  assert.deepEqual(events[0]?.deliveries, { total: 1, success: 0, failed: 1, pending: 0, cancelled: 0 })
})

test('a carried event is found, once, with what is still known of it', async () => {
  const old = await put({ at: Date.now() - 10 * 86_400_000, to: [1, 2], table: 'events_carried' })
  await owing(database, old, 1)
  const both = await put({ to: [1] })
  await owing(database, both, 1)
  await database.query({
    text: 'insert into events_carried select * from events where webhook_id = $1',
    values: [both],
  })
  assert.deepEqual(await found(), [both, old])
  assert.deepEqual(await found({ eventType: 'order.created' }), [both, old])
  assert.deepEqual(await found({}, Reach.all), [both, old])
  assert.deepEqual(await found({ status: 'pending' }), [both, old])
  assert.deepEqual((await allPages(search, acme, {}, 1)).flat(), [both, old])
  const { events } = await search.page(acme, { ids: [old] }, 1)
  assert.equal(events[0]?.deliveries.total, 1)
  assert.equal(events[0]?.created_at, new Date(uuidTime(old)).toISOString())
})

test('the same is found while a partition lacks the indexes of the search', async () => {
  const failed = await put({ to: [1] })
  await logged(database, failed, 1, 'given_up')
  await put({ tenant: 'other' })
  const success = await put({ to: [1] })
  await logged(database, success, 1, 'delivered')
  await database.query({
    text: `drop index events_of_tenant, delivery_logs_dead;
           create index events_of_tenant on only events (tenant, webhook_id) where tenant <> 'default';
           create index delivery_logs_dead on only delivery_logs (webhook_id, subscription_id)
             where verdict in ('given_up', 'expired')`,
  })
  const fresh = new EventSearch(database)
  const idsOf = async (query: Parameters<EventSearch['page']>[1]) =>
    (await fresh.page(acme, query, 10)).events.map(event => event.webhook_id)
  assert.deepEqual(await idsOf({}), [success, failed])
  assert.deepEqual(await idsOf({ status: 'failed' }), [failed])
  assert.deepEqual(await idsOf({ status: 'success' }), [success])
})

test('an event with a name is found at once, however many came after it, and also when it has outlived its partition', async () => {
  const named = await put({ eventId: 'E-7', idempotencyKey: 'K-7' })
  const carried = await put({ eventId: 'E-8', table: 'events_carried' })
  for (let n = 0; n < 20; n++) await put()
  const hurried = new EventSearch(database, { ...searchBounds, rows: 2, rowsOfLook: 2, idsOfLook: 2 })
  for (const [query, expected] of [
    [{ eventId: 'E-7' }, [named]],
    [{ idempotencyKey: 'K-7' }, [named]],
    [{ eventId: 'E-8' }, [carried]],
    [{ eventId: 'E-9' }, []],
    [{ eventId: 'E-7', eventType: 'order.paid' }, []],
  ] as const) {
    const { events, next } = await hurried.page(acme, query, 10)
    assert.deepEqual(
      events.map(event => event.webhook_id),
      expected,
    )
    assert.equal(next, undefined)
  }
  assert.equal((await hurried.page(other, { eventId: 'E-7' }, 10)).events.length, 0)
})
