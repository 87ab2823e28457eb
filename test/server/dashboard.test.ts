import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtDashboard } from '../support/dashboard.ts'
import { testDashboard, testServer } from '../support/server.ts'

await builtDashboard()

test('every address below /ui/ is the page, and its files are kept for good', async () => {
  await using server = await testServer()
  for (const path of ['/ui', '/ui/', '/ui/subscriptions/12', '/ui/events']) {
    const { status, headers, text } = await server.request(path)
    assert.equal(status, 200, path)
    assert.match(text, /<base href="\/ui\/">/, path)
    assert.equal(headers.get('cache-control'), 'no-cache')
    assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)/, 'no inline script')
    assert.match(headers.get('content-security-policy') ?? '', /script-src 'self';.*frame-ancestors 'none'/)
    assert.doesNotMatch(headers.get('content-security-policy') ?? '', /script-src[^;]*unsafe/)
  }
  const page = await server.request('/ui/')
  const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(page.text)?.[1]
  assert.ok(script)
  const file = await server.request(`/ui/${script}`)
  assert.equal(file.status, 200)
  assert.match(file.headers.get('cache-control') ?? '', /immutable/)
  assert.match(file.headers.get('content-type') ?? '', /javascript/)
  const again = await server.request(`/ui/${script}`, {
    headers: { 'if-none-match': file.headers.get('etag') ?? '' },
  })
  assert.equal(again.status, 304)
})

test('what is no file is not found, and nothing outside the folder is read', async () => {
  await using server = await testServer()
  for (const path of [
    '/ui/assets/none.js',
    '/ui/none.png',
    '/ui/..%2f..%2fpackage.json',
    '/ui/%2e%2e/package.json',
  ]) {
    assert.equal((await server.request(path)).status, 404, path)
  }
})

test('the page is told what it needs to know before it knows who asks', async () => {
  await using server = await testServer({ dashboard: { ...testDashboard, auth: 'keys' } })
  assert.deepEqual((await server.request('/ui/config.json')).json, {
    version: '0.0.0-test',
    auth: 'keys',
    portal: { name: 'Webhooks', frame_ancestors: [] },
  })
})

test("a tenant's own page may be shown in a frame by those who are listed, and no other page by anyone", async () => {
  await using server = await testServer({
    dashboard: {
      ...testDashboard,
      frameAncestors: ['https://app.example.com', 'https://*.example.org'],
    },
  })
  const policyOf = async (path: string) =>
    (await server.request(path)).headers.get('content-security-policy') ?? ''
  assert.match(
    await policyOf('/ui/portal'),
    /frame-ancestors 'self' https:\/\/app\.example\.com https:\/\/\*\.example\.org$/,
  )
  for (const path of ['/ui/', '/ui/events', '/ui/portal/x'])
    assert.match(await policyOf(path), /frame-ancestors 'none'$/)
})

test("a tenant's own page has the name, the colour and the picture of whoever offers it", async () => {
  const body = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
  await using server = await testServer({
    dashboard: {
      ...testDashboard,
      portal: { name: 'Acme', accent: '#0055ff', logo: { type: 'image/svg+xml', body } },
    },
  })
  const { json } = await server.request('/ui/config.json')
  assert.deepEqual((json as { portal: unknown }).portal, {
    ...{ name: 'Acme', accent: '#0055ff', logo: 'portal-logo', frame_ancestors: [] },
  })
  const logo = await server.request('/ui/portal-logo')
  assert.equal(logo.headers.get('content-type'), 'image/svg+xml')
  assert.equal(logo.headers.get('x-content-type-options'), 'nosniff')
  assert.match(logo.headers.get('content-security-policy') ?? '', /default-src 'none';.*sandbox/)
  assert.equal(logo.text, String(body))
  await using other = await testServer()
  assert.equal((await other.request('/ui/portal-logo')).status, 404)
})

test('with UI_ENABLED=false there is none, and nothing leads to it', async () => {
  await using server = await testServer({ dashboard: undefined })
  assert.equal((await server.request('/ui/')).status, 404)
  assert.equal((await server.request('/ui/config.json')).status, 404)
  assert.doesNotMatch((await server.request('/')).text, /\/ui\//)
  await using other = await testServer()
  assert.match((await other.request('/')).text, /href="\/ui\/"/)
})

test('below a base path requests are answered with it and without it, and the page knows', async () => {
  await using server = await testServer({ basePath: '/hooks' })
  for (const path of ['/hooks/ui/', '/ui/']) {
    const { status, text } = await server.request(path)
    assert.equal(status, 200)
    assert.match(text, /<base href="\/hooks\/ui\/">/)
  }
  assert.match((await server.request('/hooks')).text, /href="\/hooks\/ui\/"/)
  assert.equal((await server.request('/hooks/subscriptions/')).status, 200)
  assert.equal((await server.request('/hooks?x=1')).status, 200)
  assert.equal((await server.request('/hookssubscriptions/')).status, 404)
})

test('below a base path what leads on has it, too: Location, Link, the viewers and the pages of errors', async () => {
  await using server = await testServer({ basePath: '/hooks' })
  const made = []
  for (const path of ['/hooks/subscriptions/', '/subscriptions/']) {
    const answer = await server.request(path, { method: 'POST', json: { target_url: 'http://127.0.0.1:9/' } })
    assert.equal(answer.status, 201)
    made.push(answer.headers.get('location'))
  }
  assert.deepEqual(made, ['/hooks/subscriptions/1', '/hooks/subscriptions/2'])
  assert.equal((await server.request(made[0] ?? '')).status, 200)
  const page = await server.request('/hooks/subscriptions/?limit=1')
  const next = /^<(.+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1] ?? ''
  assert.match(next, /^\/hooks\/subscriptions\/\?limit=1&cursor=/)
  assert.deepEqual(
    ((await server.request(next)).json as { id: number }[]).map(({ id }) => id),
    [1],
  )
  const document = (await server.request('/hooks/openapi.json')).json as { servers: { url: string }[] }
  assert.deepEqual(
    document.servers.map(({ url }) => url),
    ['/hooks'],
  )
  for (const path of ['/docs', '/redoc', '/errors/not_found']) {
    const { text } = await server.request(path)
    const links = [...text.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, link = '']) => link)
    assert.ok(links.length > 0, path)
    for (const link of links) {
      assert.match(link, /^\/hooks\//, path)
      assert.equal((await server.request(link)).status, 200, link)
    }
  }
  assert.match((await server.request('/redoc/start.js')).text, /'\/hooks\/openapi\.json'/)
  const moved = await server.request('/docs/static/index.html', { redirect: 'manual' })
  assert.equal(moved.headers.get('location'), '/hooks/docs/')
})
