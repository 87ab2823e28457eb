import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { FieldError } from '../../src/errors.ts'
import { faultsOfPatch } from '../../src/subscriptions/untouched.ts'
import { testSealer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())

/** What an earlier version has stored, in SQL, and where it would be refused now. */
const stored: Readonly<Record<string, readonly [set: string | ((id: number) => string), touch: object]>> = {
  '/filter/payload/total/gte': [
    `filter = '{"payload": {"total": {"gte": 1, "$lt": 2}}}'`,
    { filter: { payload: { total: { gte: 1, $lt: 2 } } } },
  ],
  '/filter/headers/authorization': [
    `filter = '{"headers": {"authorization": "x"}}'`,
    { filter: { headers: { authorization: 'x' } } },
  ],
  '/headers/Webhook-Old': [
    id => `headers = '{"Webhook-Old": "${testSealer.seal('1', `subscription:${id}:header:webhook-old`)}"}'`,
    { headers: { 'Webhook-Old': 'x' } },
  ],
  '/header_templates/X-Old': [
    `header_templates = '{"X-Old": "{no.such.place}"}'`,
    { header_templates: { 'X-Old': '{no.such.place}' } },
  ],
  '/ordering_key': [
    `ordering_key = 'headers.x-api-key', ordered = false`,
    { ordering_key: 'headers.x-api-key' },
  ],
  '/cloudevents/source': [`cloudevents = '{"source": "no reference"}'`, { cloudevents: { source: 'a b' } }],
  '/target_url': [`target_url = 'https://user:password@example.com/'`, { target_url: 'ftp://example.com/' }],
}

for (const [pointer, [set, touch]] of Object.entries(stored)) {
  test(`a change of something else leaves ${pointer} as an earlier version has stored it`, async () => {
    const call = async (method: string, path: string, json?: object) => {
      const answer = await server.request(path, { method, ...(json && { json }) })
      return { status: answer.status, text: answer.text, json: Object(answer.json) }
    }
    const headers = { 'X-Old': '1' }
    const { id } = (await call('POST', '/subscriptions/', { target_url: 'https://example.com/', headers }))
      .json
    const path = `/subscriptions/${id}`
    await server.world.database.query({
      text: `update subscriptions set ${typeof set === 'string' ? set : set(id)} where id = $1`,
      values: [id],
    })
    const rowNow = async () => {
      const columns = 'filter, headers, header_templates, ordering_key, cloudevents, target_url'
      const { rows } = await server.world.database.query({
        text: `select ${columns} from subscriptions where id = $1`,
        values: [id],
      })
      return rows[0]
    }
    const before = await rowNow()
    const patch = (json: object) => call('PATCH', path, json)
    const changed = await patch({ description: 'new', headers: { 'X-New': '1' } })
    assert.equal(changed.status, 200, changed.text)
    assert.equal(changed.json.description, 'new')
    assert.equal((await call('POST', `${path}/pause`)).status, 200)
    assert.equal((await patch({ headers: { 'X-New': null } })).status, 200)
    assert.deepEqual(await rowNow(), before)
    const touched = await patch(touch)
    assert.equal(touched.status, 422, touched.text)
    assert.deepEqual(
      touched.json.errors.map((error: FieldError) => error.pointer),
      [pointer],
    )
  })
}

test('a header that cannot be opened here stops no change of something else', async () => {
  const { json } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url: 'https://example.com/', headers: { 'X-A': '1' } },
  })
  const { id } = Object(json)
  await server.world.database.query({
    text: `update subscriptions set headers = '{"X-A": "v1:00000000:AAAA"}' where id = $1`,
    values: [id],
  })
  assert.equal((await server.request(`/subscriptions/${id}/pause`, { method: 'POST' })).status, 200)
})

test('a fault that a change brings to what it does not name is one of that change', () => {
  const at = (pointer: string, detail = 'x') => ({ pointer, detail })
  const old = [at('/headers/X-A'), at('/headers/X~1B'), at('/metadata', '33 names')]
  const left = (patch: object, errors: readonly FieldError[]) => faultsOfPatch(patch, errors, old)
  assert.deepEqual(left({ headers: { 'X-B': '1' } }, old), [], 'others are there as they were')
  assert.deepEqual(left({ headers: { 'X/B': '1' } }, old), [at('/headers/X~1B')])
  assert.deepEqual(left({ headers: null }, [at('/headers/X-A')]), [at('/headers/X-A')])
  assert.deepEqual(left({ signing: {} }, [at('/headers/X-C')]), [at('/headers/X-C')])
  assert.deepEqual(left({ paused: true }, [at('/metadata', '34 names')]), [at('/metadata', '34 names')])
})
