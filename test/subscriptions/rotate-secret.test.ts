import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { secretMask } from '../../src/subscriptions/signing-secret.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { testServer, testSubscriptions } from '../support/server.ts'

// Signing, its secrets and custom headers, over the API.

const clock = fakeClock()
const world = await testDatabase()
const server = await testServer({ subscriptions: testSubscriptions(world, { clock }) })
after(async () => {
  await server[Symbol.asyncDispose]()
  await world.close()
})

const target = { target_url: 'https://example.com/hooks' }
const own = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
const text = "It's a Secret to Everybody"

type Fields = Readonly<Record<string, unknown>> & { readonly id: number }

async function send(method: string, path: string, json: unknown, status: number): Promise<Fields> {
  const answer = await server.request(path, { method, json })
  assert.equal(answer.status, status, answer.text)
  return answer.json as Fields // each test reads what it expects
}
const create = (json: object, status = 201) => send('POST', '/subscriptions/', { ...target, ...json }, status)
const put = (id: number, json: object, status = 200) =>
  send('PUT', `/subscriptions/${id}`, { ...target, ...json }, status)
const patch = (id: number, json: object, status = 200) => send('PATCH', `/subscriptions/${id}`, json, status)
const rotate = (id: number, json: object = {}, status = 200) =>
  send('POST', `/subscriptions/${id}/rotate-secret`, json, status)
const read = (id: number) => send('GET', `/subscriptions/${id}`, undefined, 200)

const held = (id: number) => server.subscriptions.get(id)
const keysOf = (id: number) => held(id)?.signingKeys.map(({ scheme }) => scheme)
const ownHeaders = (id: number) => held(id)?.headers.filter(part => part !== 'accept' && part !== '*/*')
const pointers = ({ errors }: Fields) =>
  (errors as { readonly pointer: string }[]).map(({ pointer }) => pointer) // a 422

async function row(id: number) {
  const { rows } = await world.database.query<{ secrets: number; pairs: number; text: string }>({
    text: `select jsonb_array_length(signing_secrets) as secrets, jsonb_array_length(signing_key_pairs) as pairs,
             s::text as text from subscriptions s where id = $1`,
    values: [id],
  })
  return rows[0]
}

test('v1 is the default, and nothing of it is stored', async () => {
  const { id, signing, signing_public_key } = await create({})
  assert.deepEqual(signing, {
    scheme: 'v1',
    headers: {
      id: 'webhook-id',
      timestamp: 'webhook-timestamp',
      signature: 'webhook-signature',
      hub_signature: 'X-Hub-Signature-256',
      stripe_signature: 'Stripe-Signature',
      shopify_signature: 'X-Shopify-Hmac-SHA256',
      attempt: null,
    },
    ...{ message_signature: null, custom: null },
  })
  assert.equal(signing_public_key, null)
  assert.deepEqual(keysOf(id), ['v1'])
})

test('one scheme is a word, several are a list, and each has its keys', async () => {
  const { id } = await create({ signing: { scheme: ['hub-sha256'] } })
  assert.equal(Object(await read(id)).signing.scheme, 'hub-sha256')
  assert.deepEqual([keysOf(id), held(id)?.textKeys.length], [[], 1])
  const both = await patch(id, { signing: { scheme: ['v1a', 'v1'] } })
  assert.deepEqual(Object(both.signing).scheme, ['v1a', 'v1'])
  assert.deepEqual([keysOf(id), held(id)?.textKeys.length], [['v1', 'v1a'], 0])
  await patch(id, { signing: { scheme: 'none' } })
  assert.deepEqual([keysOf(id), held(id)?.textKeys.length], [[], 0])
  assert.equal(Object((await patch(id, { signing: null })).signing).scheme, 'v1')
})

test('a key pair is made when v1a is first asked for, shown from then on, and kept', async () => {
  const { id } = await create({})
  const made = await patch(id, { signing: { scheme: 'v1a' } })
  assert.match(String(made.signing_public_key), /^whpk_[A-Za-z0-9+/]{43}=$/)
  await patch(id, { signing: { scheme: 'v1' } })
  assert.equal((await read(id)).signing_public_key, made.signing_public_key)
  await put(id, { signing: { scheme: ['v1', 'v1a'] } })
  assert.equal((await read(id)).signing_public_key, made.signing_public_key)
  assert.doesNotMatch((await row(id))?.text ?? '', /whsk_|whsec_/)
})

