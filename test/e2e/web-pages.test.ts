import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { client, type TestService, testService } from '../support/service.ts'

/** Sends what a browser would send for a page, under any name. */
async function ask(world: TestService, path: string, headers: Record<string, string>, method = 'POST') {
  const sending = request(`${world.url}${path}`, { method, headers })
  sending.end()
  const [response] = await once(sending, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, text }
}

test('without keys, no web page can drive the service, and programs can', async () => {
  await using world = await testService({ ALLOWED_HOSTS: 'app,*.example.com' })
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: false })
  const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
  for (const [path, method] of [
    [`/subscriptions/${id}/pause`, 'POST'],
    [`/subscriptions/${id}/rotate-secret`, 'POST'],
    [`/ingest/${id}`, 'POST'],
    [`/subscriptions/${id}`, 'DELETE'],
    ['/subscriptions/', 'GET'],
    ['/system', 'GET'],
    ['/openapi.json', 'GET'],
    ['/', 'GET'],
    ['/nothing', 'GET'],
  ] as const) {
    assert.equal((await ask(world, path, evil, method)).status, 403, path)
    const rebound = await ask(world, path, { host: 'evil.example' }, method)
    assert.equal(rebound.status, 403, path)
    assert.match(rebound.text, /ALLOWED_HOSTS=evil\.example/)
  }
  assert.equal((await ask(world, '/readyz', { ...evil, host: 'evil.example' }, 'GET')).status, 200)
  for (const host of ['localhost', 'app:8000', 'hooks.example.com']) {
    assert.equal((await ask(world, '/subscriptions/', { host }, 'GET')).status, 200, host)
  }
  const { rows } = await world.world.database.query({ text: 'select paused, version from subscriptions' })
  assert.deepEqual(rows, [{ paused: false, version: 1 }])
})

test('with keys, names and origins do not matter: a page has no key', async () => {
  await using world = await testService({ AUTH: 'keys' })
  const headers = {
    host: 'hooks.example.com',
    origin: 'https://other.example',
    'sec-fetch-site': 'cross-site',
  }
  const authorization = `Bearer ${world.service.firstKey}`
  assert.equal((await ask(world, '/subscriptions/', headers, 'GET')).status, 401)
  assert.equal((await ask(world, '/subscriptions/', { ...headers, authorization }, 'GET')).status, 200)
})
