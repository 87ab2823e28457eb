import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

const json = { 'content-type': 'application/json' }
const seedBody = '{"data":{"foo":"bar"}}'
const sign = (body: string, secret = 'mysecret') =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

test("the seed's examples of signed events work as printed", async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    secret: 'mysecret',
    event_types: ['order.created'],
  })
  assert.equal(sign(seedBody), 'sha256=cd6884936055b0458648640237fccbff5d2d6b6a6d7f298456f5bb1af12ef180')
  const typed = { ...json, 'x-event-type': 'order.created' }
  for (const name of ['signature', 'X-Hub-Signature-25', 'X-Hub-Signature-256']) {
    const answer = await api.post(`/ingest/${id}`, seedBody, { ...typed, [name]: sign(seedBody) })
    assert.equal(answer.status, 202, name)
    assert.match(await answer.text(), /^\{"webhook_id":"[0-9a-f-]{36}"\}$/)
  }
  const table: [Record<string, string>, number][] = [
    [{ ...typed, signature: 'sha256:deadbeef' }, 401],
    [{ ...typed, signature: sign(seedBody, 'other') }, 401],
    [{ ...typed, signature: `sha1=${'0'.repeat(40)}` }, 401],
    [{ ...typed }, 401],
    [{ ...json, 'x-event-type': 'payment.failed', signature: 'sha256:deadbeef' }, 401],
  ]
  for (const [headers, status] of table) {
    const answer = await api.post(`/ingest/${id}`, seedBody, headers)
    assert.equal(answer.status, status)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  }
  for (const headers of [{ ...json, 'x-event-type': 'payment.failed' }, json]) {
    const answer = await api.post(`/ingest/${id}`, seedBody, { ...headers, signature: sign(seedBody) })
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), '{}')
  }
  await receiver.waitFor(3)
  assert.deepEqual(
    receiver.received.map(got => got.headers['x-event-type']),
    Array(3).fill('order.created'),
  )
})

test('bad input gets a clear problem and changes nothing', async () => {
  await using world = await testService({ BODY_LIMIT_BYTES: '2048' })
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  const long = `"${'x'.repeat(4000)}"`
  const table: [string, string | Buffer, Record<string, string>, number, string][] = [
    [`/ingest/${id}`, '{"a":', json, 400, 'malformed_json'],
    [`/ingest/${id}`, Buffer.from([0x22, 0xff, 0x22]), json, 400, 'malformed_json'],
    [`/ingest/${id}`, long, json, 413, 'body_too_large'],
    [`/ingest/${id}`, '{}', { ...json, 'x-event-type': 'x'.repeat(200) }, 422, 'validation_failed'],
    [`/ingest/${id}`, '{}', { ...json, 'x-event-type': 'a b' }, 422, 'validation_failed'],
    ['/ingest/999', '{}', json, 404, 'not_found'],
    ['/ingest/abc', '{}', json, 422, 'validation_failed'],
    ['/ingest/99999999999999999999', '{}', json, 404, 'not_found'],
    ['/ingest/-1', '{}', json, 422, 'validation_failed'],
  ]
  for (const [path, body, headers, status, code] of table) {
    const answer = await api.post(path, body, headers)
    const text = await answer.text()
    assert.equal(answer.status, status, `${path} ${text}`)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    const problem = JSON.parse(text)
    assert.equal(problem.code, code)
    assert.ok(problem.detail.length > 10)
  }
  const chunked = await fetch(`${world.url}/ingest/${id}`, {
    method: 'POST',
    headers: json,
    duplex: 'half',
    body: new ReadableStream({
      start(stream) {
        stream.enqueue(new TextEncoder().encode(long))
        stream.close()
      },
    }),
  })
  assert.equal(chunked.status, 413, 'chunked bodies too')
  const { rows } = await world.world.database.query({ text: 'select from events' })
  assert.equal(rows.length, 0)
})

test('with keys asked for, a key or the signature of the subscription lets an event in', async () => {
  await using world = await testService({ AUTH: 'keys' })
  const key = world.service.firstKey
  assert.match(key ?? '', /^whk_/)
  const authorization = { authorization: `Bearer ${key}`, ...json }
  const api = client(world.url)
  const create = (body: object) => api.post('/subscriptions/', JSON.stringify(body), authorization)
  assert.equal((await api.post('/subscriptions/', '{"target_url":"http://127.0.0.1:9/"}', json)).status, 401)
  assert.equal((await create({ target_url: 'http://127.0.0.1:9/', paused: true })).status, 201)
  assert.equal(
    (await create({ target_url: 'http://127.0.0.1:9/', paused: true, secret: 'mysecret' })).status,
    201,
  )
  assert.equal((await api.post('/ingest/1', seedBody, json)).status, 401)
  assert.equal((await api.post('/ingest/1', seedBody, authorization)).status, 202)
  assert.equal((await api.post('/ingest/2', seedBody, { ...json, signature: sign(seedBody) })).status, 202)
  const unknown = await api.post('/ingest/3', seedBody, json)
  const unsigned = await api.post('/ingest/2', seedBody, json)
  assert.equal(unknown.status, 401)
  const withoutInstance = (text: string) => ({ ...JSON.parse(text), instance: '' })
  assert.deepEqual(
    withoutInstance(await unknown.text()),
    withoutInstance(await unsigned.text()),
    'an unknown id answers alike',
  )
  assert.equal((await fetch(`${world.url}/livez`)).status, 200)
})
