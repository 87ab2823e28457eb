import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { localOperator } from '../../src/model/caller.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { request } = server

const json = { 'content-type': 'application/json' }
const target = { target_url: 'https://example.com/hooks' }

async function create(): Promise<number> {
  return (await server.subscriptions.create(localOperator, target)).id
}

/** The requests that need no body, each with a subscription of its own. */
const withoutBody = [
  ['POST', '/pause', 200],
  ['POST', '/resume', 200],
  ['POST', '/rotate-secret', 200],
  ['DELETE', '', 204],
  ['GET', '', 200],
] as const

for (const [method, path, status] of withoutBody) {
  test(`${method} /subscriptions/{id}${path} needs no body, whatever type it is said to have`, async () => {
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'nonsense', '']) {
      const answer = await request(`/subscriptions/${await create()}${path}`, {
        method,
        headers: { 'content-type': type },
      })
      assert.equal(answer.status, status, `${type}: ${answer.text}`)
    }
  })
}

for (const [method, path] of withoutBody.slice(0, 4)) {
  test(`${method} /subscriptions/{id}${path} takes an empty object, and refuses what would be ignored`, async () => {
    const url = `/subscriptions/${await create()}${path}`
    const refused = await request(url, { method, json: { a: 1, 'b/c': 2 } })
    assert.deepEqual(pointers(refused), ['/a', '/b~1c'])
    assert.equal((await request(url, { method, json: [] })).status, 422)
    assert.equal(
      (await request(url, { method, headers: { 'content-type': 'text/plain' }, body: 'a' })).status,
      415,
    )
    assert.ok((await request(url, { method, json: {} })).status < 300)
  })
}

test('a field that is there twice is refused, since only one of them would count', async () => {
  const post = (body: string) => request('/subscriptions/', { method: 'POST', headers: json, body })
  const url = '"target_url":"https://example.com/hooks"'
  assert.deepEqual(pointers(await post(`{${url},"paused":true,"paused":false}`)), ['/paused'])
  assert.deepEqual(pointers(await post(`{${url},"metadata":{"a":"1","\\u0061":"2"}}`)), ['/metadata/a'])
  assert.equal((await post(`{${url},"metadata":{"a":"1","b":"1"}}`)).status, 201)
})

function pointers(answer: TestAnswer): readonly string[] {
  assert.equal(answer.status, 422, answer.text)
  const { errors } = answer.json as { readonly errors: readonly { readonly pointer: string }[] }
  return errors.map(({ pointer }) => pointer)
}

test('where a body is needed, none is 400, with and without a content type', async () => {
  const path = `/subscriptions/${await create()}`
  for (const [method, url] of [
    ['POST', '/subscriptions/'],
    ['PUT', path],
    ['PATCH', path],
  ] as const) {
    for (const headers of [json, {}]) {
      const answer = await request(url, { method, headers })
      assert.equal(answer.status, 400, answer.text)
      assert.equal(Object(answer.json).code, 'malformed_json')
    }
  }
})

test('a compressed body is refused in words, and one that says it is not compressed is read', async () => {
  const send = (coding: string, body: string | Uint8Array<ArrayBuffer>) =>
    request('/subscriptions/', { method: 'POST', headers: { ...json, 'content-encoding': coding }, body })
  const refused = await send('gzip', gzipSync(JSON.stringify(target)))
  assert.equal(refused.status, 415, refused.text)
  assert.match(Object(refused.json).detail, /without Content-Encoding/)
  assert.equal((await send('identity', JSON.stringify(target))).status, 201)
})

test('a byte order mark before the JSON of a request is no fault', async () => {
  const body = `\ufeff${JSON.stringify(target)}`
  const answer = await request('/subscriptions/', { method: 'POST', headers: json, body })
  assert.equal(answer.status, 201, answer.text)
})
