import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Compile } from 'typebox/compile'
import { AttemptDetails } from '../../src/monitor/schema.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, type TestService, testService } from '../support/service.ts'

const schema = Compile(AttemptDetails)

async function get(world: TestService, id: string): Promise<{ answer: Response; attempt: AttemptDetails }> {
  const answer = await fetch(`${world.url}/attempts/${id}`)
  const attempt: unknown = await answer.json()
  assert.ok(schema.Check(attempt), JSON.stringify([...schema.Errors(attempt)]))
  return { answer, attempt }
}

/** Sends one event. @returns the first attempt for it, with its row in the log */
async function attemptAt(world: TestService, target_url: string, extra: object = {}) {
  const api = client(world.url)
  const { id } = await api.subscribe({ target_url, ...extra })
  await api.ingest(id, '{"n":1}', { 'content-type': 'application/json', 'x-event-type': 'order.created' })
  const rows = await eventually(
    () => api.logs(id) as Promise<readonly AttemptDetails[]>, // rows of the log are parts of it
    logs => logs.length > 0,
  )
  const [row] = rows
  assert.ok(row)
  return { row, ...(await get(world, row.id)) }
}

test('a failed attempt shows what was sent, what came back, how long it took, and what to do', async () => {
  await using receiver = await startReceiver({
    status: 503,
    headers: { 'content-type': 'text/html', 'set-cookie': 'session=hush' },
    body: '<script>alert("größer 😀")</script>\u0000',
  })
  await using world = await testService()
  const { row, answer, attempt } = await attemptAt(world, `${receiver.origin}/hooks?a=1`)
  assert.deepEqual([row.error_class, row.hint], [attempt.error_class, attempt.hint])
  assert.equal(attempt.error_class, 'http')
  assert.match(attempt.hint ?? '', /not available now/)
  assert.equal(attempt.request?.url, `${receiver.origin}/hooks?a=1`)
  assert.equal(attempt.request?.headers['webhook-id'], attempt.webhook_id)
  assert.equal(attempt.request?.headers['x-event-type'], 'order.created')
  assert.equal(attempt.request?.headers['webhook-signature'], '[redacted]')
  const { headers, ...response } = attempt.response ?? {}
  assert.deepEqual(response, {
    status: 503,
    body: '<script>alert("größer 😀")</script>\u0000',
    body_encoding: 'utf-8',
    body_bytes: Buffer.byteLength('<script>alert("größer 😀")</script>\u0000'),
    body_truncated: false,
  })
  assert.equal(headers?.['set-cookie'], '[redacted]')
  assert.equal(attempt.timings_ms?.reused, false)
  assert.ok((attempt.timings_ms?.first_byte ?? 0) <= (attempt.timings_ms?.total ?? 0))
  assert.equal(attempt.remote_address, '127.0.0.1')
  // It is a stranger's text: an answer that a browser takes for nothing but data.
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
})

test('a body is shown as base64 when it is not text, and cut between characters when it is', async () => {
  const bodies = [gzipSync('x'.repeat(100)), Buffer.from('é'.repeat(100)), Buffer.from([0x61, 0xff])]
  await using receiver = await startReceiver((_, index) => ({ status: 500, body: bodies[index] ?? '' }))
  await using world = await testService({ CAPTURE_BODY_BYTES: '51' })
  const responses = []
  for (const _ of bodies) responses.push((await attemptAt(world, receiver.origin)).attempt.response)
  const [gzip, text, broken] = responses
  assert.deepEqual([gzip?.body_encoding, gzip?.body], ['base64', bodies[0]?.toString('base64')])
  assert.deepEqual([text?.body_encoding, text?.body, text?.body_truncated], ['utf-8', 'é'.repeat(25), true])
  assert.deepEqual([broken?.body_encoding, broken?.body], ['base64', 'Yf8='])
})

test('an attempt without an answer says why, and has no response', async () => {
  await using world = await testService()
  const { attempt } = await attemptAt(world, 'http://no-such-host.invalid/')
  assert.deepEqual([attempt.error_class, attempt.response, attempt.remote_address], ['dns', null, null])
  assert.equal(attempt.hint, 'The host name does not exist. Check the target_url.')
  assert.equal(attempt.timings_ms?.connect, null)
})

test('of a success nothing more is kept than its line in the log, unless all is asked for', async () => {
  await using receiver = await startReceiver({ body: 'thanks' })
  {
    await using world = await testService()
    const { attempt } = await attemptAt(world, receiver.origin)
    assert.deepEqual([attempt.http_status, attempt.error_class, attempt.hint], [200, null, null])
    assert.deepEqual([attempt.request, attempt.response, attempt.timings_ms], [null, null, null])
  }
  await using world = await testService({ CAPTURE_RESPONSES: 'all' })
  assert.equal((await attemptAt(world, receiver.origin)).attempt.response?.body, 'thanks')
})

test('an attempt that is not there is 404, and an id that is none 422', async () => {
  await using world = await testService()
  const unknown = await fetch(`${world.url}/attempts/0193e0a4-6d3c-7d0e-9d0a-3f4a5b6c7d8e`)
  assert.equal(unknown.status, 404)
  const malformed = await fetch(`${world.url}/attempts/17`)
  assert.equal(malformed.status, 422)
  assert.match(await malformed.text(), /UUID/)
})
