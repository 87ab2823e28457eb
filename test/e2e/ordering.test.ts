import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { atLength } from '../support/length.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit, type TestService, testService } from '../support/service.ts'

// The promise of `ordering_key`, seen from outside.

let world: TestService
before(async () => {
  world = await testService()
})
after(() => world[Symbol.asyncDispose]())

interface Payload {
  readonly key?: string
  readonly n: number
}
const payloadOf = ({ body }: Pick<Received, 'body'>) => JSON.parse(body.toString()) as Payload

const json = { 'content-type': 'application/json' }
const retry = { schedule_seconds: [30], max_attempts: 10 }

/** What is wrong with the order in which requests came; `isRefused` says what was answered. */
function disorderIn(requests: readonly Received[], isRefused: ReadonlySet<Received>): readonly string[] {
  const faults: string[] = []
  const byKey = Map.groupBy(requests, request => payloadOf(request).key)
  for (const [key, ofKey] of byKey) {
    let accepted = -1
    for (const request of ofKey) {
      const { n } = payloadOf(request)
      // The same again is a repeat. An earlier one, or one that skips another, is not.
      if (n < accepted || n > accepted + 1) faults.push(`${key}: ${n} after ${accepted}`)
      if (!isRefused.has(request)) accepted = n
    }
  }
  return faults
}

test('over kill -9 and two processes each key arrives in order, with repeats of the last one only; nothing is lost', async () => {
  const refused = new Set<Received>()
  await using receiver = await startReceiver((request, index) => {
    if (index % 5 !== 2) return { status: 204, delayMs: index % 3 }
    refused.add(request)
    return { status: 500 }
  })
  await using processes = await processWorld({ LOG_LEVEL: 'silent' })
  const first = await processes.start()
  const { id } = await client(first.url).subscribe({
    ...{ target_url: receiver.origin, ordering_key: 'payload.key' },
    retry: { schedule_seconds: [0.2], max_attempts: 50 },
  })
  const services = [first, await processes.start()]
  let running = true
  const accepted = new Map<string, number>()
  const send = async (key: string) => {
    for (let n = 0; running; ) {
      const place = n % 2
      const body = JSON.stringify({ key, n })
      const headers = { ...json, 'idempotency-key': `${key}-${n}` }
      const post = () =>
        fetch(`${services[place]?.url}/ingest/${id}`, { method: 'POST', body, headers }).catch(
          () => undefined,
        )
      // What is not answered is sent again: to whoever has the place of the one that was killed.
      const answer = await eventually(post, found => found?.status === 202 || !running)
      if (answer?.status === 202) accepted.set(key, n++)
    }
  }
  const senders = Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(send))
  try {
    for (let life = 0; life < atLength(6, 2); life++) {
      const place = life % 2
      const [had, victim] = [receiver.received.length, services[place]]
      await eventually(() => receiver.received.length > had + 60)
      victim?.child.kill('SIGKILL')
      if (victim) await once(victim.child, 'exit')
      services[place] = await processes.start()
    }
  } finally {
    running = false
    await senders
  }
  const report = await settledAudit(processes.world)
  assert.equal(report.missing, 0)
  assert.deepEqual(disorderIn(receiver.received, refused), [])
  const last = new Map(receiver.received.map(request => [payloadOf(request).key ?? '', payloadOf(request).n]))
  for (const [key, n] of accepted) assert.ok((last.get(key) ?? -1) >= n, `${key} came to its end`)
})

test('the events of a batch arrive in the order in which they stand; those without a key wait for nobody', async () => {
  await using receiver = await startReceiver()
  const api = client(world.url)
  await api.subscribe({ target_url: receiver.origin, ordering_key: 'payload.key', event_types: ['batch.*'] })
  const item = (n: number) => {
    const key = n % 10 === 9 ? {} : { key: `k${n % 3}` }
    return JSON.stringify({ event_type: 'batch.item', payload: { ...key, n: Math.floor(n / 3) } })
  }
  const body = Array.from({ length: 300 }, (_, n) => item(n)).join('\n')
  const answer = await api.post('/events/batch', body, { 'content-type': 'application/x-ndjson' })
  assert.equal(answer.status, 202)
  await receiver.waitFor(300)
  const order = Map.groupBy(receiver.received.map(payloadOf), ({ key }) => key)
  for (const key of ['k0', 'k1', 'k2']) {
    const numbers = order.get(key)?.map(({ n }) => n) ?? []
    assert.equal(numbers.length, 90)
    assert.deepEqual(
      numbers,
      numbers.toSorted((one, other) => one - other),
      key,
    )
  }
})

interface HeldKey {
  readonly ordering_key: string
  readonly webhook_id: string
  readonly attempts: number
  readonly held_since: string | null
  readonly next_attempt_at: string | null
  readonly waiting: number
}

async function get<Answer>(path: string): Promise<Answer> {
  const answer = await fetch(`${world.url}${path}`)
  assert.equal(answer.status, 200, path)
  return (await answer.json()) as Answer // as openapi.json has it
}

