import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { localOperator } from '../../src/model/caller.ts'
import { anyCodePoint } from '../support/any-text.ts'
import { atLength } from '../support/length.ts'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { id } = await server.subscriptions.create(localOperator, { target_url: 'https://example.com/' })

const text = fc.oneof(fc.string({ unit: anyCodePoint }), fc.constantFrom('', '\u0000', '\ud800', '__proto__'))
const anything = fc.oneof(
  fc.jsonValue(),
  text,
  fc.integer(),
  fc.double(),
  fc.constantFrom(2 ** 53, -1, 1e308),
)
/** Nearly always what is asked for, so that about a third of the bodies gets past the check, and reaches the database. */
const mostly = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 30, arbitrary }, { weight: 1, arbitrary: anything })
const words = fc.oneof({ weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) }, text)

const body = fc.record(
  {
    target_url: mostly(
      fc.oneof(
        { weight: 4, arbitrary: fc.webUrl() },
        { weight: 1, arbitrary: text.map(path => `https://example.com/${path}`) },
      ),
    ),
    description: mostly(words),
    secret: mostly(words),
    event_types: mostly(
      fc.uniqueArray(mostly(fc.stringMatching(/^[a-z.]{1,20}$/)), { minLength: 1, maxLength: 4 }),
    ),
    paused: mostly(fc.boolean()),
    retry: mostly(
      fc.record({
        max_attempts: mostly(fc.integer({ min: 1, max: 50 })),
        schedule_seconds: mostly(
          fc.array(mostly(fc.double({ min: 0, max: 604_800, noNaN: true })), { minLength: 1, maxLength: 5 }),
        ),
      }),
    ),
    timeout_ms: mostly(fc.integer({ min: 100, max: 30_000 })),
    metadata: mostly(fc.dictionary(words, words, { maxKeys: 3 })),
  },
  { requiredKeys: ['target_url'] },
)
const withUnknown = fc.record({ target_url: fc.webUrl(), [`${'un'}known`]: anything })

for (const [method, path] of [
  ['POST', '/subscriptions/'],
  ['PUT', `/subscriptions/${id}`],
  ['PATCH', `/subscriptions/${id}`],
] as const) {
  test(`${method} ${path} never fails, whatever it is sent, and says what is wrong as a problem`, async () => {
    let [taken, refused] = [0, 0]
    const check = async (json: unknown) => {
      const answer = await server.request(path, { method, json })
      assert.ok(answer.status < 500, `${answer.status}: ${answer.text}`)
      if (answer.status < 400) {
        taken++
        return
      }
      refused++
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      const { status, code, detail } = answer.json as Record<string, unknown> // a problem is an object
      assert.equal(status, answer.status)
      assert.equal(typeof code, 'string')
      assert.match(String(detail), /\S/)
    }
    const bodies = fc.oneof(
      { weight: 8, arbitrary: body },
      { weight: 1, arbitrary: withUnknown },
      { weight: 1, arbitrary: anything },
    )
    await fc.assert(fc.asyncProperty(bodies, check), { numRuns: atLength(300, 100) })
    assert.ok(taken > 10 && refused > 10, `${taken} taken, ${refused} refused: both must be seen`)
  })
}

test('a body nested deeper than any stack is no fault', async () => {
  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  for (const [body, status] of [
    [deep, 422],
    [`{"target_url":"https://example.com/","metadata":${deep}}`, 422],
    [`{"target_url":"https://example.com/","state":${deep}}`, 422],
  ] as const) {
    const headers = { 'content-type': 'application/json' }
    const answer = await server.request(`/subscriptions/${id}`, { method: 'PUT', headers, body })
    assert.equal(answer.status, status, answer.text)
  }
})

test('a refused value is told what is wanted there, not only of which type it is', async () => {
  const said = async (path: string) => {
    const answer = await server.request(path)
    assert.equal(answer.status, 422, answer.text)
    return (answer.json as { readonly detail: string }).detail // a problem has one
  }
  const words = 'Give one or several of pending, failed, success, cancelled, with commas between.'
  assert.equal(await said('/deliveries?state=foo'), `state: ${words}`)
  assert.match(await said('/deliveries?subscription_id=abc'), /^subscription_id: .* whole number, such as 1/)
  assert.match(await said('/deliveries?tenant=A'), /^tenant: Give the id of a tenant/)
  assert.match(await said('/logs/1?webhook_id=1'), /^webhook_id: Give a UUID/)
  assert.match(await said('/events?q=a%00'), /^q: Leave out the character U\+0000/)
})

test('a body that is too large, or of another type, is told what is taken', async () => {
  const large = await server.request('/subscriptions/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: ' '.repeat(65_537),
  })
  assert.equal(large.status, 413)
  assert.match(large.text, /larger than the 65,536 bytes .* BODY_LIMIT_BYTES/)
  const form = await server.request('/subscriptions/', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: '{}',
  })
  assert.equal(form.status, 415)
  assert.match(form.text, /Content-Type: application\/x-www-form-urlencoded is not read here/)
})

test('a range of time that ends before it begins is refused by each list, and not answered as if nothing was there', async () => {
  const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']
  for (const path of ['/events', '/audit', '/deliveries']) {
    const answer = await server.request(`${path}?since=${late}&until=${early}`)
    assert.equal(answer.status, 422, path)
    assert.match(answer.text, /"detail":"until: Give a time after since[.]"/)
    assert.equal((await server.request(`${path}?since=${early}&until=${late}`)).status, 200, path)
  }
})
