import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { Subscription, type SubscriptionAnswer } from '../../src/subscriptions/schema.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const schema = Compile(Subscription)
const target = { target_url: 'https://example.com/hooks' }

async function answered(
  method: string,
  path: string,
  json?: object,
  headers: Record<string, string> = {},
): Promise<SubscriptionAnswer> {
  const answer = await server.request(path, { method, headers, ...(json && { json }) })
  assert.ok(answer.status < 300, answer.text)
  assert.ok(schema.Check(answer.json), `not a Subscription: ${answer.text}`)
  return answer.json
}

const create = (json: object) => answered('POST', '/subscriptions/', { ...target, ...json })

const wanted = {
  event_types: ['order.*', 'invoice.paid', '*.*.late', '*'],
  channels: ['eu', 'project-7'],
  filter: {
    payload: { total: { $gte: 100 }, 'a b': null, constructor: { $exist: true } },
    $or: [{ headers: { 'X-Test': '1' } }, { $not: { event_type: { $startsWith: 'x' } } }],
  },
}

function wantsOf({ event_types, channels, filter }: SubscriptionAnswer) {
  return { event_types, channels, filter }
}

test('event types, channels and filter are answered as they were given', async () => {
  const made = await create(wanted)
  assert.deepEqual(wantsOf(made), wanted)
  assert.deepEqual(wantsOf(await answered('GET', `/subscriptions/${made.id}`)), wanted)
  const put = await answered(
    'PUT',
    `/subscriptions/${made.id}`,
    await answered('GET', `/subscriptions/${made.id}`),
  )
  assert.deepEqual(wantsOf(put), wanted)
})

test('a filter keeps a field with the name __proto__', async () => {
  const body = '{"target_url":"https://example.com/","filter":{"payload":{"__proto__":{"a":1}}}}'
  const made = await server.request('/subscriptions/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  assert.equal(made.status, 201, made.text)
  assert.match(made.text, /"filter":\{"payload":\{"__proto__":\{"a":1\}\}\}/)
})

test('a patch leaves what it does not name, replaces a filter as a whole, and null takes it away', async () => {
  const { id } = await create(wanted)
  assert.deepEqual(wantsOf(await answered('PATCH', `/subscriptions/${id}`, { description: 'x' })), wanted)
  const filter = { payload: { a: 1 } }
  const patched = await answered('PATCH', `/subscriptions/${id}`, { filter, channels: ['us'] })
  assert.deepEqual(wantsOf(patched), { ...wanted, filter, channels: ['us'] })
  const none = { event_types: null, channels: null, filter: null }
  assert.deepEqual(wantsOf(await answered('PATCH', `/subscriptions/${id}`, none)), none)
})

test('a replacement without them wants everything again', async () => {
  const { id } = await create(wanted)
  const put = await answered('PUT', `/subscriptions/${id}`, target)
  assert.deepEqual(wantsOf(put), { event_types: null, channels: null, filter: null })
})

test('a uid is unique within its tenant: a taken one is 409, and changes nothing', async () => {
  const { rows } = await server.world.database.query<{ id: string }>({
    text: `insert into tenants (id, name) values ('acme', 'Acme') returning id`,
  })
  assert.equal(rows[0]?.id, 'acme')
  const first = await create({ uid: 'customer-1' })
  assert.equal(first.uid, 'customer-1')
  const again = await server.request('/subscriptions/', {
    method: 'POST',
    json: { ...target, uid: 'customer-1' },
  })
  assert.equal(again.status, 409, again.text)
  assert.match(again.text, /"uid_taken".*|customer-1/)
  const other = await create({ uid: 'customer-2' })
  const renamed = await server.request(`/subscriptions/${other.id}`, {
    method: 'PATCH',
    json: { uid: 'customer-1' },
  })
  assert.equal(renamed.status, 409, renamed.text)
  assert.equal((await answered('GET', `/subscriptions/${other.id}`)).uid, 'customer-2')
  assert.equal((await create({ uid: 'customer-1', tenant: 'acme' })).tenant, 'acme')
})

test('a uid stands for the id in every path', async () => {
  const uid = 'a'.repeat(255)
  const { id } = await create({ uid })
  const path = `/subscriptions/uid:${uid}`
  assert.equal((await answered('GET', path)).id, id)
  assert.equal((await answered('PUT', path, target)).id, id)
  assert.equal((await answered('PATCH', path, { description: 'x' })).description, 'x')
  assert.equal((await answered('POST', `${path}/pause`)).paused, true)
  assert.equal((await answered('POST', `${path}/resume`)).paused, false)
  assert.equal((await server.request(`${path}/rotate-secret`, { method: 'POST' })).status, 200)
  assert.equal((await server.request(`/logs/uid:${uid}`)).status, 200)
  assert.equal((await server.request(path, { method: 'DELETE' })).status, 204)
  for (const gone of [
    path,
    `/logs/uid:${uid}`,
    '/subscriptions/uid:',
    '/subscriptions/uid:%00',
    '/logs/uid:a%2Fb',
  ])
    assert.equal((await server.request(gone)).status, 404, gone)
})

test('who sees all tenants is told that a uid is one of a tenant, and which was looked at', async () => {
  await create({ uid: 'theirs', tenant: 'acme' })
  for (const path of [
    '/subscriptions/uid:theirs',
    '/logs/uid:theirs',
    '/stream?subscription_id=uid:theirs',
  ]) {
    const { status, json } = await server.request(path)
    assert.equal(status, 404, path)
    assert.match(
      Object(json).detail,
      /no subscription uid:theirs in the tenant default\. .*\(the parameter tenant\)/,
    )
  }
  assert.equal((await answered('GET', '/subscriptions/uid:theirs?tenant=acme')).uid, 'theirs')
  const named = Object((await server.request('/subscriptions/uid:none?tenant=acme')).json)
  assert.equal(named.detail, 'There is no subscription uid:none.')
})

test('a uid that another process has just given is found', async () => {
  const { id } = await create({})
  await server.world.database.query({
    text: `update subscriptions set uid = 'elsewhere' where id = $1`,
    values: [id],
  })
  assert.equal((await answered('GET', '/subscriptions/uid:elsewhere')).id, id)
})

test('a uid is looked for in the tenant that the request names, else in the default one', async () => {
  await create({ uid: 'twice' })
  const { id } = await create({ uid: 'twice', tenant: 'acme' })
  assert.equal((await answered('GET', '/subscriptions/uid:twice')).tenant, 'default')
  assert.equal((await answered('GET', '/subscriptions/uid:twice?tenant=acme')).id, id)
  assert.equal((await server.request(`/subscriptions/${id}?tenant=default`)).status, 404)
})

test('a uid stays when a replacement leaves it out, and null takes it away, for another one to have', async () => {
  const { id } = await create({ uid: 'kept' })
  assert.equal((await answered('PUT', `/subscriptions/${id}`, target)).uid, 'kept')
  assert.equal((await answered('PUT', `/subscriptions/${id}`, { ...target, uid: null })).uid, null)
  assert.equal((await create({ uid: 'kept' })).uid, 'kept')
})
