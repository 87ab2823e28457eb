import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, beforeEach, test } from 'node:test'
import { resealReceivers } from '../../src/test-receivers/reseal.ts'
import type { Received } from '../../src/test-receivers/test-receivers.ts'
import { atLength } from '../support/length.ts'
import { testSealer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
beforeEach(() => database.query({ text: 'delete from test_receivers' }))

interface Receiver {
  readonly id: number
  readonly url: string
  readonly answer: Record<string, unknown>
  readonly failures_left: number
  readonly received: number
  readonly signing_secret: string | null
  readonly expires_at: string
}

interface Kept {
  readonly id: string
  readonly method: string
  readonly query: string | null
  readonly headers: Record<string, string | string[]>
  readonly body: string
  readonly body_encoding: string
  readonly body_bytes: number
  readonly body_truncated: boolean
  readonly webhook_id: string | null
  readonly signature: string
  readonly signature_detail: string | null
  readonly status: number | null
}

async function make(body: object = {}): Promise<Receiver> {
  const { status, json, text } = await server.request('/test-receivers', { method: 'POST', json: body })
  assert.equal(status, 201, text)
  return json as Receiver // as openapi.json has it
}

async function kept(id: number, query = ''): Promise<readonly Kept[]> {
  const { status, json, text } = await server.request(`/test-receivers/${id}/requests${query}`)
  assert.equal(status, 200, text)
  return json as Kept[] // as openapi.json has it
}

const post = (
  url: string,
  body: string | Uint8Array<ArrayBuffer> = '{}',
  headers: Record<string, string> = {},
) => fetch(url, { method: 'POST', body, headers })

test('a receiver made without a word answers 200 and keeps the request whole', async () => {
  const made = await server.request('/test-receivers', { method: 'POST' })
  assert.equal(made.status, 201, made.text)
  const receiver = made.json as Receiver // as openapi.json has it
  assert.match(receiver.url, new RegExp(`^${server.url}/t/[A-Za-z0-9_-]{43}$`))
  assert.equal(made.headers.get('location'), `/test-receivers/${receiver.id}`)
  const left = Date.parse(receiver.expires_at) - Date.now()
  assert.ok(left > 23 * 3_600_000 && left <= 24 * 3_600_000, `${left}`)
  const answer = await post(`${receiver.url}?a=1&a=2`, 'hällo', { 'webhook-id': 'msg_1', 'x-test-own': 'b' })
  assert.deepEqual([answer.status, await answer.text()], [200, ''])
  const [request] = await kept(receiver.id)
  assert.ok(request)
  assert.deepEqual(
    [request.method, request.query, request.body, request.body_encoding, request.body_bytes, request.status],
    ['POST', 'a=1&a=2', 'hällo', 'utf-8', 6, 200],
  )
  assert.deepEqual([request.webhook_id, request.signature], ['msg_1', 'unchecked'])
  assert.equal(request.headers['x-test-own'], 'b')
})

test('it answers as told: status, headers, body, Retry-After, a dropped connection', async () => {
  const { url, id } = await make({
    answer: {
      status: 503,
      retry_after: 9,
      body: '{"no":1}',
      headers: { 'Content-Type': 'application/json', 'X-Test-A': 'b' },
    },
  })
  const answer = await post(url)
  assert.equal(answer.status, 503)
  assert.equal(await answer.text(), '{"no":1}')
  assert.equal(answer.headers.get('retry-after'), '9')
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('x-test-a'), 'b')
  await server.request(`/test-receivers/${id}`, { method: 'PATCH', json: { answer: { drop: true } } })
  await assert.rejects(post(url))
  assert.deepEqual(
    (await kept(id)).map(({ status }) => status),
    [null, 503],
  )
})

test('it waits before it answers, as long as it was told', async () => {
  const { url } = await make({ answer: { delay_ms: 300 } })
  const before = performance.now()
  assert.equal((await post(url)).status, 200)
  assert.ok(performance.now() - before >= 295)
})

test('it fails as often as it was told, then succeeds, also where requests come at the same time', async () => {
  const { url, id } = await make({ answer: { fail_times: 3 } })
  const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await post(url)).status))
  assert.deepEqual(statuses.toSorted(), [200, 200, 200, 200, 200, 500, 500, 500])
  const { json } = await server.request(`/test-receivers/${id}`)
  assert.deepEqual([(json as Receiver).failures_left, (json as Receiver).received], [0, 8])
  const patched = await server.request(`/test-receivers/${id}`, {
    method: 'PATCH',
    json: { answer: { status: 429, fail_times: 1 } },
  })
  assert.equal((patched.json as Receiver).failures_left, 1)
  assert.deepEqual([(await post(url)).status, (await post(url)).status], [429, 200])
})

