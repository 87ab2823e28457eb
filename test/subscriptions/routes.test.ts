import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { Subscription, type SubscriptionAnswer } from '../../src/subscriptions/schema.ts'
import { secretMask } from '../../src/subscriptions/signing-secret.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { request } = server
const schema = Compile(Subscription)

const target = { target_url: 'https://example.com/hooks' }

async function create(json: object = target): Promise<SubscriptionAnswer> {
  return subscription(await request('/subscriptions/', { method: 'POST', json }), 201)
}

function subscription(answer: TestAnswer, status = 200): SubscriptionAnswer {
  assert.equal(answer.status, status, answer.text)
  assert.ok(schema.Check(answer.json), `not a Subscription: ${answer.text}`)
  return answer.json
}

function change(method: string, id: number, json: unknown, headers: Record<string, string> = {}) {
  return request(`/subscriptions/${id}`, { method, json, headers })
}

/** The inbound secret as the path of an event has it. */
function heldSecret(id: number): string | undefined {
  return server.subscriptions.get(id)?.secret?.export().toString('utf8')
}

function pointers(answer: TestAnswer): readonly string[] {
  assert.equal(answer.status, 422, answer.text)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  const { errors } = answer.json as { readonly errors: readonly { pointer: string; detail: string }[] }
  for (const { detail } of errors) assert.match(detail, /^[A-Z*].*/)
  return errors.map(error => error.pointer)
}

async function lane(id: number) {
  const { rows } = await server.world.database.query<{ held: boolean; due: boolean }>({
    text: 'select held, due_at is not null as due from lanes where subscription_id = $1',
    values: [id],
  })
  return rows[0]
}

