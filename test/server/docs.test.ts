import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())

interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> }
  readonly responses: Readonly<Record<string, unknown>>
  readonly parameters?: readonly { readonly name: string; readonly example?: unknown }[]
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, { readonly examples?: readonly unknown[] }> }
}

async function document(): Promise<Document> {
  return (await server.request('/openapi.json')).json as Document // checked by the first test
}

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(
    JSON.parse((await server.request('/openapi.json')).text),
  )
  assert.ok(valid, JSON.stringify(errors))
  assert.equal((await document()).openapi.slice(0, 3), '3.1')
})

test('each operation has one id, a tag and a summary, and each path is there once', async () => {
  const { paths } = await document()
  const operations = Object.values(paths).flatMap(path => Object.values(path))
  const ids = operations.map(operation => operation.operationId)
  assert.equal(new Set(ids).size, ids.length)
  for (const { tags, summary } of operations) assert.ok(tags.length === 1 && summary.length > 0)
  const bare = Object.keys(paths).map(path => path.replace(/\/$/, ''))
  assert.equal(new Set(bare).size, bare.length)
  assert.ok('/subscriptions/' in paths)
})

test('every operation that reads JSON, or refuses a body, says that it may be too large or of another type', async () => {
  const { paths } = await document()
  const anyBody = ['/ingest/{id}', '/events', '/in/{token}', '/t/{token}']
  const silent = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'get' && !(method === 'post' && anyBody.includes(path)))
      .filter(([, { responses }]) => !('413' in responses && '415' in responses))
      .map(([method]) => `${method} ${path}`),
  )
  assert.deepEqual(silent, [])
})

test('nothing in the document is ours alone, and nothing refers into the void', async () => {
  const text = JSON.stringify(await document())
  assert.doesNotMatch(text, /x-sentence|x-documented|def-\d|"\$id"/)
  const { schemas } = (await document()).components
  const references = [...text.matchAll(/#\/components\/schemas\/([^"]+)/g)].map(([, name = '']) => name)
  assert.ok(references.length > 20)
  assert.deepEqual(
    references.filter(name => !(name in schemas)),
    [],
  )
})

test('the example subscription can be created as it is', async () => {
  const [json] = (await document()).components.schemas.SubscriptionCreate?.examples ?? []
  const answer = await server.request('/subscriptions/', { method: 'POST', json })
  assert.equal(answer.status, 201, answer.text)
})

for (const [page, parts] of [
  [
    '/docs',
    [
      '/docs/static/swagger-ui.css',
      '/docs/static/swagger-ui-bundle.js',
      '/docs/static/swagger-initializer.js',
      '/docs/json',
    ],
  ],
  ['/redoc', ['/redoc/redoc.standalone.js', '/redoc/start.js', '/openapi.json']],
] as const) {
  test(`${page} is served with all its parts, and may load nothing from elsewhere`, async () => {
    const answer = await server.request(page)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/html/)
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self';/)
    assert.doesNotMatch(policy, /https?:|\*/)
    assert.doesNotMatch(answer.text, /(?:src|href)="(?:https?:)?\/\//)
    for (const path of parts) assert.equal((await server.request(path)).status, 200, path)
  })
}

test('ReDoc does not name its remote logo', async () => {
  assert.doesNotMatch((await server.request('/redoc/redoc.standalone.js')).text, /cdn\.redoc/)
})

test('the page at / leads to the others, and is JSON for who asks for it', async () => {
  const html = await server.request('/', { headers: { accept: 'text/html,*/*' } })
  assert.match(html.text, /href="\/docs"[\s\S]*href="\/redoc"/)
  const json = await server.request('/', { headers: { accept: 'application/json' } })
  assert.deepEqual(Object(json.json).docs, '/docs')
})

test('the commands on the page at / name the address it was asked at, unless that is not plain', async () => {
  // Not by fetch, which lets nobody say another host.
  const ask = async (headers: Record<string, string>) => (await server.app.inject({ url: '/', headers })).body
  assert.match(
    await ask({ host: 'hooks.test:81' }),
    /curl http:\/\/hooks\.test:81\/test-receivers\/1\/requests/,
  )
  assert.match(
    await ask({ host: 'hooks.test', 'x-forwarded-proto': 'https' }),
    /curl https:\/\/hooks\.test\/test-receivers\/1\/requests/,
  )
  const html = await ask({ host: 'a"><script>x</script>' })
  assert.doesNotMatch(html, /<script/)
  assert.match(html, /curl http:\/\/localhost:8000\/test-receivers\/1\/requests/)
})

test('the example signature of an ingest fits its example body as Swagger UI sends it', async () => {
  const { ingestRoutes } = await import('../../src/ingest/routes.ts')
  await using real = await testServer({
    registerIngest: scope =>
      // Only its schemas are read here: it is never called.
      ingestRoutes(scope, {} as Parameters<typeof ingestRoutes>[1]),
  })
  const { paths } = (await real.request('/openapi.json')).json as Document // as above
  const ingest = paths['/ingest/{id}']?.post
  const example = ingest?.requestBody?.content['application/json']?.example
  const digest = createHmac('sha256', 'mysecret')
    .update(JSON.stringify(example, null, 2))
    .digest('hex')
  const named = (name: string) => ingest?.parameters?.find(parameter => parameter.name === name)?.example
  assert.equal(named('x-hub-signature-256'), `sha256=${digest}`)
  assert.equal(named('id'), 1)
})

test('clients that ask for a large page and do not read it take no memory for each', async () => {
  const ask = 'GET /redoc/redoc.standalone.js HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const size = (await server.request('/redoc/redoc.standalone.js')).text.length
  const before = process.memoryUsage().rss
  const sockets = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = connect(server.port, '127.0.0.1').pause()
      await once(socket, 'connect')
      socket.write(ask.repeat(12)) // more than the kernel holds for a connection
      return socket
    }),
  )
  const served = () => server.request('/livez')
  for (let n = 0; n < 20; n++) await served()
  const grownMb = (process.memoryUsage().rss - before) / 1e6
  for (const socket of sockets) socket.destroy()
  assert.ok(grownMb < 25, `${grownMb} MB for 300 clients and a page of ${size / 1e6} MB`)
})
