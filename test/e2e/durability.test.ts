import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'
import { stallCommits } from '../support/stalled-commits.ts'

test('202 is not said before the commit: while the commit is held up, nobody hears it', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  await using stalled = await stallCommits(world.world.connection)
  let answered: number | undefined
  const answer = api
    .post(`/ingest/${id}`, '{"a":1}', { 'content-type': 'application/json' })
    .then(response => {
      answered = response.status
      return response
    })
  await eventually(
    () => stalled.waiting(),
    waiting => waiting === 1,
  )
  for (let n = 0; n < 10; n++) {
    const ready = await fetch(`${world.url}/readyz`)
    assert.equal(ready.status, 200, await ready.text())
  }
  assert.equal(answered, undefined, 'though ten that were asked later have their answers')
  assert.equal(receiver.received.length, 0, 'and nothing is delivered before it')
  await stalled.end()
  assert.equal((await answer).status, 202)
  const { webhook_id } = (await (await answer).json()) as { webhook_id: string } // as openapi.json has it
  const { rows } = await world.world.database.query({
    text: 'select from events where webhook_id = $1',
    values: [webhook_id],
  })
  assert.equal(rows.length, 1)
  await receiver.waitFor(1)
})

test('commits of ingest wait for the disk: no session of the path turns synchronous_commit off', async () => {
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: 'http://127.0.0.1:9/', paused: true })
  // A deferred trigger runs within the commit itself and writes down what the session's setting is just then.
  await world.world.database.query({
    text: `create table seen (setting text);
           create function note() returns trigger language plpgsql as
             $$ begin insert into seen values (current_setting('synchronous_commit')); return null; end $$;
           create constraint trigger note after insert on owed deferrable initially deferred
             for each row execute function note()`,
  })
  await api.ingest(id)
  const { rows } = await world.world.database.query({ text: 'select distinct setting from seen' })
  assert.deepEqual(rows, [{ setting: 'on' }])
})

test('what cannot be committed in time is refused with 503 and Retry-After, and the service recovers', async () => {
  await using receiver = await startReceiver()
  await using world = await testService({ INGEST_TIMEOUT_MS: '1000' })
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  await using stalled = await stallCommits(world.world.connection)
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => api.post(`/ingest/${id}`, '{}', { 'content-type': 'application/json' })),
  )
  for (const answer of answers) {
    assert.equal(answer.status, 503)
    assert.ok(Number(answer.headers.get('retry-after')) >= 1)
  }
  await stalled.end()
  const webhookId = await eventually(
    () => api.ingest(id).catch(() => ''),
    answer => answer !== '',
  )
  await eventually(
    () => api.status(webhookId),
    answer => answer.status === 'success',
  )
})

test('connections cut by the database give 503 at worst, and everything accepted is delivered', async () => {
  await using receiver = await startReceiver()
  await using world = await testService()
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  const accepted = new Set<string>()
  let running = true
  const senders = Array.from({ length: 8 }, async () => {
    while (running) {
      const answer = await api.post(`/ingest/${id}`, '{}', { 'content-type': 'application/json' })
      const text = await answer.text()
      if (answer.status === 202) accepted.add(JSON.parse(text).webhook_id)
      else assert.equal(answer.status, 503, text)
    }
  })
  const killer = new pg.Client(world.world.connection)
  await killer.connect()
  await using ending = new AsyncDisposableStack()
  ending.defer(async () => {
    running = false
    await killer.end()
  })
  for (let round = 0; round < 10; round++) {
    const before = accepted.size
    await eventually(() => accepted.size >= before + 20)
    await killer.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
  }
  running = false
  await Promise.all(senders)
  await eventually(
    async () => new Set(receiver.received.map(got => String(got.headers['webhook-id']))),
    ids => [...accepted].every(webhookId => ids.has(webhookId)),
  )
})
