import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { fitsPattern, isPattern, segmentsOf } from '../../src/subscriptions/event-type-pattern.ts'
import { searchSubscriptions } from '../../src/subscriptions/search.ts'
import type { SubscriptionFilter } from '../../src/subscriptions/search-store.ts'
import { testDatabase } from '../support/database.ts'
import { aTenant } from '../support/keys.ts'
import { testServer, testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const subscriptions = testSubscriptions(world)
await aTenant(database, 'acme')

const target = 'http://127.0.0.1:9'
const made = async (fields: object, tenant = 'default') =>
  (
    await subscriptions.create(
      { ...localOperator, reach: Reach.of(tenant) },
      { target_url: target, ...fields },
    )
  ).id
const shop = await made({ uid: 'shop-1', description: 'The Shop', target_url: `${target}/Orders` })
const orders = await made({ event_types: ['order.*', 'invoice.made'] })
const paid = await made({ event_types: ['*.paid'], paused: true })
const every = await made({ event_types: ['*'] })
const acme = await made({ description: 'shop of acme' }, 'acme')
await database.query({ text: `update subscriptions set state = 'degraded' where id = $1`, values: [orders] })

const idsOf = async (filter: SubscriptionFilter, reach = Reach.all) =>
  (await subscriptions.list(reach, { limit: 50 }, filter)).rows.map(({ id }) => id)

test('subscriptions are found by a part of what people call them, or by their id', async () => {
  assert.deepEqual(await idsOf({ q: 'SHOP' }), [acme, shop])
  assert.deepEqual(await idsOf({ q: '/orders' }), [shop])
  assert.deepEqual(await idsOf({ q: 'shop-1' }), [shop])
  assert.deepEqual(await idsOf({ q: String(every) }), [every])
  assert.deepEqual(await idsOf({ q: '%' }), [], 'a text and no pattern')
  assert.deepEqual(await idsOf({ q: 'shop' }, Reach.of('acme')), [acme])
})

test('subscriptions are found by the state that they are shown in', async () => {
  assert.deepEqual(await idsOf({ state: 'paused' }), [paid])
  assert.deepEqual(await idsOf({ state: 'degraded' }), [orders])
  assert.deepEqual(await idsOf({ state: 'active' }), [acme, every, shop])
  assert.deepEqual(await idsOf({ state: 'active', q: 'shop', eventType: 'x' }, Reach.of('default')), [shop])
})

test('those that want a type are found, by the rule that matching has', async () => {
  assert.deepEqual(await idsOf({ eventType: 'order.paid' }), [acme, every, paid, orders, shop])
  const all = [acme, every, paid, orders, shop]
  const lists = new Map([
    [orders, ['order.*', 'invoice.made']],
    [paid, ['*.paid']],
    [every, ['*']],
  ])
  for (const type of [
    'order',
    'order.item.added',
    'invoice.made',
    'invoiceXmade',
    'a.paid',
    'a.b.paid',
    'x',
  ]) {
    const fits = (wanted: string) =>
      wanted === '*' ||
      wanted === type ||
      (isPattern(wanted) && fitsPattern(segmentsOf(wanted), segmentsOf(type)))
    const expected = all.filter(id => lists.get(id)?.some(fits) ?? true)
    assert.deepEqual(await idsOf({ eventType: type }), expected, type)
  }
})

test('a request looks at a bounded number of them, and leads to the next page also where it found none', async () => {
  const look = (before?: number) =>
    searchSubscriptions(database, Reach.all, { limit: 10, before }, { q: 'shop-1' }, 2)
  const first = await look()
  assert.deepEqual([first.rows.length, first.next], [0, every])
  const second = await look(first.next)
  assert.deepEqual([second.rows.length, second.next], [0, orders])
  const third = await look(second.next)
  assert.deepEqual([third.rows.map(({ id }) => id), third.next], [[shop], undefined])
})

test('GET /subscriptions takes them as filters, page by page', async () => {
  await using server = await testServer()
  for (const name of ['one', 'two', 'three'])
    await server.request('/subscriptions/', {
      method: 'POST',
      json: { target_url: target, description: `shop ${name}`, paused: name === 'two' },
    })
  const read = async (path: string) => {
    const { json, headers, status } = await server.request(path)
    assert.equal(status, 200)
    const names = (json as { description: string }[]).map(({ description }) => description) // as openapi.json has it
    return { names, next: /<(.+)>/.exec(headers.get('link') ?? '')?.[1] }
  }
  assert.deepEqual((await read('/subscriptions/?state=paused')).names, ['shop two'])
  const first = await read('/subscriptions/?q=SHOP&limit=2&event_type=order.paid')
  assert.deepEqual(first.names, ['shop three', 'shop two'])
  assert.deepEqual(await read(first.next ?? ''), { names: ['shop one'], next: undefined })
  assert.equal((await server.request('/subscriptions/?state=unwell')).status, 422)
})
