import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { type Program, type Receiver, startReceiver } from '../support/receiver.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
let program: Program = {}
const receiver: Receiver = await startReceiver((request, index) =>
  typeof program === 'function' ? program(request, index) : program,
)
after(async () => {
  await server[Symbol.asyncDispose]()
  await receiver.close()
})
beforeEach(() => {
  program = {}
})

interface Result {
  readonly delivered: boolean
  readonly webhook_id: string
  readonly attempt_id: string | null
  readonly event_type: string
  readonly request: { readonly url: string; readonly headers: Record<string, string>; readonly body: string }
  readonly response: { readonly status: number; readonly body: string } | null
  readonly timings: { readonly total: number }
  readonly error_class: string | null
  readonly error: string | null
  readonly hint: string | null
}

async function subscribe(
  body: object = {},
): Promise<{ readonly id: number; readonly signing_secret: string }> {
  const { status, json, text } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url: `${receiver.origin}/hook`, ...body },
  })
  assert.equal(status, 201, text)
  return json as { id: number; signing_secret: string } // as openapi.json has it
}

async function tryIt(id: number, body?: object): Promise<Result> {
  const { status, json, text } = await server.request(`/subscriptions/${id}/test`, {
    method: 'POST',
    ...(body && { json: body }),
  })
  assert.equal(status, 200, text)
  return json as Result // as openapi.json has it
}

const last = () => {
  const request = receiver.received.at(-1)
  assert.ok(request)
  return request
}

test('a sample is sent as every attempt is, signed and with the headers of the subscription', async () => {
  program = { status: 202, body: 'thanks' }
  const { id, signing_secret: secret } = await subscribe({ headers: { 'X-Own': 'correct-horse' } })
  const result = await tryIt(id)
  assert.deepEqual([result.delivered, result.response?.status, result.response?.body], [true, 202, 'thanks'])
  assert.deepEqual([result.error, result.error_class, result.hint], [null, null, null])
  const { headers, body } = last()
  new Webhook(secret).verify(body.toString(), headers as Record<string, string>)
  assert.equal(headers['webhook-id'], result.webhook_id)
  assert.equal(headers['x-own'], 'correct-horse')
  assert.equal(headers['x-event-type'], 'webhook.test')
  assert.equal(result.request.body, body.toString())
  assert.equal(JSON.parse(result.request.body).type, 'webhook.test')
  assert.equal(result.request.headers['x-own'], '[redacted]')
  assert.equal(result.request.headers['webhook-signature'], '[redacted]')
})

test('a payload that is given is sent, else the example of the event type, else a sample', async () => {
  await server.request('/event-types/order.paid', {
    method: 'PUT',
    json: { description: 'paid', examples: [{ order: 7 }] },
  })
  const { id } = await subscribe({ event_types: ['order.*', 'order.paid'] })
  assert.deepEqual([(await tryIt(id)).event_type, last().body.toString()], ['order.paid', '{"order":7}'])
  await tryIt(id, { event_type: 'order.paid', payload: { order: 8 } })
  assert.equal(last().body.toString(), '{"order":8}')
  await tryIt(id, { event_type: 'order.lost' })
  assert.equal(JSON.parse(last().body.toString()).type, 'order.lost')
  await tryIt(id, { payload: null })
  assert.equal(last().body.toString(), 'null')
})

test('a failure is told whole, with advice, and what the receiver repeats of our headers is not shown', async () => {
  program = request => ({
    status: 401,
    body: `no: ${request.headers['x-own']} ${request.headers['webhook-signature']}`,
  })
  const { id } = await subscribe({ headers: { 'X-Own': 'correct-horse' } })
  const result = await tryIt(id)
  assert.deepEqual([result.delivered, result.response?.status, result.error_class], [false, 401, 'http'])
  assert.match(result.hint ?? '', /credentials/)
  const signature = String(last().headers['webhook-signature']).slice('v1,'.length)
  assert.ok(signature.length > 40)
  for (const secret of ['correct-horse', signature])
    assert.ok(!JSON.stringify(result).includes(secret), JSON.stringify(result))
  assert.match(result.response?.body ?? '', /no: \[redacted\]/)
})

