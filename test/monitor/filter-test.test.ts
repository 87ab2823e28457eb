import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { Reach } from '../../src/model/caller.ts'
import { FilterTestResult, testFilter } from '../../src/monitor/filter-test.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { isPattern, segmentsOf } from '../../src/subscriptions/event-type-pattern.ts'
import { wants } from '../../src/subscriptions/matching.ts'
import { aFilter } from '../support/filters.ts'
import { testServer } from '../support/server.ts'
import { aSubscription } from '../support/subscription.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const guide = readFileSync(new URL('../../docs/guides/filtering.md', import.meta.url), 'utf8')
const newId = uuidV7Source(systemClock())
const result = Compile(FilterTestResult)

const ask = (json: unknown) => server.request('/filters/test', { method: 'POST', json })

async function accept(tenant: string, metadata: object | null = null): Promise<string> {
  const id = newId()
  await server.world.database.query({
    text: `insert into events (webhook_id, tenant, event_type, content_type, payload, subscription_ids, metadata)
           values ($1, $2, 'order.paid', 'text/plain', '{"total":20}', '{}', $3)`,
    values: [id, tenant, metadata],
  })
  return id
}

test('each row of the guide is true', () => {
  const rows = [...guide.matchAll(/^\| `([^`]+)` \| (?:`([^`]+)`|\(none\)) \| (yes|no) \|$/gm)]
  assert.ok(rows.length > 35, `${rows.length} rows`)
  for (const [row, asked = '', given, answer] of rows) {
    const isFilter = asked.startsWith('{')
    const subscription = isFilter
      ? aSubscription({ filter: aFilter(JSON.parse(asked)) })
      : aSubscription({
          eventTypes: new Set([asked]),
          eventTypePatterns: [asked].filter(isPattern).map(segmentsOf),
        })
    const event = {
      ...{ tenant: 'default', channels: [], headers: {}, metadata: {} },
      eventType: isFilter ? null : (given ?? null),
      payload: Buffer.from(isFilter ? (given ?? '') : ''),
    }
    assert.equal(wants(subscription, event) ? 'yes' : 'no', answer, row)
  }
})

test('the examples of the guide are right filters, and the one for trying answers as it says', async () => {
  const blocks = [...guide.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => JSON.parse(text))
  const [subscription, filter, shown] = blocks
  aFilter(subscription.filter)
  aFilter(filter)
  const body = /-d '(.*)'/.exec(guide)?.[1] ?? ''
  const answer = await ask(JSON.parse(body))
  assert.deepEqual(answer.json, shown)
  assert.ok(result.Check(answer.json))
})

test('names of headers fit in any case', async () => {
  const filter = { headers: { 'X-A': '1' }, metadata: { m: 2 }, event_type: 'a' }
  const answer = await ask({ filter, headers: { 'x-A': '1' }, metadata: { m: 2 }, event_type: 'a' })
  assert.equal((answer.json as { matches: boolean }).matches, true, answer.text)
})

test('a filter is held against an event that was accepted', async () => {
  const webhook_id = await accept('default', { given: { region: 'eu' }, hops: 1 })
  const filter = {
    payload: { total: 20 },
    metadata: { region: 'eu' },
    event_type: 'order.paid',
    headers: { a: '1' },
  }
  const answer = await ask({ filter, webhook_id, headers: { A: '1' } })
  assert.equal((answer.json as { matches: boolean }).matches, true, answer.text)
})

test('an event that is not there is 404, and so is one of another tenant', async () => {
  const filter = { payload: { total: 20 } }
  assert.equal((await ask({ filter, webhook_id: newId() })).status, 404)
  const webhook_id = await accept('default')
  const { database } = server.world
  assert.equal((await testFilter(database, Reach.of('default'), { filter, webhook_id })).matches, true)
  await assert.rejects(testFilter(database, Reach.of('acme'), { filter, webhook_id }), { code: 'not_found' })
})

test('what is wrong is said with its place', async () => {
  const places = async (body: unknown) => {
    const answer = await ask(body)
    assert.equal(answer.status, 422, answer.text)
    return (answer.json as { errors: readonly { pointer: string }[] }).errors.map(({ pointer }) => pointer)
  }
  assert.deepEqual(await places({}), ['/filter'])
  assert.deepEqual(await places({ filter: null }), ['/filter'])
  assert.deepEqual(await places({ filter: { payload: { a: { $x: 1 } } } }), ['/filter/payload/a/$x'])
  assert.deepEqual(await places({ filter: { payload: 1 }, webhook_id: newId(), payload: 1 }), ['/payload'])
  assert.deepEqual(await places({ filter: { payload: 1 }, webhook_id: 'x' }), ['/webhook_id'])
  assert.deepEqual(await places({ filter: { payload: 1 }, body: 1 }), ['/body'])
  assert.deepEqual(await places({ filter: { payload: 1 }, headers: { a: 1 } }), ['/headers/a'])
})