test('a key that fails holds only itself, and is seen; when its first delivery is discarded the next one follows', async () => {
  await using receiver = await startReceiver(request => ({
    status: payloadOf(request).key === 'bad' ? 500 : 200,
  }))
  const api = client(world.url)
  const { id } = await api.subscribe({
    ...{ target_url: receiver.origin, ordering_key: 'payload.key' },
    retry: { schedule_seconds: [3600], max_attempts: 3 },
  })
  const send = (key: string, n: number) => api.ingest(id, JSON.stringify({ key, n }))
  const ids: string[] = []
  for (let n = 0; n < 4; n++) ids.push(await send('bad', n))
  for (let n = 0; n < 20; n++) await send(`good-${n % 4}`, Math.floor(n / 4))
  await receiver.waitFor(21)
  const held = await eventually(
    () => get<HeldKey[]>(`/subscriptions/${id}/ordering-keys`),
    keys => keys[0]?.waiting === 3,
  )
  assert.equal(held.length, 1)
  assert.deepEqual(
    { ...held[0], held_since: typeof held[0]?.held_since, next_attempt_at: typeof held[0]?.next_attempt_at },
    {
      ...{ ordering_key: 'bad', webhook_id: ids[0], attempts: 1, waiting: 3 },
      ...{ held_since: 'string', next_attempt_at: 'string' },
    },
  )
  assert.deepEqual(await get(`/subscriptions/${id}/ordering-keys?key=good-1`), [])
  const waiting = await get<{ webhook_id: string; ordering_key: string; next_attempt_at: string | null }[]>(
    `/deliveries?subscription_id=${id}&state=pending`,
  )
  assert.deepEqual(
    waiting.map(row => [row.webhook_id, row.ordering_key, row.next_attempt_at === null]).toSorted(),
    ids.map((webhookId, n) => [webhookId, 'bad', n > 0]).toSorted(),
    'those behind it have no time of their own',
  )
  assert.equal((await api.status(ids[1] ?? '')).deliveries[0]?.next_attempt_at, null)

  const { rows } = await world.world.database.query<{ before: number }>({
    text: `select count(*)::int as before from owed where subscription_id = $1`,
    values: [id],
  })
  assert.equal(rows[0]?.before, 4)
  const discard = await fetch(`${world.url}/events/${ids[0]}/payload`, { method: 'DELETE' })
  assert.equal(discard.ok, true)
  await receiver.waitFor(22)
  assert.deepEqual(payloadOf(receiver.received.at(-1) as Received), { key: 'bad', n: 1 })
})

test('a given-up delivery lets its key go on; sent again, it goes behind what waits', async () => {
  let isRefusing = true
  await using receiver = await startReceiver(request => ({
    status: isRefusing && payloadOf(request).n === 0 ? 500 : 200,
  }))
  const api = client(world.url)
  const { id } = await api.subscribe({
    ...{ target_url: receiver.origin, ordering_key: 'payload.key', retry: { max_attempts: 1 } },
  })
  const first = await api.ingest(id, '{"key":"k","n":0}')
  await api.ingest(id, '{"key":"k","n":1}')
  await receiver.waitFor(2)
  isRefusing = false
  assert.equal((await api.post(`/subscriptions/${id}/pause`, '')).status, 200)
  await api.ingest(id, '{"key":"k","n":2}')
  await eventually(
    () => api.status(first),
    ({ deliveries }) => deliveries[0]?.status === 'failed',
  )
  assert.equal((await api.post(`/events/${first}/replay`, '{}', json)).status, 202)
  await api.ingest(id, '{"key":"k","n":3}')
  assert.equal((await api.post(`/subscriptions/${id}/resume`, '')).status, 200)
  await receiver.waitFor(5)
  assert.deepEqual(
    receiver.received.map(request => payloadOf(request).n),
    [0, 1, 2, 0, 3],
  )
})

test('without the setting what comes goes straight out, and what waits keeps its order', async () => {
  const refused = new Set<Received>()
  await using receiver = await startReceiver(request => {
    if (payloadOf(request).n > 0 || refused.size > 0) return {}
    refused.add(request)
    return { status: 500 }
  })
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, ordering_key: 'payload.key', retry })
  for (let n = 0; n < 4; n++) await api.ingest(id, JSON.stringify({ key: 'k', n }))
  await receiver.waitFor(1)
  assert.equal((await api.patch(id, { ordering_key: null })).status, 200)
  await api.ingest(id, '{"key":"k","n":100}')
  await receiver.waitFor(2)
  world.clock.advance(31_000) // before that the first one is not tried again, however long it takes to get here
  await receiver.waitFor(6)
  const numbers = receiver.received.map(request => payloadOf(request).n)
  assert.deepEqual(
    numbers.filter(n => n < 100),
    [0, 0, 1, 2, 3],
  )
  assert.ok(numbers.indexOf(100) < numbers.indexOf(1), 'it waited for nobody')
})

test('what cannot be a key is refused by its field', async () => {
  const api = client(world.url)
  const refusal = async (rules: object) => {
    const answer = await api.post(
      '/subscriptions/',
      JSON.stringify({ target_url: 'http://127.0.0.1:1/', ...rules }),
      json,
    )
    assert.equal(answer.status, 422)
    return ((await answer.json()) as { errors: { pointer: string; detail: string }[] }).errors[0]
  }
  for (const ordering_key of ['customer', 'payload', 'payload..id', '', 'x'.repeat(300)])
    assert.equal((await refusal({ ordering_key }))?.pointer, '/ordering_key')
  assert.match((await refusal({ ordering_key: 'headers.Authorization' }))?.detail ?? '', /secret/)
  assert.match((await refusal({ ordering_key: 'payload.id', ordered: true }))?.detail ?? '', /not both/)
})