test('no browser does anything with what it answers', async () => {
  const { url } = await make({ answer: { body: '<script>alert(1)</script>' } })
  const { headers } = await post(url)
  assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.match(headers.get('content-security-policy') ?? '', /sandbox/)
  for (const name of ['set-cookie', 'x-accel-redirect', 'content-security-policy']) {
    const { status, text } = await server.request('/test-receivers', {
      method: 'POST',
      json: { answer: { headers: { [name]: 'a' } } },
    })
    assert.equal(status, 422, text)
    assert.match(text, new RegExp(`"pointer":"/answer/headers/${name}"`))
  }
})

test('of ten thousand requests the last hundred are kept, in their order, a page at a time', async () => {
  const { url, id } = await make()
  const all = atLength(10_000, 300)
  let sent = 0
  const send = async () => {
    while (sent < all) {
      const n = sent++
      assert.equal((await post(url, String(n))).status, 200)
    }
  }
  await Promise.all(Array.from({ length: 20 }, send))
  assert.equal(((await server.request(`/test-receivers/${id}`)).json as Receiver).received, all)
  const first = await server.request(`/test-receivers/${id}/requests?limit=60`)
  const cursor = first.headers.get('x-next-cursor')
  assert.ok(cursor)
  const second = await server.request(`/test-receivers/${id}/requests?limit=60&cursor=${cursor}`)
  const rows = [...(first.json as Kept[]), ...(second.json as Kept[])]
  assert.equal(rows.length, 100)
  assert.equal(second.headers.get('x-next-cursor'), null)
  const ids = rows.map(row => row.id)
  assert.deepEqual(ids, ids.toSorted().toReversed())
})

test('what is kept is bounded in bytes: each body, and all of a receiver', async t => {
  await using large = await testServer({ bodyLimitBytes: 3_000_000, arrivingBytesMax: 30_000_000 })
  const made = await large.request('/test-receivers', { method: 'POST' })
  const { url, id } = made.json as Receiver
  const body = randomBytes(1_200_000)
  for (let n = 0; n < 6; n++) assert.equal((await post(url, new Uint8Array(body))).status, 200)
  const { json } = await large.request(`/test-receivers/${id}/requests`)
  const rows = json as Kept[]
  assert.equal(rows.length, 3, 'as many as fit into 4 MiB')
  const [newest] = rows
  assert.deepEqual(
    [newest?.body_bytes, newest?.body_truncated, newest?.body_encoding],
    [1_200_000, true, 'base64'],
  )
  assert.ok(Buffer.from(newest?.body ?? '', 'base64').equals(body.subarray(0, 1_048_576)))
  const refused = await post(url, new Uint8Array(3_000_001))
  assert.equal(refused.status, 413)
  t.diagnostic('a body over the limit of the service is refused, and not kept')
})

test('credentials in a request are not shown, nor are the headers that a subscription adds', async () => {
  const { url, id } = await make()
  const made = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url: url, headers: { 'X-Shop-Pass': 'correct-horse-1' } },
  })
  assert.equal(made.status, 201, made.text)
  await post(url, '{}', {
    authorization: 'Bearer correct-horse-2',
    cookie: 'a=correct-horse-3',
    'x-api-key': 'correct-horse-4',
    'x-shop-pass': 'correct-horse-1',
    'x-other': 'shown',
    'webhook-signature': 'v1,shown',
  })
  const [request] = await kept(id)
  assert.doesNotMatch(JSON.stringify(request), /correct-horse/)
  assert.equal(request?.headers['x-shop-pass'], '[redacted]')
  assert.equal(request?.headers['x-other'], 'shown')
  assert.equal(request?.headers['webhook-signature'], 'v1,shown')
})

test('an address that is none is answered with 404, before a body is read, and so is that of a deleted receiver', async () => {
  const { url, id } = await make()
  assert.equal((await post(url)).status, 200)
  assert.equal((await server.request(`/test-receivers/${id}`, { method: 'DELETE' })).status, 204)
  for (const path of [new URL(url).pathname, `/t/${'a'.repeat(43)}`, '/t/a', `/t/${'%00'.repeat(3)}`]) {
    const { status, json } = await server.request(path, { method: 'POST', body: '{}' })
    assert.equal(status, 404, path)
    assert.equal(Object(json).code, 'not_found')
  }
  for (const path of ['', '/requests']) {
    assert.equal((await server.request(`/test-receivers/${id}${path}`)).status, 404)
  }
})

