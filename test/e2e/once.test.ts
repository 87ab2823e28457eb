import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, processWorld, testService } from '../support/service.ts'

interface Answer {
  readonly status: number
  readonly isReplayed: boolean
  readonly retryAfter: string | null
  readonly body: { readonly webhook_id?: string; readonly deliveries?: number; readonly code?: string }
}

async function send(
  url: string,
  path: string,
  headers: Record<string, string>,
  body = '{"a": 1}',
): Promise<Answer> {
  const json = { 'content-type': 'application/json' }
  // Again after a 503, which a busy machine says to many at once.
  const answer = await eventually(
    () => client(url).post(path, body, { ...json, ...headers }),
    ({ status }) => status !== 503,
  )
  return {
    status: answer.status,
    isReplayed: answer.headers.get('idempotent-replayed') === 'true',
    retryAfter: answer.headers.get('retry-after'),
    body: (await answer.json()) as Answer['body'], // as openapi.json has it
  }
}

type World = Awaited<ReturnType<typeof testService>>

const countEvents = async ({ world }: Pick<World, 'world'>) => {
  const { rows } = await world.database.query<{ n: number }>({
    text: 'select count(*)::int as n from events',
  })
  return rows[0]?.n
}

test('of twenty equal requests with one key at the same time one is carried out, and each hears its answer in the end', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const { id } = await client(world.url).subscribe({ target_url: receiver.origin })
  for (const path of ['/events', `/ingest/${id}`]) {
    const headers = { 'idempotency-key': `"${path}"` }
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(world.url, path, headers)))
    const accepted = answers.filter(({ status }) => status === 202)
    const first = accepted.filter(({ isReplayed }) => !isReplayed)
    assert.equal(first.length, 1)
    for (const { status, retryAfter, body } of answers.filter(answer => !accepted.includes(answer))) {
      assert.deepEqual([status, retryAfter, body.code], [409, '1', 'idempotency_in_progress'])
    }
    // Without its quotes it is the same key.
    const again = await send(world.url, path, { 'idempotency-key': path })
    assert.deepEqual(again, { ...first[0], isReplayed: true })
    for (const { body } of accepted) assert.deepEqual(body, first[0]?.body)
  }
  assert.equal(await countEvents(world), 2)
  await receiver.waitFor(2)
})

test('over several processes, too, and the last answer is the same on all of them', async () => {
  await using world = await processWorld()
  const processes = await Promise.all([world.start(), world.start()])
  const urls = processes.map(({ url }) => url)
  for (let round = 0; round < 5; round++) {
    const headers = { 'idempotency-key': `round ${round}`, 'x-event-id': `event ${round}`.replace(' ', '-') }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => send(urls[n % 2] ?? '', '/events', headers)),
    )
    const firsts = answers.filter(({ status, isReplayed }) => status === 202 && !isReplayed)
    assert.equal(firsts.length, 1)
    assert.deepEqual(
      answers.filter(({ status }) => status !== 202 && status !== 409).map(({ body }) => body),
      [],
    )
    for (const url of urls) {
      assert.deepEqual(await send(url, '/events', headers), { ...firsts[0], isReplayed: true })
    }
  }
  assert.equal(await countEvents(world), 5)
})

test('a key with another request is refused: another body, type, target, channel or time', async () => {
  await using world = await testService()
  const key = { 'idempotency-key': 'one' }
  const first = await send(world.url, '/events', {
    ...key,
    'x-event-type': 'a',
    'x-metadata-b': '1',
    'x-metadata-a': '2',
  })
  assert.equal(first.status, 202)
  const { id } = await client(world.url).subscribe({ target_url: 'http://127.0.0.1:9/' })
  const others = [
    ['/events', { 'x-event-type': 'a' }, '{"a":1}'],
    ['/events', { 'x-event-type': 'b' }],
    ['/events', { 'x-event-type': 'a', 'content-type': 'application/vnd.a+json' }],
    ['/events', { 'x-event-type': 'a', 'x-channels': 'c' }],
    ['/events', { 'x-event-type': 'a', 'x-deliver-at': new Date(Date.now() + 86_400_000).toISOString() }],
    ['/events', { 'x-event-type': 'a', 'x-event-id': 'e' }],
    ['/events', { 'x-event-type': 'a', 'x-metadata-a': '2' }],
    [`/events?to=${id}`, { 'x-event-type': 'a' }],
    [`/ingest/${id}`, { 'x-event-type': 'a' }],
  ] as const
  for (const [path, headers, body] of others) {
    const { status, body: problem } = await send(world.url, path, { ...key, ...headers }, body)
    assert.deepEqual(
      [status, problem.code],
      [422, 'idempotency_key_reused'],
      `${path} ${JSON.stringify(headers)}`,
    )
  }
  const again = { ...key, 'x-metadata-a': '2', 'x-metadata-b': '1' }
  assert.deepEqual(await send(world.url, '/events?event_type=a', again), { ...first, isReplayed: true })
  assert.equal(await countEvents(world), 1)
})

