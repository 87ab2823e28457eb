import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, type TestService, testService } from '../support/service.ts'

// With the rules of server mode: no delivery goes to this machine, but to test receivers of the service.

const strict = { ALLOW_PRIVATE_TARGETS: 'false' }

interface Kept {
  readonly signature: string
  readonly status: number | null
  readonly body: string
  readonly headers: Record<string, string>
  readonly subscription_id: number | null
}

type World = Pick<TestService, 'url'>

async function call(world: World, method: string, path: string, json?: object) {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    ...(json && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) }),
  })
  const text = await answer.text()
  return { status: answer.status, text, json: text === '' ? {} : JSON.parse(text) }
}

async function aReceiver(
  world: World,
  body: object = {},
): Promise<{ readonly id: number; readonly url: string }> {
  const { status, json, text } = await call(world, 'POST', '/test-receivers', body)
  assert.equal(status, 201, text)
  return json
}

const requestsOf = async (world: World, id: number): Promise<readonly Kept[]> =>
  (await call(world, 'GET', `/test-receivers/${id}/requests`)).json

test('a retry can be watched: signed, failed twice, delivered; by the rules of server mode, over all processes', async t => {
  await using world = await processWorld({ ...strict, PROCESSES: '2' })
  const { url } = await world.start()
  const at = { url }
  const { id, url: target } = await aReceiver(at, { answer: { fail_times: 2, status: 202 } })
  const retry = { base_seconds: 0.1, factor: 1 }
  const headers = { Authorization: 'Bearer correct-horse-battery' }
  const api = client(url)
  const made = await call(at, 'POST', '/subscriptions/', {
    target_url: target,
    retry,
    headers,
    capture: 'all',
  })
  assert.equal(made.status, 201, made.text)
  const { status } = await call(at, 'POST', '/events', { order: 7 })
  assert.equal(status, 202)
  const requests = await eventually(
    () => requestsOf(at, id),
    kept => kept.length === 3,
  )
  assert.deepEqual(
    requests.map(one => [one.status, one.signature, one.body, one.subscription_id]),
    [202, 500, 500].map(answered => [answered, 'valid', '{"order":7}', made.json.id]),
  )
  assert.doesNotMatch(JSON.stringify(requests), /correct-horse/)
  const logs = await eventually(
    () => api.logs(made.json.id),
    rows => rows.length === 3,
  )
  assert.deepEqual(
    logs.map(({ verdict }) => verdict),
    ['delivered', 'retry', 'retry'],
  )
  const [delivered] = logs as unknown as { id: string }[]
  const details = await call(at, 'GET', `/attempts/${delivered?.id}`)
  assert.equal(details.json.request.url, target, 'capture: all keeps a success')
  assert.equal(details.json.request.headers.authorization, '[redacted]')
  t.diagnostic('two processes share the port, the receiver and its count')
})

test('only what is a test receiver is let through', async t => {
  await using world = await testService(strict)
  const { id, url } = await aReceiver(world)
  const token = new URL(url).pathname
  const port = new URL(world.url).port
  // Something else on this machine, that nobody may reach.
  const secret = await startReceiver()
  t.after(() => secret.close())
  const other = new URL(secret.origin).port
  const refused = async (target: string) => {
    const { status, json } = await call(world, 'POST', '/subscriptions/', { target_url: target })
    assert.equal(status, 422, target)
    assert.equal(json.errors[0].pointer, '/target_url', target)
    const draft = await call(world, 'POST', '/subscriptions/test', { target_url: target })
    assert.equal(draft.status, 422, target)
  }
  for (const target of [
    `http://127.0.0.1:${other}${token}`, // the same path elsewhere
    `http://localhost:${other}${token}`,
    `http://127.0.0.1:${port}${token}`, // the same service by another name than was told
    `http://localhost:${port}/t/${'a'.repeat(43)}`, // a token that is none
    `${url}/`,
    `${url}?a=1`,
    `${url}/../../subscriptions/`, // parsed before it is compared
    `http://localhost:${port}/subscriptions/`,
    `http://localhost:${port}//t${token.slice(2)}`,
  ]) {
    await refused(target)
  }
  const made = await call(world, 'POST', '/subscriptions/', { target_url: url, retry: { max_attempts: 1 } })
  assert.equal(made.status, 201, made.text)
  const api = client(world.url)
  await api.ingest(made.json.id)
  await eventually(async () => (await requestsOf(world, id)).length === 1)

  // It points elsewhere: nothing follows.
  const location = `${secret.origin}/inner`
  await call(world, 'PATCH', `/test-receivers/${id}`, { answer: { status: 302, headers: { location } } })
  const redirected = await call(world, 'POST', `/subscriptions/${made.json.id}/test`)
  assert.deepEqual([redirected.json.delivered, redirected.json.response.status], [false, 302])
  assert.equal(redirected.json.response.headers.location, location)

  // Deleted: the rules hold for its address as for any other.
  await call(world, 'DELETE', `/test-receivers/${id}`)
  await refused(url)
  const blocked = await call(world, 'POST', `/subscriptions/${made.json.id}/test`)
  assert.deepEqual([blocked.json.delivered, blocked.json.error_class], [false, 'blocked'])
  await api.ingest(made.json.id)
  const [last] = await eventually(
    () => api.logs(made.json.id),
    rows => rows.length === 4,
  )
  assert.equal((last as unknown as { error_class: string }).error_class, 'blocked')
  assert.equal(secret.received.length, 0)
})

