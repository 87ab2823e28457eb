import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startProxy } from '../support/proxy.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, settledAudit, testService } from '../support/service.ts'

const closed = { ALLOW_PRIVATE_TARGETS: 'false' }

interface Problem {
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[]
}

test('a subscription that leads to a private address is not made, and not changed into one', async () => {
  await using world = await testService(closed)
  const api = client(world.url)
  const json = { 'content-type': 'application/json' }
  const targets = [
    'http://127.0.0.1:9',
    'http://[::1]/',
    'http://0x7f.1/',
    'http://localhost',
    'http://169.254.169.254/',
  ]
  const { id } = await api.subscribe({ target_url: 'https://8.8.8.8/hooks' })
  for (const target_url of targets) {
    const body = JSON.stringify({ target_url })
    for (const answer of [
      await api.post('/subscriptions/', body, json),
      await fetch(`${world.url}/subscriptions/${id}`, { method: 'PUT', body, headers: json }),
      await api.patch(id, { target_url }),
    ]) {
      assert.equal(answer.status, 422, target_url)
      const { errors } = (await answer.json()) as Problem // RFC 9457, as errors.md has it
      assert.deepEqual(errors, [
        {
          pointer: '/target_url',
          detail:
            'the address of this host is not allowed; give a public one, or ask the operator, who can allow private ones (ALLOWED_TARGET_CIDRS)',
        },
      ])
    }
  }
  assert.equal((await api.patch(id, { paused: true })).status, 200)
})

test('one that was made before is never connected to; its log says that it is not allowed, and not where', async () => {
  await using receiver = await startReceiver()
  await using world = await testService(closed)
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: 'https://8.8.8.8/hooks', retry: { max_attempts: 1 } })
  for (const target of [receiver.origin, receiver.origin.replace('127.0.0.1', 'localhost')]) {
    await world.world.database.query({
      text: 'update subscriptions set target_url = $2, version = version + 1 where id = $1',
      values: [id, target],
    })
    // The address is not named, so it is not checked; the service has the row as it is now.
    assert.equal((await api.patch(id, { description: target })).status, 200)
    const before = (await api.logs(id)).length
    await api.ingest(id)
    const logs = await eventually(
      () => api.logs(id),
      all => all.length > before,
    )
    const attempt = logs.find(({ error }) => error === 'the address of this host is not allowed')
    assert.equal(attempt?.status, 'failed', JSON.stringify(logs))
  }
  assert.equal(receiver.connections, 0)
})

test('the allow-list of the operator lets a private receiver be delivered to', async () => {
  await using receiver = await startReceiver()
  await using world = await testService({ ...closed, ALLOWED_TARGET_CIDRS: '127.0.0.0/8,::1' })
  const api = client(world.url)
  for (const target_url of [receiver.origin, receiver.origin.replace('127.0.0.1', 'localhost')]) {
    const { id } = await api.subscribe({ target_url })
    await api.ingest(id)
  }
  await receiver.waitFor(2)
  const answer = await api.post('/subscriptions/', '{"target_url":"http://10.0.0.1/"}', {
    'content-type': 'application/json',
  })
  assert.equal(answer.status, 422)
})

test('while the proxy is away deliveries wait and spend no attempt; once it is back they arrive', async t => {
  await using receiver = await startReceiver()
  const reserved = await startReceiver()
  const address = reserved.origin.slice('http://'.length)
  await reserved.close()
  await using world = await testService({ EGRESS_PROXY: `http://${address}` })
  const api = client(world.url)
  const target_url = `http://receiver.nowhere.test:${new URL(receiver.origin).port}`
  for (const ordered of [false, true]) {
    const { id } = await api.subscribe({ target_url, ordered, retry: { max_attempts: 1 } })
    for (let n = 0; n < 20; n++) await api.ingest(id, JSON.stringify({ ordered, n }))
  }
  const audit = { text: 'select count(*)::int as closed from lanes where open_until > now()' }
  await eventually(
    async () => (await world.world.database.query<{ closed: number }>(audit)).rows[0]?.closed,
    closed => closed === 2,
  )
  await startProxy(t, 200, Number(address.split(':')[1]))
  world.clock.advance(5000) // it is asked again this long after it was not there
  await receiver.waitFor(40)
  const report = await settledAudit(world.world)
  assert.equal(report.final, 40)
  const { rows } = await world.world.database.query<{ attempts: number; status: string }>({
    text: 'select count(*)::int as attempts, status from delivery_logs group by status',
  })
  assert.deepEqual(
    rows,
    [{ attempts: 40, status: 'success' }],
    'one attempt each, though only one was allowed',
  )
  const bodies = receiver.received.map(({ body }) => JSON.parse(body.toString()))
  assert.deepEqual(
    bodies.filter(({ ordered }) => ordered).map(({ n }) => n),
    Array.from({ length: 20 }, (_, n) => n),
    'and in order where that is asked for',
  )
})

test('an event that goes in circles is refused the sixth time, from memory and from a lane', async () => {
  await using world = await testService()
  const api = client(world.url)
  for (const ordered of [false, true]) {
    const { id } = await api.subscribe({
      target_url: 'http://127.0.0.1:9',
      retry: { max_attempts: 1 },
      ordered,
    })
    assert.equal((await api.patch(id, { target_url: `${world.url}/ingest/${id}` })).status, 200)
    await api.ingest(id)
    const logs = await eventually(
      () => api.logs(id),
      all => all.some(({ status }) => status === 'failed'),
    )
    const last = logs.find(({ status }) => status === 'failed')
    assert.equal(last?.http_status, 403)
    assert.match(last?.error ?? '', /leads back/)
    assert.equal(logs.length, 6)
  }
})