test('an event_id that is taken is refused with the event that has it, with a key and without', async () => {
  await using world = await testService()
  const first = await send(world.url, '/events', { 'x-event-id': 'order-7' })
  for (const headers of [{}, { 'idempotency-key': 'k' }]) {
    const { status, body } = await send(world.url, '/events?event_id=order-7', headers, '{"b":2}')
    assert.deepEqual([status, body.code, body.webhook_id], [409, 'event_id_taken', first.body.webhook_id])
  }
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => send(world.url, '/events', { 'x-event-id': 'order-8' })),
  )
  assert.equal(answers.filter(({ status }) => status === 202).length, 1)
  assert.equal(answers.filter(({ status }) => status === 409).length, 19)
  assert.equal(new Set(answers.map(({ body }) => body.webhook_id)).size, 1)
  assert.equal(await countEvents(world), 2)
  assert.equal(
    (await send(world.url, '/events', { 'idempotency-key': 'k' })).status,
    202,
    'the key is free still',
  )
})

test('names of one tenant are free in another one', async () => {
  await using world = await testService()
  await world.world.database.query({ text: "insert into tenants (id, name) values ('other', 'Other')" })
  const headers = { 'idempotency-key': 'k', 'x-event-id': 'e' }
  const one = await send(world.url, '/events', headers)
  const two = await send(world.url, '/events?tenant=other', headers)
  assert.deepEqual([one.status, two.status, two.isReplayed], [202, 202, false])
  assert.notEqual(one.body.webhook_id, two.body.webhook_id)
})

test('a request that failed leaves its key free', async () => {
  await using world = await testService()
  const key = { 'idempotency-key': 'k', 'x-event-id': 'e' }
  assert.equal((await send(world.url, '/events?to=77', key)).status, 404)
  assert.equal((await send(world.url, '/events', key, '{"a":')).status, 400)
  const first = await send(world.url, '/events', key)
  assert.deepEqual([first.status, first.isReplayed], [202, false])
})

test('the first answer is given again when the event, or the subscription it went to, is gone', async () => {
  await using world = await testService()
  const { id } = await client(world.url).subscribe({ target_url: 'http://127.0.0.1:9/' })
  const key = { 'idempotency-key': 'k' }
  const first = await send(world.url, `/events?to=${id}`, key)
  assert.equal(first.body.deliveries, 1)
  assert.equal((await fetch(`${world.url}/subscriptions/${id}`, { method: 'DELETE' })).status, 204)
  await world.world.database.query({ text: 'truncate events' })
  assert.deepEqual(await send(world.url, `/events?to=${id}`, key), { ...first, isReplayed: true })
})

test('a key of no characters, too many, or others than printable ones is refused', async () => {
  await using world = await testService()
  for (const key of ['', '""', 'x'.repeat(256), 'é', '" "']) {
    const { status, body } = await send(world.url, '/events', { 'idempotency-key': key })
    assert.deepEqual([status, body.code], [422, 'validation_failed'], key)
  }
  assert.equal((await send(world.url, '/events', { 'idempotency-key': 'x'.repeat(255) })).status, 202)
})

/** Passes on what goes to and fro between a service and its database, until it holds back what the database answers. */
async function holdingProxy(host: string, port: number) {
  let isHolding = false
  const sockets = new Set<Socket>()
  const server: Server = createServer(client => {
    const database = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        database.destroy()
      })
    }
    client.on('data', chunk => database.write(chunk))
    database.on('data', chunk => {
      if (!isHolding) client.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    hold: () => {
      isHolding = true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('kill -9 between the commit and the answer: the same request gets the answer that it did not hear', async () => {
  await using world = await processWorld()
  const { host, port } = world.world.connection
  await using proxy = await holdingProxy(host, port)
  const direct = new URL(world.environment.DATABASE_URL ?? '')
  const proxied = new URL(direct)
  proxied.port = `${proxy.port}`
  proxied.hostname = '127.0.0.1'
  Object.assign(world.environment, { DATABASE_URL: proxied.href })
  const first = await world.start()
  const { id } = await client(first.url).subscribe({ target_url: 'http://127.0.0.1:9/', event_types: ['a'] })
  const headers = { 'idempotency-key': 'k', 'x-event-id': 'e', 'x-event-type': 'a' }
  // So that the process knows where names are taken: the next one takes one statement.
  await send(first.url, '/events', { 'idempotency-key': 'before' })
  proxy.hold()
  const lost = send(first.url, '/events', headers).catch(() => 'lost')
  await eventually(
    () => countEvents(world),
    count => count === 2,
  )
  await first.end('SIGKILL')
  assert.equal(await lost, 'lost')

  Object.assign(world.environment, { DATABASE_URL: direct.href })
  const second = await world.start()
  const answer = await send(second.url, '/events', headers)
  const { rows } = await world.world.database.query<{ webhook_id: string; subscription_ids: number[] }>({
    text: "select webhook_id, subscription_ids from events where event_type = 'a'",
  })
  assert.deepEqual(rows, [{ webhook_id: answer.body.webhook_id, subscription_ids: [id] }])
  assert.deepEqual([answer.status, answer.isReplayed, answer.body.deliveries], [202, true, 1])
})

test('an answer that the sender did not wait for is given to the same request later', async () => {
  await using world = await testService()
  const { hostname, port } = new URL(world.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(
    `POST /events HTTP/1.1\r\nHost: ${hostname}\r\nIdempotency-Key: k\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi`,
  )
  await eventually(
    () => countEvents(world),
    count => count === 1,
  )
  socket.destroy()
  const answer = await eventually(
    () => send(world.url, '/events', { 'idempotency-key': 'k', 'content-type': 'text/plain' }, 'hi'),
    ({ status }) => status !== 409,
  )
  assert.deepEqual([answer.status, answer.isReplayed], [202, true])
  assert.equal(await countEvents(world), 1)
})