test('behind a proxy with a name, a path and TLS of its own, a receiver is reached all the same', async () => {
  const PUBLIC_URL = 'https://hooks.example.com/webhooks/'
  await using world = await testService({
    ...strict,
    PUBLIC_URL,
    HTTPS_ONLY: 'true',
    ALLOWED_TARGET_PORTS: '8443',
  })
  const { id, url } = await aReceiver(world)
  assert.match(url, /^https:\/\/hooks\.example\.com\/webhooks\/t\/[A-Za-z0-9_-]{43}$/)
  const made = await call(world, 'POST', '/subscriptions/', { target_url: url })
  assert.equal(made.status, 201, made.text)
  await client(world.url).ingest(made.json.id)
  const [request] = await eventually(
    () => requestsOf(world, id),
    kept => kept.length === 1,
  )
  assert.equal(request?.signature, 'valid')
  const tested = await call(world, 'POST', `/subscriptions/${made.json.id}/test`)
  assert.deepEqual([tested.json.delivered, tested.json.request.url], [true, url])
})

test('a worker that only delivers reaches receivers, and one that is made while it runs', async () => {
  await using world = await processWorld({ ...strict, ROLE: 'api' })
  const api = await world.start()
  const worker = await testServiceBeside(world.environment)
  try {
    const at = { url: api.url }
    const { id, url } = await aReceiver(at)
    const { json } = await call(at, 'POST', '/subscriptions/', { target_url: url })
    await client(api.url).ingest(json.id)
    const [request] = await eventually(
      () => requestsOf(at, id),
      kept => kept.length === 1,
    )
    assert.equal(request?.signature, 'valid')
  } finally {
    await worker.end('SIGTERM')
  }
})

async function testServiceBeside(environment: Readonly<Record<string, string | undefined>>) {
  const { startProcess } = await import('../support/service.ts')
  return startProcess({ ...environment, ROLE: 'worker', PORT: '0' })
}

test('a receiver made under a name that leads elsewhere is reached here, and nobody there hears of it', async t => {
  const elsewhere = createServer(() => assert.fail('it was sent to the wrong place'))
  elsewhere.listen(0, '127.0.0.1')
  await once(elsewhere, 'listening')
  t.after(() => elsewhere.close())
  const { port } = elsewhere.address() as AddressInfo // it listens on TCP
  await using world = await testService({ ...strict, ALLOWED_HOSTS: 'other.example' })
  const made = await new Promise<string>((resolve, reject) => {
    import('node:http').then(({ request }) => {
      const asked = request(
        `${world.url}/test-receivers`,
        { method: 'POST', headers: { host: `other.example:${port}` } },
        answer => {
          let text = ''
          answer.on('data', chunk => {
            text += chunk
          })
          answer.on('end', () => resolve(text))
        },
      )
      asked.on('error', reject)
      asked.end()
    }, reject)
  })
  const { id, url } = JSON.parse(made)
  assert.match(url, new RegExp(`^http://other\\.example:${port}/t/`))
  const { json } = await call(world, 'POST', '/subscriptions/', { target_url: url })
  await client(world.url).ingest(json.id)
  await eventually(async () => (await requestsOf(world, id)).length === 1)
})
