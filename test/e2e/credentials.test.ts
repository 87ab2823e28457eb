import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, processWorld } from '../support/service.ts'
import { startTokenEndpoint } from '../support/token-endpoint.ts'

test('two processes deliver with one access token; without one an attempt fails and the receiver is not blamed', async () => {
  let isDown = true
  await using endpoint = await startTokenEndpoint(() => (isDown ? { status: 503 } : undefined))
  await using receiver = await startReceiver(({ headers }) => ({
    status: String(headers.authorization).startsWith('Bearer token-') ? 204 : 401,
  }))
  await using world = await processWorld({ LOG_LEVEL: 'debug' })
  const both = [await world.start(), await world.start()] as const
  const [first, second] = both.map(({ url }) => client(url))
  assert.ok(first && second)
  const { id } = await first.subscribe({
    target_url: `${receiver.origin}/hooks`,
    auth: {
      type: 'oauth2',
      token_url: endpoint.url,
      client_id: 'me',
      client_secret: 'correct horse battery',
    },
    retry: { schedule_seconds: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], max_attempts: 11 },
    capture: 'all',
  })
  const early = await first.ingest(id)
  await eventually(
    () => first.logs(id),
    logs => logs.length > 0,
  )
  const [failed] = await first.logs(id)
  assert.deepEqual(
    [failed?.status, failed?.http_status, failed?.error],
    [...['failed', null, 'the token endpoint answered 503']],
  )
  assert.equal(Object(failed).error_class, 'credentials')
  assert.equal(receiver.received.length, 0)

  const asked = endpoint.received.length
  isDown = false
  await eventually(
    () => first.status(early),
    ({ status }) => status === 'success',
  )
  // The other process takes the token that the first one has got.
  for (const api of [first, second]) {
    const later = await api.ingest(id)
    await eventually(
      () => api.status(later),
      ({ status }) => status === 'success',
    )
  }
  const given = endpoint.received.length - asked
  const sent = new Set(receiver.received.map(({ headers }) => headers.authorization))
  assert.ok(given >= 1 && sent.size === 1, `${given} asked, ${[...sent]}`)
  const state = await fetch(`${both[0].url}/subscriptions/${id}`)
  assert.equal(Object(await state.json()).state, 'active')

  const attempts = await first.logs(id)
  const pages = await Promise.all(
    [...attempts.map(attempt => `/attempts/${Object(attempt).id}`), `/logs/${id}`, '/audit', '/system'].map(
      async path => (await fetch(both[1].url + path)).text(),
    ),
  )
  const { rows } = await world.world.database.query({ text: 'select * from attempt_details' })
  const seen = [...pages, ...both.map(one => one.output()), JSON.stringify(rows)].join('\n')
  assert.match(seen, /\[redacted\]/)
  assert.doesNotMatch(seen, /correct horse|token-\d/)
})

test('what a sender says of an event is in the headers of its deliveries, also of one that waited in its lane', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld()
  const service = await world.start()
  const api = client(service.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    header_templates: { 'X-Order': '{metadata.order}', 'X-Fixed': 'n{attempt}' },
    paused: true,
  })
  const headers = { 'content-type': 'application/json', 'x-metadata-order': 'o-7\u00e9' }
  await api.ingest(id, '{}', headers)
  await api.post('/events', '{}', headers)
  await api.post(`/subscriptions/${id}/resume`, '')
  await api.ingest(id, '{}', headers)
  await receiver.waitFor(3)
  for (const request of receiver.received) {
    assert.equal(request.headers['x-order'], 'o-7%C3%A9')
    assert.equal(request.headers['x-fixed'], 'n1')
  }
})