test('one that has expired takes nothing, is not shown, and is removed with what it got', async () => {
  const { url, id } = await make()
  await post(url)
  await database.query({ text: `update test_receivers set expires_at = now() - interval '1 second'` })
  // As another process that does not know it yet.
  await using other = await testServer()
  assert.equal((await other.request(new URL(url).pathname, { method: 'POST' })).status, 404)
  assert.equal((await server.request(`/test-receivers/${id}`)).status, 404)
  assert.deepEqual((await server.request('/test-receivers')).json, [])
  await make() // to make one removes what has expired
  const { rows } = await database.query({
    text: 'select from test_receiver_requests where receiver = $1',
    values: [id],
  })
  assert.equal(rows.length, 0)
})

test('a tenant has twenty at most, and can delete one to make another', async () => {
  const made = []
  for (let n = 0; n < 20; n++) made.push(await make())
  const refused = await server.request('/test-receivers', { method: 'POST', json: {} })
  assert.equal(refused.status, 409)
  assert.equal(Object(refused.json).code, 'test_receivers_full')
  await server.request(`/test-receivers/${made[0]?.id}`, { method: 'DELETE' })
  await make()
})

test('its secret is sealed, masked, and sealed anew with a new key', async () => {
  const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
  const { id, signing_secret: shown } = await make({ signing_secret: secret })
  assert.equal(shown, '********')
  const stored = async () => {
    const { rows } = await database.query<{ signing_secret: string }>({
      text: 'select signing_secret from test_receivers where id = $1',
      values: [id],
    })
    return rows[0]?.signing_secret ?? ''
  }
  const before = await stored()
  assert.ok(!before.includes(secret))
  await database.transaction(tx => resealReceivers(tx, testSealer))
  assert.equal(await stored(), before, 'the newest key has sealed it')
  const masked = { name: 'a', signing_secret: '********' }
  await server.request(`/test-receivers/${id}`, { method: 'PATCH', json: masked })
  assert.equal(await stored(), before, 'the mask keeps it')
  const { status } = await server.request('/test-receivers', {
    method: 'POST',
    json: { signing_secret: '********' },
  })
  assert.equal(status, 422)
})

test('whoever shows requests live hears of each when it is committed', async () => {
  await using own = await testServer()
  const heard: Received[] = []
  own.testReceivers.onReceived(one => heard.push(one))
  const { url, id } = (await own.request('/test-receivers', { method: 'POST' })).json as Receiver
  await post(url, '{}', { 'webhook-id': 'msg_1' })
  const [row] = (await own.request(`/test-receivers/${id}/requests`)).json as Kept[]
  assert.deepEqual(
    heard.map(({ at: _, ...one }) => one),
    [
      {
        ...{ kind: 'received', id: row?.id, receiverId: id, tenant: 'default', method: 'POST' },
        ...{ webhookId: 'msg_1', subscriptionId: null, signature: 'unchecked', status: 200 },
      },
    ],
  )
})

test('bad input is refused with a sentence', async () => {
  for (const [json, pointer] of [
    [{ answer: { status: 100 } }, '/answer/status'],
    [{ answer: { status: 600 } }, '/answer/status'],
    [{ answer: { delay_ms: 60_001 } }, '/answer/delay_ms'],
    [{ answer: { fail_times: -1 } }, '/answer/fail_times'],
    [{ answer: { body: 'a'.repeat(10_001) } }, '/answer/body'],
    [{ answer: { staus: 200 } }, '/answer/staus'],
    [{ expires_in_seconds: 604_801 }, '/expires_in_seconds'],
    [{ signing_secret: 'short' }, '/signing_secret'],
    [{ tenant: 'nobody' }, '/tenant'],
  ] as const) {
    const { status, json: problem, text } = await server.request('/test-receivers', { method: 'POST', json })
    assert.equal(status, 422, text)
    assert.equal(Object(problem).errors[0].pointer, pointer)
  }
  assert.equal((await server.request('/test-receivers/x')).status, 422)
  assert.equal((await server.request('/test-receivers/99999999999')).status, 404)
})
