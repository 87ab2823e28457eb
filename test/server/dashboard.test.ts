import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtDashboard } from '../support/dashboard.ts'
import { testServer } from '../support/server.ts'

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
  await using server = await testServer({ dashboard: { auth: 'keys', frameAncestors: [] } })
  assert.deepEqual((await server.request('/ui/config.json')).json, { version: '0.0.0-test', auth: 'keys' })
})

test("a tenant's own page may be shown in a frame by those who are listed, and no other page by anyone", async () => {
  await using server = await testServer({
    dashboard: { auth: 'keys', frameAncestors: ['https://app.example.com', 'https://*.example.org'] },
  })
  const policyOf = async (path: string) =>
    (await server.request(path)).headers.get('content-security-policy') ?? ''
  assert.match(
    await policyOf('/ui/portal'),
    /frame-ancestors https:\/\/app\.example\.com https:\/\/\*\.example\.org$/,
  )
  for (const path of ['/ui/', '/ui/events', '/ui/portal/x'])
    assert.match(await policyOf(path), /frame-ancestors 'none'$/)
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
