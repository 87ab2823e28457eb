import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { access } from '../../src/server/access.ts'
import { testService } from '../support/service.ts'

// Every route that changes something is tried, with the examples of its document, and must leave an entry in the audit
// log. A new route is tried without anyone writing a test.

/** Routes that need no entry though they are not for readers: which, and why. */
const withoutEntry: Readonly<Record<string, string>> = {
  'POST /subscriptions/:id/verify':
    'where nobody has to be asked nothing is changed; test/e2e/ownership.test.ts has one that does',
  'POST /events/:webhook_id/try-now':
    'where nothing waits for its retry nothing is changed; test/replay/routes.test.ts has one that does',
  'POST /deliveries/discard':
    'what finds nothing to end leaves none; test/cli/replay.test.ts has one that does',
}

/** Who may call a route that changes nothing that people manage. */
const isForOthers = ['open', 'own', 'any', 'publish', 'read', 'read_all']

const changing = Object.entries(access)
  .filter(([route, kind]) => !route.startsWith('GET ') && !isForOthers.includes(kind))
  .map(([route]) => route)

interface Document {
  readonly paths: Record<string, Record<string, { readonly requestBody?: { readonly content: Content } }>>
  readonly components: { readonly schemas: Record<string, { readonly examples?: readonly unknown[] }> }
}
type Content = Record<
  string,
  { readonly schema: { readonly $ref?: string; readonly examples?: unknown[] }; readonly example?: unknown }
>

// Held against the code by test/generated.test.ts.
const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as Document

// What is sent for a test of a subscription goes nowhere.
const world = await testService({ ROLE: 'api', EGRESS_PROXY: 'http://127.0.0.1:9' })
after(() => world[Symbol.asyncDispose]())

/** The first example of what the document says of the body; undefined: it takes none. */
function exampleBody(method: string, path: string): unknown {
  const named = path.replaceAll(/:(\w+)/g, '{$1}')
  const { requestBody } = document.paths[named]?.[method.toLowerCase()] ?? {}
  const { schema, example } = requestBody?.content['application/json'] ?? {}
  if (example !== undefined) return example
  const reference = schema?.$ref?.split('/').at(-1)
  return (reference === undefined ? schema : document.components.schemas[reference])?.examples?.[0]
}

let made = 0

/** The example with a name of its own, where it names what is made. */
function anotherOf(body: unknown): unknown {
  const { id } = Object(body)
  return typeof id === 'string' ? { ...Object(body), id: `${id}-${++made}` } : body
}

async function send(method: string, path: string, body: unknown): Promise<Response> {
  return fetch(world.url + path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
}

/** The path with the id of something that was made for it, as its collection makes it. */
async function pathOf(route: string): Promise<string> {
  const [, collection, parameter] = /^\S+ (\/[^:]+?)\/:(\w+)/.exec(route) ?? []
  const path = route.split(' ')[1] ?? ''
  if (collection === undefined || parameter === undefined) return path
  const posted = [`${collection}/`, collection].find(one => access[`POST ${one}`] !== undefined)
  if (posted === undefined) {
    const name = `made.${++made}`
    if (!route.startsWith('PUT ')) {
      const item = `${collection}/:${parameter}`
      const answer = await send('PUT', `${collection}/${name}`, exampleBody('PUT', item))
      assert.ok(answer.ok, `PUT ${collection}/${name}: ${await answer.text()}`)
    }
    return path.replace(`:${parameter}`, name)
  }
  const answer = await send('POST', posted, anotherOf(exampleBody('POST', posted)))
  assert.ok(answer.ok, `POST ${posted} with its example: ${await answer.clone().text()}`)
  return path.replace(`:${parameter}`, String(Object(await answer.json())[parameter]))
}

/** The ids of all entries. */
async function entries(): Promise<readonly string[]> {
  const answer = await fetch(`${world.url}/audit?limit=250`)
  assert.equal(answer.status, 200)
  return ((await answer.json()) as { id: string }[]).map(({ id }) => id)
}

for (const route of changing) {
  test(`${route} leaves an entry in the audit log`, async t => {
    if (withoutEntry[route] !== undefined) return t.skip(withoutEntry[route])
    const method = route.split(' ')[0] ?? ''
    const path = await pathOf(route)
    const before = new Set(await entries())
    const answer = await send(method, path, anotherOf(exampleBody(method, route.split(' ')[1] ?? '')))
    const text = await answer.text()
    assert.ok(answer.ok, `${route} with the example of its document: ${answer.status} ${text}`)
    const found = (await entries()).filter(id => !before.has(id))
    assert.ok(
      found.length > 0,
      `${route} changed something without an entry: call recordChange in its transaction`,
    )
  })
}

test('the table has routes that change something', () => {
  assert.ok(changing.length >= 8)
  const gone = Object.keys(withoutEntry).filter(route => !changing.includes(route))
  assert.deepEqual(gone, [])
})
