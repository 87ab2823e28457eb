import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, startProcess, type TestService, testService } from '../support/service.ts'

interface Row {
  readonly webhook_id: string
  readonly trigger: string
  readonly attempt: number
  readonly verdict: string
}

async function post(
  url: string,
  body: object = {},
): Promise<{ status: number; json: Record<string, unknown> }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> } // the tests look at it
}

const logsOf = (world: Pick<TestService, 'url'>, id: number) =>
  client(world.url).logs(id) as unknown as Promise<readonly Row[]> // as the schema of an attempt says

test('a dead letter is sent again with the same id, a new time and signature, and says why', async () => {
  let isBroken = true
  await using receiver = await startReceiver(() => ({ status: isBroken ? 500 : 200 }))
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: `${receiver.origin}/`, retry: { max_attempts: 1 } })
  const webhookId = await api.ingest(id, '{"n":1}')
  await eventually(async () => (await logsOf(world, id))[0]?.verdict === 'given_up')
  const dead = await fetch(`${world.url}/deliveries?state=failed`)
  assert.deepEqual(
    ((await dead.json()) as Row[]).map(row => row.webhook_id),
    [webhookId],
  )
  isBroken = false
  assert.deepEqual(await post(`${world.url}/events/${webhookId}/replay`), {
    status: 202,
    json: { deliveries: 1 },
  })
  await receiver.waitFor(2)
  const [first, second] = receiver.received
  assert.equal(second?.headers['webhook-id'], first?.headers['webhook-id'])
  assert.notEqual(second?.headers['webhook-signature'], undefined)
  assert.deepEqual(second?.body, first?.body)
  const rows = await eventually(
    () => logsOf(world, id),
    logs => logs.length === 2,
  )
  assert.deepEqual(
    rows.map(({ trigger, attempt, verdict }) => [trigger, attempt, verdict]),
    [
      ['manual', 2, 'delivered'],
      ['auto', 1, 'given_up'],
    ],
  )
})

test('what waits for its retry is tried at once, by hand; what follows it comes by itself', async () => {
  await using receiver = await startReceiver(({ headers }) => ({ status: headers['x-now'] ? 200 : 500 }))
  await using world = await testService()
  const api = client(world.url)
  for (const order of [{}, { ordering_key: 'payload.n' }]) {
    const { id } = await api.subscribe({
      ...{ target_url: `${receiver.origin}/`, retry: { schedule_seconds: [600, 1, 600] } },
      ...order,
    })
    const before = receiver.received.length
    const events = [await api.ingest(id, '{"n":1}'), await api.ingest(id, '{"n":1}')]
    const rows = (count: number) =>
      eventually(
        () => logsOf(world, id),
        logs => logs.filter(({ webhook_id: event }) => event === events[0]).length === count,
      )
    await rows(1)
    const answer = await post(`${world.url}/events/${events[0]}/try-now`, { subscription_ids: [id] })
    assert.deepEqual(answer, { status: 202, json: { deliveries: 1 } })
    const made = (await rows(3)).filter(({ webhook_id: event }) => event === events[0])
    assert.deepEqual(
      made.map(({ trigger, attempt, verdict }) => [trigger, attempt, verdict]),
      [
        ['auto', 3, 'retry'],
        ['manual', 2, 'retry'],
        ['auto', 1, 'retry'],
      ],
    )
    const tried = receiver.received.slice(before).map(({ headers }) => headers['webhook-id'])
    if ('ordering_key' in order) assert.ok(!tried.includes(events[1]), 'the second one of its key waits')
  }
})

test('in a replay, what follows an attempt that a person wanted at once says that it is of the replay', async () => {
  let status = 400
  await using receiver = await startReceiver(() => ({ status }))
  await using world = await testService({ CIRCUIT_FAILURES: '1000' })
  const api = client(world.url)
  const { id } = await api.subscribe({
    target_url: `${receiver.origin}/`,
    retry: { schedule_seconds: [600, 600, 1, 600], terminal_statuses: [400] },
  })
  const event = await api.ingest(id, '{"n":1}')
  const rows = (count: number) =>
    eventually(
      () => logsOf(world, id),
      logs => logs.length === count,
    )
  await rows(1)
  status = 500
  const made = await post(`${world.url}/replays`, {
    filter: { subscription_id: id, since: '1970-01-01T00:00:00Z' },
  })
  assert.equal(made.status, 202)
  await rows(2)
  const tryNow = () => post(`${world.url}/events/${event}/try-now`, { subscription_ids: [id] })
  for (const count of [3, 4]) {
    assert.deepEqual((await tryNow()).json, { deliveries: 1 })
    if (count === 3) await rows(3)
  }
  assert.deepEqual(
    (await rows(5)).map(({ trigger, attempt, verdict }) => [trigger, attempt, verdict]),
    [
      ['replay', 5, 'retry'],
      ['manual', 4, 'retry'],
      ['manual', 3, 'retry'],
      ['replay', 2, 'retry'],
      ['auto', 1, 'given_up'],
    ],
  )
})

test('what a receiver has missed is recovered, though the process is killed in between', async () => {
  let isBroken = true
  await using receiver = await startReceiver(() => ({ status: isBroken ? 500 : 200 }))
  await using world = await processWorld({ CIRCUIT_FAILURES: '1000' })
  const first = await world.start()
  const api = client(first.url)
  const { id } = await api.subscribe({
    target_url: `${receiver.origin}/`,
    retry: { max_attempts: 1 },
    max_in_flight: 4,
  })
  const since = new Date(Date.now() - 1000).toISOString()
  const sent = await Promise.all(Array.from({ length: 60 }, (_, n) => api.ingest(id, `{"n":${n}}`)))
  const dead = () => fetch(`${first.url}/deliveries?state=failed&limit=250`).then(answer => answer.json())
  await eventually(async () => ((await dead()) as Row[]).length === 60)
  isBroken = false
  const before = receiver.received.length
  const made = await post(`${first.url}/replays`, {
    filter: { subscription_id: id, since },
    rate_per_second: 50,
  })
  assert.equal(made.status, 202)
  await receiver.waitFor(before + 5)
  await first.end('SIGKILL')
  const second = await startProcess(world.environment)
  try {
    const replay = await eventually(
      async () =>
        (await fetch(`${second.url}/replays/${made.json.id}`)).json() as Promise<Record<string, unknown>>,
      answer => answer.state === 'done',
      60_000,
    )
    assert.deepEqual([replay.total, replay.queued, replay.delivered, replay.failed], [60, 60, 60, 0])
    const arrived = new Set(receiver.received.slice(before).map(({ headers }) => headers['webhook-id']))
    assert.deepEqual([...arrived].toSorted(), sent.toSorted())
  } finally {
    await second.end('SIGTERM')
  }
})