test('creating answers 201 with its place, its version and, this once, its secrets', async () => {
  const answer = await request('/subscriptions', { method: 'POST', json: { ...target, secret: 'mysecret' } })
  const made = subscription(answer, 201)
  assert.equal(answer.headers.get('location'), `/subscriptions/${made.id}`)
  assert.equal(answer.headers.get('etag'), '"1"')
  assert.equal(made.secret, 'mysecret')
  assert.match(made.signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  assert.equal(made.tenant, 'default')
  assert.equal(made.state, 'active')
  const read = subscription(await request(`/subscriptions/${made.id}/`))
  assert.equal(read.secret, secretMask)
  assert.equal(read.signing_secret, secretMask)
  assert.deepEqual(await lane(made.id), { held: false, due: false })
})

test('secrets lie sealed in the database, and open in the copy in memory', async () => {
  const made = await create({ ...target, secret: 'a very secret word' })
  const { rows } = await server.world.database.query<{ row: string }>({
    text: 'select row_to_json(s)::text as row from subscriptions s where id = $1',
    values: [made.id],
  })
  assert.doesNotMatch(rows[0]?.row ?? '', /very secret|whsec_/)
  assert.equal(heldSecret(made.id), 'a very secret word')
  const [signing] = server.subscriptions.get(made.id)?.signingKeys ?? []
  assert.equal(`whsec_${signing?.key.export().toString('base64')}`, made.signing_secret)
})

test('the answer of a GET can be sent as a PUT, and changes nothing but the version', async () => {
  const made = await create({
    ...target,
    secret: 'mysecret',
    event_types: ['order.created'],
    retry: { max_attempts: 3, schedule_seconds: [1, 2] },
    timeout_ms: 500,
    metadata: { owner: 'ada' },
    description: 'for orders',
    paused: true,
  })
  const before = subscription(await request(`/subscriptions/${made.id}`))
  const put = subscription(await change('PUT', made.id, before))
  const { in_flight_now, waiting, ...rules } = before // only a GET has them
  assert.deepEqual([in_flight_now, waiting], [null, null])
  const unchanged = { ...put, version: before.version, updated_at: before.updated_at }
  assert.deepEqual(unchanged, rules)
  assert.equal(put.version, 2)
  assert.equal(heldSecret(made.id), 'mysecret')
})

test('a field that only the service sets may be sent as it is, and with no other value', async () => {
  const { id } = await create({ ...target, secret: 'mysecret', signing: { scheme: ['v1', 'v1a'] } })
  const present = subscription(await request(`/subscriptions/${id}`))
  for (const [name, value] of [
    ['id', id + 1],
    ['tenant', 'acme'],
    ['signing_secret', 'whsec_bWluZSBhbmQgbm9ib2R5IGVsc2UncyBzZWNyZXQ='],
    ['signing_public_key', null],
    ['state', 'paused'],
    ['state', 'banana'],
    ['state_reason', 'because'],
    ['state_since', '2026-01-01T00:00:00.000Z'],
    ['created_at', 'today'],
    ['updated_at', null],
    ['version', 'x'],
  ] as const) {
    for (const [method, rules] of [
      ['PATCH', {}],
      ['PUT', target],
    ] as const) {
      const answer = await change(method, id, { ...rules, [name]: value })
      assert.deepEqual(pointers(answer), [`/${name}`], `${method} ${name}`)
    }
  }
  assert.deepEqual(subscription(await request(`/subscriptions/${id}`)), present, 'nothing was changed')
  const { secret, ...sent } = present
  assert.equal(secret, secretMask)
  assert.equal((await change('PATCH', id, sent)).status, 200)
})

test('another version in the body is 412, as in If-Match', async () => {
  const made = await create()
  assert.equal((await change('PUT', made.id, { ...target, version: 1 })).status, 200)
  const stale = await change('PUT', made.id, { ...made, description: 'mine' })
  assert.equal(stale.status, 412, stale.text)
  assert.equal((await change('PATCH', made.id, { version: 1, paused: true })).status, 412)
  assert.equal((await change('PATCH', made.id, { version: 2, paused: true })).status, 200)
})

test('a time may be sent back in another form than it was read in', async () => {
  const made = await create()
  const created_at = made.created_at.replace('Z', '+00:00')
  assert.equal((await change('PATCH', made.id, { created_at, updated_at: created_at })).status, 200)
})

test('a schedule leaves the number of attempts as it is, unless it needs more', async () => {
  const made = await create({ ...target, retry: { schedule_seconds: [1] } })
  assert.equal(made.retry.max_attempts, 5)
  assert.equal(server.subscriptions.get(made.id)?.retry.maxAttempts, 5)
  const long = await change('PATCH', made.id, { retry: { schedule_seconds: [1, 2, 3, 4, 5, 6, 7] } })
  assert.equal(subscription(long).retry.max_attempts, 8)
  const back = subscription(await change('PUT', made.id, { ...subscription(long) }))
  assert.equal(back.retry.max_attempts, 8)
  const none = await change('PATCH', made.id, { retry: { schedule_seconds: null } })
  assert.equal(subscription(none).retry.max_attempts, 5, 'what followed from the schedule goes with it')
  const fewer = await change('PATCH', made.id, { retry: { schedule_seconds: [1, 2, 3], max_attempts: 2 } })
  assert.equal(subscription(fewer).retry.max_attempts, 2)
  const longest = Array.from({ length: 49 }, () => 1)
  const most = subscription(
    await change('PATCH', made.id, { retry: { schedule_seconds: longest, max_attempts: null } }),
  )
  assert.equal((await change('PUT', made.id, most)).status, 200, 'the answer is within its own bounds')
})

test('what equals the default of the service is not stored, so that it follows the default', async () => {
  const made = await create({ ...target, timeout_ms: 10_000, retry: { max_attempts: 5, factor: 3 } })
  const { rows } = await server.world.database.query({
    text: 'select retry, timeout_ms from subscriptions where id = $1',
    values: [made.id],
  })
  assert.deepEqual(rows, [{ retry: { factor: 3 }, timeout_ms: null }])
})

test('the time for the connection is the one of the service unless given, and never more than the whole', async () => {
  const made = await create(target)
  assert.equal(made.connect_timeout_ms, 5000)
  const set = subscription(await change('PATCH', made.id, { connect_timeout_ms: 2000 }))
  assert.equal(set.connect_timeout_ms, 2000)
  assert.equal(server.subscriptions.get(made.id)?.connectTimeoutMs, 2000)
  const short = subscription(await change('PATCH', made.id, { timeout_ms: 500 }))
  assert.equal(short.connect_timeout_ms, 500)
  assert.equal(server.subscriptions.get(made.id)?.connectTimeoutMs, 500)
  const longer = subscription(await change('PATCH', made.id, { timeout_ms: null }))
  assert.equal(longer.connect_timeout_ms, 2000, 'what was asked for is not forgotten')
  const back = subscription(await change('PATCH', made.id, { connect_timeout_ms: null }))
  assert.equal(back.connect_timeout_ms, 5000)
})

test('what a short attempt leaves for the connection, sent back by PUT, is no wish of its own', async () => {
  const made = await create({ ...target, timeout_ms: 500 })
  assert.equal(made.connect_timeout_ms, 500)
  await change('PUT', made.id, made)
  const longer = subscription(await change('PATCH', made.id, { timeout_ms: 8000 }))
  assert.equal(longer.connect_timeout_ms, 5000)
})

test('PUT takes what is left out back to its default, but keeps the secret', async () => {
  const made = await create({ ...target, secret: 'mysecret', description: 'x', timeout_ms: 500 })
  const put = subscription(await change('PUT', made.id, { target_url: 'https://example.org/' }))
  assert.equal(put.description, null)
  assert.equal(put.timeout_ms, 10_000)
  assert.equal(put.secret, secretMask)
  assert.equal(server.subscriptions.get(made.id)?.targetUrl, 'https://example.org/')
})

test('null removes the secret, and another text replaces it without showing it', async () => {
  const made = await create({ ...target, secret: 'mysecret' })
  const replaced = subscription(await change('PUT', made.id, { ...target, secret: 'newsecret' }))
  assert.equal(replaced.secret, secretMask)
  assert.equal(heldSecret(made.id), 'newsecret')
  assert.equal(subscription(await change('PATCH', made.id, { secret: null })).secret, null)
  assert.equal(heldSecret(made.id), undefined)
})

test('PATCH is a merge patch, down to retry and metadata', async () => {
  const made = await create({
    ...target,
    retry: { factor: 3, max_attempts: 9 },
    metadata: { a: '1', b: '2' },
  })
  const patch = { retry: { max_attempts: null, jitter: 0.5 }, metadata: { a: null, c: '3' } }
  const patched = subscription(
    await change('PATCH', made.id, patch, { 'content-type': 'application/merge-patch+json' }),
  )
  assert.equal(patched.retry.factor, 3)
  assert.equal(patched.retry.max_attempts, 5)
  assert.equal(patched.retry.jitter, 0.5)
  assert.deepEqual(patched.metadata, { b: '2', c: '3' })
  assert.equal(patched.target_url, made.target_url)
})

test('pausing holds the lane, resuming releases it at once', async () => {
  const { id } = await create()
  const paused = subscription(await change('PATCH', id, { paused: true }))
  assert.equal(paused.state, 'paused')
  assert.deepEqual(await lane(id), { held: true, due: false })
  assert.equal(subscription(await change('PATCH', id, { paused: false })).state, 'active')
  assert.deepEqual(await lane(id), { held: false, due: true })
  assert.deepEqual(await lane((await create({ ...target, paused: true })).id), { held: true, due: false })
})

test('deleting answers 204, then 404, and releases the lane for what is owed', async () => {
  const { id } = await create({ ...target, paused: true })
  const gone = await request(`/subscriptions/${id}`, { method: 'DELETE' })
  assert.deepEqual([gone.status, gone.text], [204, ''])
  assert.equal(server.subscriptions.get(id), undefined)
  assert.deepEqual(await lane(id), { held: false, due: true })
  for (const method of ['GET', 'DELETE']) {
    assert.equal((await request(`/subscriptions/${id}`, { method })).status, 404)
  }
  assert.equal((await change('PUT', id, target)).status, 404)
  assert.equal((await change('PATCH', id, {})).status, 404)
})

test('If-Match lets only the version pass that it names', async () => {
  const { id } = await create()
  const stale = { 'if-match': '"7"' }
  assert.equal((await change('PUT', id, target, stale)).status, 412)
  assert.equal((await change('PATCH', id, { paused: true }, stale)).status, 412)
  assert.equal((await request(`/subscriptions/${id}`, { method: 'DELETE', headers: stale })).status, 412)
  assert.equal((await change('PUT', id, target, { 'if-match': 'nonsense' })).status, 412)
  const answer = await change('PUT', id, target, { 'if-match': '"1"' })
  assert.equal(answer.headers.get('etag'), '"2"')
  assert.equal((await change('PUT', id, target, { 'if-match': '*' })).status, 200)
})

test('of two changes to one version at the same moment, one is made', async () => {
  const { id } = await create()
  const answers = await Promise.all(
    [1, 2, 3, 4].map(n => change('PATCH', id, { description: `${n}` }, { 'if-match': '"1"' })),
  )
  assert.deepEqual(answers.map(answer => answer.status).sort(), [200, 412, 412, 412])
})

test('ids that are no number answer 422, numbers that nobody has 404', async () => {
  for (const id of ['abc', '1.5', '-1', '1e3', '%31%00', '0x1', '1'.repeat(30)]) {
    assert.equal((await request(`/subscriptions/${id}`)).status, 422, id)
  }
  for (const id of ['0', '2147483648', '99999999999999999999']) {
    assert.equal((await request(`/subscriptions/${id}`)).status, 404, id)
  }
})

const refused: readonly (readonly [what: string, body: object, pointers: readonly string[]])[] = [
  ['no target_url', {}, ['/target_url']],
  ['a target_url that is none', { target_url: 'ftp://example.com' }, ['/target_url']],
  ['a field that does not exist', { ...target, event_type: 'x', 'a/b': 1 }, ['/event_type', '/a~1b']],
  ['read-only fields', { ...target, id: 1, version: 1 }, ['/id', '/version']],
  ['an unknown tenant', { ...target, tenant: 'acme' }, ['/tenant']],
  ['an empty list of event types', { ...target, event_types: [] }, ['/event_types']],
  ['a star that is no whole segment', { ...target, event_types: ['order*', 'a'] }, ['/event_types/0']],
  ['a pattern of nine segments', { ...target, event_types: ['a.a.a.a.a.a.a.a.*'] }, ['/event_types/0']],
  ['a pattern with an empty segment', { ...target, event_types: ['a..*'] }, ['/event_types/0']],
  ['no channels at all', { ...target, channels: [] }, ['/channels']],
  ['a channel with a comma', { ...target, channels: ['a', 'b,c'] }, ['/channels/1']],
  ['eleven channels', { ...target, channels: [...'abcdefghijk'] }, ['/channels']],
  ['a uid that a path would split', { ...target, uid: 'a/b' }, ['/uid']],
  ['an empty uid', { ...target, uid: '' }, ['/uid']],
  ['an empty filter', { ...target, filter: {} }, ['/filter']],
  ['a filter that is no object', { ...target, filter: ['payload'] }, ['/filter']],
  [
    'what a filter cannot say',
    { ...target, filter: { payload: { a: { $regex: 'x' }, b: { $in: 'x' } }, body: 1 } },
    ['/filter/payload/a/$regex', '/filter/payload/b/$in', '/filter/body'],
  ],
  ['the same event type twice', { ...target, event_types: ['a', 'a'] }, ['/event_types']],
  ['the mask as a secret', { ...target, secret: secretMask }, ['/secret']],
  ['an empty secret', { ...target, secret: '' }, ['/secret']],
  ['a long secret', { ...target, secret: 'x'.repeat(257) }, ['/secret']],
  [
    'a secret of few characters and much text',
    { ...target, secret: `e${'\u0301'.repeat(300)}` },
    ['/secret'],
  ],
  ['U+0000', { ...target, description: 'a\u0000b' }, ['/description']],
  ['U+0000 in a name', { ...target, metadata: { 'a\u0000': 'x' } }, ['/metadata']],
  ['half a surrogate pair', { ...target, secret: '\ud800' }, ['/secret']],
  ['numbers as texts', { ...target, timeout_ms: '500', paused: 'true' }, ['/timeout_ms', '/paused']],
  ['a timeout out of range', { ...target, timeout_ms: 30_001 }, ['/timeout_ms']],
  ['a time for the connection out of range', { ...target, connect_timeout_ms: 99 }, ['/connect_timeout_ms']],
  [
    'retry out of range',
    { ...target, retry: { max_attempts: 0, jitter: 2 } },
    ['/retry/max_attempts', '/retry/jitter'],
  ],
  ['an unknown retry field', { ...target, retry: { attempts: 3 } }, ['/retry/attempts']],
  ['an empty schedule', { ...target, retry: { schedule_seconds: [] } }, ['/retry/schedule_seconds']],
  ['metadata that is no text', { ...target, metadata: { a: 1 } }, ['/metadata/a']],
  ['a metadata name without characters', { ...target, metadata: { '': 'x' } }, ['/metadata/']],
]
for (const [what, json, expected] of refused) {
  test(`refuses ${what}, and says where`, async () => {
    assert.deepEqual(
      pointers(await request('/subscriptions/', { method: 'POST', json })).toSorted(),
      expected.toSorted(),
    )
  })
}

test('a patch cannot grow the metadata beyond its bound', async () => {
  const names = (from: number) =>
    Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`n${from + i}`, 'x']))
  const { id } = await create({ ...target, metadata: names(0) })
  assert.deepEqual(pointers(await change('PATCH', id, { metadata: names(30) })), ['/metadata'])
})

test('a name such as __proto__ is only a name', async () => {
  const body = '{"target_url":"https://example.com/","metadata":{"__proto__":"x","constructor":"y"}}'
  const headers = { 'content-type': 'application/json' }
  const made = subscription(await request('/subscriptions/', { method: 'POST', headers, body }), 201)
  const patched = await change('PATCH', made.id, { metadata: { z: '1' } })
  assert.match(patched.text, /"__proto__":"x"/)
  const unknown = await request('/subscriptions/', {
    method: 'POST',
    headers,
    body: '{"__proto__":{"target_url":"x"}}',
  })
  assert.equal(unknown.status, 422)
})