test('paused and disabled subscriptions can be tried, and nothing follows from a failure', async () => {
  program = { status: 410 }
  const { id } = await subscribe({ paused: true })
  assert.equal((await tryIt(id)).response?.status, 410)
  const { database } = server.world
  await database.query({
    text: `update subscriptions set state = 'disabled', state_since = now() where id = $1`,
    values: [id],
  })
  await server.subscriptions.refresh(id)
  for (let n = 0; n < 3; n++) await tryIt(id)
  const { json } = await server.request(`/subscriptions/${id}`)
  assert.deepEqual([Object(json).paused, Object(json).state], [true, 'paused'])
  const { rows } = await database.query({ text: 'select from owed' })
  assert.equal(rows.length, 0)
})

test('it is in the log as a test, is no dead letter, and its details are kept as the subscription wants', async () => {
  program = { status: 500, body: 'a long story' }
  for (const [capture, error, hasDetails] of [
    ['failures', 'a long story', true],
    ['none', 'HTTP 500', false],
  ] as const) {
    const { id } = await subscribe({ capture })
    const { attempt_id: attemptId, response } = await tryIt(id)
    assert.equal(response?.body, 'a long story', 'whoever tries it sees all of it')
    const logs = (await server.request(`/logs/${id}`)).json as Record<string, unknown>[]
    assert.deepEqual(
      logs.map(row => [row.id, row.trigger, row.status, row.verdict, row.error]),
      [[attemptId, 'test', 'failed', 'cancelled', error]],
    )
    const details = (await server.request(`/attempts/${attemptId}`)).json
    assert.equal(Object(details).request !== null, hasDetails)
  }
  program = {}
  assert.equal((await tryIt((await subscribe()).id)).response?.status, 200)
  for (const state of ['pending', 'success', 'failed', 'cancelled'])
    assert.deepEqual((await server.request(`/deliveries?state=${state}`)).json, [], state)
})

test('who tried what is in the audit log', async () => {
  const { id } = await subscribe()
  await tryIt(id)
  const entries = (await server.request('/audit?limit=1')).json as Record<string, unknown>[]
  assert.deepEqual(
    entries.map(entry => [entry.action, Object(entry.subject).id]),
    [['subscription.tested', String(id)]],
  )
})

test('a few run at a time; more are told to come again', async () => {
  const gate = Promise.withResolvers<void>()
  program = { after: gate.promise }
  const { id } = await subscribe()
  const before = receiver.received.length
  const running = [tryIt(id), tryIt(id)]
  await receiver.waitFor(before + 2)
  const refused = await server.request(`/subscriptions/${id}/test`, { method: 'POST' })
  assert.equal(refused.status, 429)
  assert.equal(Object(refused.json).code, 'too_many_tests')
  assert.equal(refused.headers.get('retry-after'), '2')
  gate.resolve()
  for (const result of await Promise.all(running)) assert.equal(result.delivered, true)
  assert.equal((await tryIt(id)).delivered, true)
})

test('a subscription that is not saved can be tried, and is not saved by it', async () => {
  const secret = `whsec_${Buffer.alloc(32, 6).toString('base64')}`
  const { status, json } = await server.request('/subscriptions/test', {
    method: 'POST',
    json: {
      target_url: `${receiver.origin}/draft`,
      headers: { 'X-Own': 'correct-horse' },
      signing_secret: secret,
      payload: { a: 1 },
    },
  })
  assert.equal(status, 200)
  const result = json as Result // as openapi.json has it
  assert.deepEqual([result.delivered, result.attempt_id], [true, null])
  const { headers, body, path } = last()
  assert.equal(path, '/draft')
  new Webhook(secret).verify(body.toString(), headers as Record<string, string>)
  assert.equal(headers['x-own'], 'correct-horse')
  const { rows } = await server.world.database.query({
    text: `select from subscriptions where target_url like '%/draft'`,
  })
  assert.equal(rows.length, 0)
})

test('bad input is refused as where it is saved', async () => {
  for (const [json, pointer] of [
    [{ target_url: 'ftp://example.com' }, '/target_url'],
    [{ target_url: 'https://example.com', timeout_ms: 1 }, '/timeout_ms'],
    [{ target_url: 'https://example.com', headers: { 'X-Own': '********' } }, '/headers/X-Own'],
    [{ target_url: 'https://example.com', event_type: 'a b' }, '/event_type'],
    [{ target_url: 'https://example.com', evnt: 1 }, '/evnt'],
  ] as const) {
    const {
      status,
      json: problem,
      text,
    } = await server.request('/subscriptions/test', { method: 'POST', json })
    assert.equal(status, 422, text)
    assert.equal(Object(problem).errors[0].pointer, pointer)
  }
  assert.equal((await server.request('/subscriptions/999999/test', { method: 'POST' })).status, 404)
})