test('the answer of a GET can be sent as a PUT, with schemes, names and masked headers', async () => {
  const signing = { scheme: ['v1', 'hub-sha256'], headers: { id: 'X-Id', attempt: 'webhook-attempt' } }
  const { id } = await create({ signing, headers: { 'X-Key': 'value one' } })
  const before = await read(id)
  assert.deepEqual(before.headers, { 'X-Key': secretMask })
  const { version: _1, updated_at: _2, ...after } = await put(id, before)
  const { version: _3, updated_at: _4, in_flight_now: _5, waiting: _6, ...expected } = before
  assert.deepEqual(after, expected)
  assert.deepEqual(ownHeaders(id), ['X-Key', 'value one'])
})

test('headers are sealed, masked in every answer, and changed one by one', async () => {
  const made = await create({ headers: { 'X-Api-Key': 'very secret value', 'X-Other': 'b' } })
  const { id } = made
  assert.deepEqual(made.headers, { 'X-Api-Key': secretMask, 'X-Other': secretMask })
  assert.doesNotMatch((await row(id))?.text ?? '', /very secret/)
  await put(id, { headers: { 'x-api-key': secretMask } })
  assert.deepEqual(ownHeaders(id), ['x-api-key', 'very secret value'])
  await patch(id, { headers: { 'X-API-KEY': 'another', New: 'c' } })
  assert.deepEqual(ownHeaders(id)?.toSorted(), ['New', 'X-API-KEY', 'another', 'c'])
  await patch(id, { headers: { new: null } })
  assert.deepEqual(ownHeaders(id), ['X-API-KEY', 'another'])
  await patch(id, { headers: { Accept: 'x/y' } })
  assert.deepEqual(held(id)?.headers.toSorted(), ['Accept', 'X-API-KEY', 'another', 'x/y'], 'accept once')
  await put(id, {})
  assert.deepEqual(ownHeaders(id), [])
})

test('refuses headers and names with their place', async () => {
  const table: readonly (readonly [object, readonly string[]])[] = [
    [{ headers: { Host: 'x', 'webhook-id': 'y' } }, ['/headers/Host', '/headers/webhook-id']],
    [{ headers: { a: secretMask } }, ['/headers/a']],
    [{ headers: { a: 1 } }, ['/headers/a']],
    [{ headers: { a: 'x'.repeat(4096), b: 'y'.repeat(4096) } }, ['/headers']],
    [{ headers: { 'X-Id': 'x' }, signing: { headers: { id: 'x-id' } } }, ['/headers/X-Id']],
    [{ signing: { headers: { id: 'content-type' } } }, ['/signing/headers/id']],
    [
      { signing: { headers: { id: 'a b', attempt: '' } } },
      ['/signing/headers/id', '/signing/headers/attempt'],
    ],
    [{ signing: { headers: { id: 'webhook-timestamp' } } }, ['/signing/headers/timestamp']],
    [{ signing: { headers: { body: 'x' } } }, ['/signing/headers/body']],
    [{ signing: { scheme: 'v2' } }, ['/signing/scheme']],
    [{ signing: { scheme: [] } }, ['/signing/scheme']],
    [{ signing: { scheme: ['v1', 'v1'] } }, ['/signing/scheme']],
    [{ signing: { scheme: ['v1', 'none'] } }, ['/signing/scheme']],
    [{ signing: { schemes: ['v1'] } }, ['/signing/schemes']],
    [{ signing_secret: 'short' }, ['/signing_secret']],
    [{ signing_secret: secretMask }, ['/signing_secret']],
    [{ signing_secret: text }, ['/signing_secret']],
  ]
  for (const [json, expected] of table) {
    const found = pointers(await create(json, 422))
    assert.ok(
      expected.every(pointer => found.some(place => place.startsWith(pointer))),
      `${JSON.stringify(json)}: ${found}`,
    )
  }
})

test('an own secret signs, as it was given', async () => {
  const made = await create({ signing_secret: own })
  assert.equal(made.signing_secret, own)
  assert.equal((await read(made.id)).signing_secret, secretMask)
  assert.deepEqual(held(made.id)?.signingKeys[0]?.key.export(), Buffer.alloc(24, 1))
  const plain = await create({ signing_secret: text, signing: { scheme: 'hub-sha256' } })
  assert.equal(held(plain.id)?.textKeys[0]?.key.export().toString(), text)
})

