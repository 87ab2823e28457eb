import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, testService } from '../support/service.ts'
import { stallCommits } from '../support/stalled-commits.ts'

interface Result {
  readonly status: number
  readonly webhook_id?: string
  readonly deliveries?: number
  readonly idempotent_replayed?: true
  readonly error?: {
    readonly code: string
    readonly webhook_id?: string
    readonly retry_after_seconds?: number
    readonly errors?: readonly { readonly pointer: string }[]
  }
}

const json = 'application/json'
const lines = 'application/x-ndjson'

async function send(url: string, body: string | Buffer, type = json, headers: Record<string, string> = {}) {
  const answer = await eventually(
    () => client(url).post('/events/batch', body, { 'content-type': type, ...headers }),
    ({ status }) => status !== 503,
  )
  return {
    status: answer.status,
    body: (await answer.json()) as { results?: readonly Result[]; code?: string },
  } // as openapi.json has it
}

/** The results of a batch that was read. */
async function publish(
  url: string,
  body: string | Buffer,
  type = json,
  headers: Record<string, string> = {},
) {
  const { status, body: answer } = await send(url, body, type, headers)
  assert.equal(status, 202, JSON.stringify(answer))
  return answer.results ?? []
}

const codes = (results: readonly Result[]) => results.map(({ status, error }) => error?.code ?? status)

test('each event of a batch arrives with the bytes that stand in the request, from an array and from lines', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  await client(world.url).subscribe({ target_url: receiver.origin, event_types: ['a'] })
  const payloads = ['{ "b":1,  "a":1.0 }', '"é 😀"', '[1e400 ]', 'null']
  const items = payloads.map(payload => `{"event_type":"a", "payload": ${payload} }`)
  const first = await publish(world.url, `[${items.join(',\n')}]`)
  const second = await publish(world.url, `${items.join('\r\n')}\n\n`, lines)
  assert.deepEqual(codes([...first, ...second]), Array(8).fill(202))
  await receiver.waitFor(8)
  const bodies = new Map(receiver.received.map(got => [got.headers['webhook-id'], got]))
  for (const results of [first, second]) {
    for (const [index, { webhook_id = '', deliveries }] of results.entries()) {
      assert.equal(deliveries, 1)
      assert.equal(bodies.get(webhook_id)?.body.toString(), payloads[index])
      assert.equal(bodies.get(webhook_id)?.headers['content-type'], json)
    }
  }
})

test('bytes of any type come in base64, and what else an event has', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  await client(world.url).subscribe({ target_url: receiver.origin, channels: ['vip'] })
  const bytes = Buffer.from([0, 255, 10, 13])
  const item = {
    event_type: 'a',
    channels: ['vip'],
    event_id: 'e',
    metadata: { Region: 'eu' },
    content_type: 'image/x-thing',
    payload_base64: bytes.toString('base64'),
  }
  const [result] = await publish(world.url, JSON.stringify([item]))
  assert.equal(result?.deliveries, 1)
  await receiver.waitFor(1)
  const [got] = receiver.received
  assert.ok(got)
  assert.ok(got.body.equals(bytes))
  assert.equal(got.headers['content-type'], 'image/x-thing')
  const { rows } = await world.world.database.query({
    text: 'select event_id, channels, metadata from events',
  })
  assert.deepEqual(rows, [{ event_id: 'e', channels: ['vip'], metadata: { given: { region: 'eu' } } }])
})

test('an item that is wrong fails alone, and says where', async () => {
  await using world = await testService()
  const items = [
    '{"payload":1}',
    '{"payload":1,"payload_base64":"AA=="}',
    '{}',
    '{"payload":1,"event_typ":"a"}',
    '{"payload":1,"channels":"a"}',
    '{"payload":1,"channels":["a,b"]}',
    '{"payload":1,"event_type":"a b"}',
    '{"payload":1,"event_id":7}',
    '{"payload":1,"idempotency_key":""}',
    '{"payload":1,"deliver_at":"tomorrow"}',
    '{"payload":1,"metadata":{"a":1}}',
    '{"payload":1,"metadata":[]}',
    '{"payload_base64":"AA"}',
    '{"payload_base64":"e30","content_type":"application/json"}',
    '{"payload":1,"content_type":"a\\nb"}',
    '{"payload":1,"tenant":"No Tenant"}',
    '{"payload":1,"tenant":"unknown"}',
    '{"payload":1,"event_type":null}',
    '{"event_id":"\\u0000","payload":1}',
  ]
  const results = await publish(world.url, items.join('\n'), lines)
  const wrong = 'validation_failed'
  assert.deepEqual(codes(results), [202, ...Array(15).fill(wrong), 'not_found', 202, wrong])
  assert.deepEqual(
    results[3]?.error?.errors?.map(({ pointer }) => pointer),
    ['/event_typ'],
  )
  assert.deepEqual(
    results[10]?.error?.errors?.map(({ pointer }) => pointer),
    ['/metadata'],
  )
})

test('what is said of one event by headers or parameters is refused, and not taken for nothing', async () => {
  await using world = await testService()
  for (const [query, headers, pointer] of [
    ['?tenant=acme', {}, 'tenant'],
    ['', { 'x-tenant': 'acme' }, 'x-tenant'],
    ['', { 'x-event-type': 'a' }, 'x-event-type'],
    ['', { 'x-metadata-order': '7' }, 'x-metadata-order'],
  ] as const) {
    const answer = await client(world.url).post(`/events/batch${query}`, '[{"payload":1}]', {
      ...{ 'content-type': json },
      ...headers,
    })
    const { errors } = Object(await answer.json())
    assert.deepEqual([answer.status, errors?.[0]?.pointer], [422, pointer])
  }
  const { length } = (await (await fetch(`${world.url}/events`)).json()) as unknown[] // rows, as openapi.json has it
  assert.equal(length, 0)
})

