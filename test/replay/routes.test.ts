import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import type { Uuid } from '../../src/platform/id.ts'
import { ended, owedRuns, settle, subscribe } from '../support/replay.ts'
import { emptyAll, owe } from '../support/rows.ts'
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