test('a change cannot replace the signing secret, nor ask v1 of a text', async () => {
  const { id } = await create({ signing_secret: own })
  await put(id, { signing_secret: own }) // the answer of the POST, sent back
  assert.deepEqual(pointers(await put(id, { signing_secret: `${own}x` }, 422)), ['/signing_secret'])
  assert.deepEqual(pointers(await patch(id, { signing_secret: null }, 422)), ['/signing_secret'])
  const plain = await create({ signing_secret: text, signing: { scheme: 'hub-sha256' } })
  assert.deepEqual(pointers(await patch(plain.id, { signing: { scheme: 'v1' } }, 422)), ['/signing/scheme'])
  await rotate(plain.id)
  await patch(plain.id, { signing: { scheme: 'v1' } })
  assert.deepEqual(keysOf(plain.id), ['v1'], 'what is left of the text does not sign v1')
})

test('rotating answers the new secret once, and when the old one ends', async () => {
  const { id, signing_secret: before } = await create({})
  const answer = await server.request(`/subscriptions/${id}/rotate-secret/`, { method: 'POST' })
  const now = Object(answer.json)
  assert.match(now.signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  assert.notEqual(now.signing_secret, before)
  assert.equal(Date.parse(now.expires_at), clock.now() + 86_400_000)
  assert.deepEqual([now.id, now.version, now.signing_public_key], [id, 2, null])
  assert.equal(answer.headers.get('etag'), '"2"')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal((await read(id)).signing_secret, secretMask)
  assert.deepEqual(
    held(id)?.signingKeys.map(({ key, expiresAt }) => [
      `whsec_${key.export().toString('base64')}`,
      expiresAt,
    ]),
    [
      [now.signing_secret, null],
      [before, Date.parse(now.expires_at)],
    ],
  )
})

test('a key pair is replaced with the secret, unless a secret is given', async () => {
  const made = await create({ signing: { scheme: ['v1', 'v1a'] } })
  const { id, signing_public_key: before } = made
  const first = await rotate(id)
  assert.notEqual(first.signing_public_key, before)
  assert.deepEqual(keysOf(id), ['v1', 'v1', 'v1a', 'v1a'])
  const second = await rotate(id, { secret: own })
  assert.equal(second.signing_secret, own)
  assert.equal(second.signing_public_key, first.signing_public_key)
  assert.deepEqual(keysOf(id), ['v1', 'v1', 'v1', 'v1a', 'v1a'])
})

test('a fourth live secret is refused until the oldest has ended, or all of them are', async () => {
  clock.set(noon)
  const { id } = await create({})
  await rotate(id, { overlap_seconds: 10 })
  await rotate(id, { overlap_seconds: 604_800 })
  const refused = await rotate(id, {}, 409)
  assert.equal(refused.code, 'too_many_secrets')
  assert.match(String(refused.detail), new RegExp(new Date(noon + 10_000).toISOString()))
  clock.advance(10_000)
  await rotate(id)
  assert.equal((await row(id))?.secrets, 3)
  const last = await rotate(id, { overlap_seconds: 0 })
  assert.equal(Date.parse(String(last.expires_at)), clock.now())
  assert.equal((await row(id))?.secrets, 1)
  assert.equal(held(id)?.signingKeys.length, 1)
})

test('what has ended leaves the row with the next change', async () => {
  const { id } = await create({ signing: { scheme: ['v1', 'v1a'] } })
  await rotate(id, { overlap_seconds: 1 })
  clock.advance(1000)
  const before = await row(id)
  assert.deepEqual([before?.secrets, before?.pairs], [2, 2])
  await patch(id, { description: 'x' })
  const after = await row(id)
  assert.deepEqual([after?.secrets, after?.pairs], [1, 1])
})

test('rotating refuses what cannot be, and nothing changes', async () => {
  const { id } = await create({})
  for (const [json, pointer] of [
    [{ secret: 'whsec_abc' }, '/secret'],
    [{ secret: text }, '/secret'],
    [{ secret: secretMask }, '/secret'],
    [{ overlap_seconds: 604_801 }, '/overlap_seconds'],
    [{ overlap_seconds: -1 }, '/overlap_seconds'],
    [{ overlap_seconds: 1.5 }, '/overlap_seconds'],
    [{ overlap: 1 }, '/overlap'],
  ] as const) {
    assert.deepEqual(pointers(await rotate(id, json, 422)), [pointer])
  }
  await rotate(2 ** 31 - 1, {}, 404)
  const stale = { method: 'POST', json: {}, headers: { 'if-match': '"9"' } }
  assert.equal((await server.request(`/subscriptions/${id}/rotate-secret`, stale)).status, 412)
  assert.equal((await read(id)).version, 1)
})

test('of two rotations at the same moment both are made, one after the other', async () => {
  const { id } = await create({})
  const made = await Promise.all([rotate(id), rotate(id)])
  assert.notEqual(made[0].signing_secret, made[1].signing_secret)
  assert.equal(held(id)?.signingKeys.length, 3)
})
