import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { id } = await server.subscriptions.create({ target_url: 'https://example.com/' })

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\u0000', '\ud800', '__proto__'))
const anything = fc.oneof(
  fc.jsonValue(),
  text,
  fc.integer(),
  fc.double(),
  fc.constantFrom(2 ** 53, -1, 1e308),
)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary }, { weight: 1, arbitrary: anything })

/** Bodies that are nearly right, so that they get past the first check. */
const body = fc.record(
  {
    target_url: maybe(
      fc.oneof(
        fc.webUrl(),
        text.map(path => `https://example.com/${path}`),
      ),
    ),
    description: maybe(text),
    secret: maybe(text),
    event_types: maybe(fc.array(maybe(fc.stringMatching(/^[a-z.]{1,20}$/)))),
    paused: maybe(fc.boolean()),
    retry: maybe(
      fc.record({ max_attempts: maybe(fc.integer()), schedule_seconds: maybe(fc.array(fc.double())) }),
    ),
    timeout_ms: maybe(fc.integer({ min: 0, max: 40_000 })),
    metadata: maybe(fc.dictionary(text, text)),
    [`${'un'}known`]: anything,
  },
  { requiredKeys: [] },
)

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
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 9, arbitrary: body }, { weight: 1, arbitrary: anything }), check),
      {
        numRuns: 300,
      },
    )
    assert.ok(taken > 0 && refused > 0, `${taken} taken, ${refused} refused: it must be shown both`)
  })
}

test('a body nested deeper than any stack is refused, not a fault', async () => {
  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  for (const body of [deep, `{"target_url":"https://example.com/","state":${deep}}`]) {
    const headers = { 'content-type': 'application/json' }
    const answer = await server.request(`/subscriptions/${id}`, { method: 'PUT', headers, body })
    assert.ok(answer.status >= 400 && answer.status < 500, answer.text)
  }
})