test('an array that is no JSON, too long or too large is refused, and nothing of it was accepted', async () => {
  await using world = await testService({ BATCH_LIMIT_BYTES: '20000', BODY_LIMIT_BYTES: '1024' })
  const many = Array(1001).fill('{"payload":1}')
  for (const [body, type, status, code] of [
    ['[{"payload":1},{"payload":1}', json, 400, 'malformed_json'],
    ['', json, 400, 'malformed_json'],
    ['{"payload":1}', json, 400, 'malformed_json'],
    [`[${many.join(',')}]`, json, 413, 'body_too_large'],
    [many.join('\n'), lines, 413, 'body_too_large'],
    [`[{"payload":"${'x'.repeat(20_000)}"}]`, json, 413, 'body_too_large'],
    ['[{"payload":1}]', 'text/plain', 415, 'unsupported_media_type'],
  ] as const) {
    const answer = await send(world.url, body, type)
    assert.deepEqual([answer.status, answer.body.code], [status, code], `${type} ${body.slice(0, 40)}`)
  }
  const gzip = await send(world.url, '[]', json, { 'content-encoding': 'gzip' })
  assert.equal(gzip.status, 415)
  const [fits, long] = await publish(world.url, `[{"payload":1},{"payload":"${'x'.repeat(1100)}"}]`)
  assert.deepEqual([fits?.status, long?.error?.code], [202, 'body_too_large'])
  const { rows } = await world.world.database.query({ text: 'select count(*)::int as n from events' })
  assert.deepEqual(rows, [{ n: 1 }])
  assert.deepEqual(await publish(world.url, '[]'), [])
})

test('a batch of a thousand is accepted in its order', async () => {
  await using world = await testService()
  const items = Array.from({ length: 1000 }, (_, n) => `{"event_id":"e${n}","payload":${n}}`)
  const results = await publish(world.url, `[${items.join(',')}]`)
  assert.deepEqual(new Set(codes(results)), new Set([202]))
  const { rows } = await world.world.database.query<{ webhook_id: string; event_id: string }>({
    text: 'select webhook_id, event_id from events',
  })
  const ids = new Map(rows.map(row => [row.event_id, row.webhook_id]))
  assert.deepEqual(
    results.map(({ webhook_id }) => webhook_id),
    items.map((_, n) => ids.get(`e${n}`)),
  )
})

test('names are taken in a batch as they are alone: the same key, another request, an id twice', async () => {
  await using world = await testService()
  const alone = await client(world.url).post('/events?event_type=a', '{"n": 1}', {
    'content-type': json,
    'idempotency-key': 'alone',
    'x-metadata-a': 'b',
  })
  const { webhook_id } = (await alone.json()) as { webhook_id: string }
  const items = [
    '{"event_type":"a","metadata":{"A":"b"},"idempotency_key":"alone","payload":{"n": 1}}',
    '{"event_type":"a","metadata":{"A":"b"},"idempotency_key":"alone","payload":{"n":1}}',
    '{"idempotency_key":"k","payload":1}',
    '{"idempotency_key":"k","payload":1}',
    '{"idempotency_key":"k","payload":2}',
    '{"event_id":"e","payload":1}',
    '{"event_id":"e","payload":1}',
  ]
  const results = await publish(world.url, items.join('\n'), lines)
  assert.deepEqual(results[0], { status: 202, webhook_id, deliveries: 0, idempotent_replayed: true })
  assert.equal(results[1]?.error?.code, 'idempotency_key_reused')
  assert.deepEqual(results[3], { ...results[2], idempotent_replayed: true })
  assert.equal(results[4]?.error?.code, 'idempotency_key_reused')
  const byId = results.slice(5)
  const first = byId.find(({ status }) => status === 202)
  assert.equal(byId.find(({ status }) => status === 409)?.error?.webhook_id, first?.webhook_id)
})

test('a batch with a key can be sent again as a whole: what was accepted is told again, and the rest is accepted', async () => {
  await using world = await testService()
  const key = { 'idempotency-key': 'batch' }
  const items = ['{"payload":1}', '{"payload":1}', '{"idempotency_key":"own","payload":1}']
  const first = await publish(world.url, `[${items.slice(0, 2).join(',')}]`, json, key)
  assert.equal(new Set(first.map(({ webhook_id }) => webhook_id)).size, 2)
  const again = await publish(world.url, items.join('\n'), lines, key)
  assert.deepEqual(
    again.slice(0, 2),
    first.map(result => ({ ...result, idempotent_replayed: true })),
  )
  assert.equal(again[2]?.idempotent_replayed, undefined)
  const changed = await publish(world.url, '[{"payload":2}]', json, key)
  assert.deepEqual(codes(changed), ['idempotency_key_reused'])
  const own = await publish(world.url, '[{"idempotency_key":"own","payload":1}]')
  assert.equal(own[0]?.webhook_id, again[2]?.webhook_id)
})

test('what could not be committed says 503 and when to send it again; the rest says 202', async () => {
  await using world = await testService({ INGEST_TIMEOUT_MS: '1000' })
  await publish(world.url, '[{"payload":1}]')
  await using stalled = await stallCommits(world.world.connection)
  const waiting = publish(world.url, '[{"payload":1},{"payload":1,"event_id":"a b"}]')
  const [late, wrong] = await waiting
  await stalled.end()
  assert.deepEqual([late?.status, wrong?.status], [503, 422])
  assert.ok((late?.error?.retry_after_seconds ?? 0) >= 1)
})
