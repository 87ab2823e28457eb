import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../src/platform/logger.ts'
import { startCollector } from '../support/collector.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

interface Line {
  readonly msg: string
  readonly trace_id?: string
}

function aLog() {
  const lines: Line[] = []
  const output = { write: (text: string) => void lines.push(JSON.parse(text)) }
  return { lines, logger: createLogger({ level: 'info', format: 'json', output }) }
}

const traceId = '0af7651916cd43dd8448eb211c80319c'
const sender = `00-${traceId}-b7ad6b7169203331-01`
const json = { 'content-type': 'application/json' }

test('an event is accepted in the trace of its sender; each attempt links to it, and tells the receiver where asked', async () => {
  await using collector = await startCollector()
  await using receiver = await startReceiver((_request, index) => ({ status: index === 0 ? 500 : 200 }))
  await using other = await startReceiver()
  const { lines, logger } = aLog()
  await using service = await testService(
    { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`, OTEL_SERVICE_NAME: 'hooks' },
    logger,
  )
  const api = client(service.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    event_types: ['order.paid'],
    forward_traceparent: true,
    retry: { base_seconds: 1 },
  })
  await api.subscribe({ target_url: other.origin, event_types: ['order.paid'] })
  const answer = await api.post('/events', '{"a":1}', {
    ...json,
    'x-event-type': 'order.paid',
    traceparent: sender,
  })
  const { webhook_id: webhookId } = (await answer.json()) as { webhook_id: string } // as openapi.json has it
  await receiver.waitFor(1)
  service.clock.advance(2000)
  await receiver.waitFor(2)
  await other.waitFor(1)
  const spans = await eventually(
    () => collector.spans,
    found => found.length === 4,
  )
  const [accepted = assert.fail()] = spans.filter(({ kind }) => kind === 2)
  assert.deepEqual(
    [accepted.traceId, accepted.parentSpanId, accepted.service, accepted.attributes['webhook.id']],
    [traceId, 'b7ad6b7169203331', 'hooks', webhookId],
  )
  assert.equal(accepted.attributes['webhook.deliveries'], 2)
  const attempts = spans.filter(({ kind }) => kind === 3)
  for (const { links, traceId: own, attributes } of attempts) {
    assert.deepEqual(links, [{ traceId, spanId: accepted.spanId }])
    assert.notEqual(own, traceId, 'a trace of its own')
    assert.equal(attributes['http.request.method'], 'POST')
    assert.equal(attributes['server.address'], '127.0.0.1')
  }
  const own = attempts.filter(({ attributes }) => attributes['webhook.subscription_id'] === id)
  assert.deepEqual(
    own.map(({ attributes, status }) => [
      attributes['webhook.attempt'],
      attributes['http.response.status_code'],
      attributes['error.type'],
      status,
    ]),
    [
      [1, 500, '500', 2],
      [2, 200, undefined, 0],
    ],
  )
  assert.deepEqual(
    receiver.received.map(({ headers }) => headers.traceparent),
    own.map(({ traceId: trace, spanId }) => `00-${trace}-${spanId}-01`),
  )
  assert.equal(other.received[0]?.headers.traceparent, undefined, 'it did not ask')
  const tracesOf = (msg: string) => lines.filter(line => line.msg === msg).map(line => line.trace_id)
  assert.deepEqual(tracesOf('accepted'), [traceId])
  assert.deepEqual(tracesOf('attempt').toSorted(), attempts.map(span => span.traceId).toSorted())
})

test('a line of the log has the trace of its sender where nothing is traced here, also of a batch and of a retry', async () => {
  await using receiver = await startReceiver((_request, index) => ({ status: index === 0 ? 500 : 200 }))
  const { lines, logger } = aLog()
  await using service = await testService({}, logger)
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, retry: { base_seconds: 1 } })
  await api.ingest(id, '{}', { ...json, traceparent: sender })
  await receiver.waitFor(1)
  service.clock.advance(2000)
  await receiver.waitFor(2)
  await api.post('/events/batch', JSON.stringify([{ payload: {} }]), { ...json, traceparent: sender })
  await api.ingest(id)
  await eventually(() => lines.filter(({ msg }) => msg === 'attempt').length === 4)
  const told = lines.filter(({ msg }) => msg === 'accepted' || msg === 'attempt')
  assert.equal(told.length, 7)
  assert.equal(told.filter(line => line.trace_id === traceId).length, 5)
  assert.equal(told.filter(line => line.trace_id === undefined).length, 2)
})

test('what its sender does not record is not recorded here, and is passed on all the same', async () => {
  await using collector = await startCollector()
  await using receiver = await startReceiver()
  await using service = await testService({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, forward_traceparent: true })
  const unrecorded = `00-${traceId}-b7ad6b7169203331-00`
  await api.ingest(id, '{}', { ...json, traceparent: unrecorded })
  await receiver.waitFor(1)
  assert.equal(receiver.received[0]?.headers.traceparent, unrecorded)
  await api.ingest(id) // of this one nothing was said, so it is recorded
  await receiver.waitFor(2)
  await eventually(() => collector.spans.length === 2)
  assert.ok(collector.spans.every(span => span.traceId !== traceId))
})

test('without a collector nothing of OpenTelemetry is loaded, and a traceparent is kept and passed on where asked', async () => {
  await using receiver = await startReceiver((_request, index) => ({ status: index === 0 ? 500 : 200 }))
  await using service = await testService()
  const api = client(service.url)
  const { id } = await api.subscribe({
    target_url: receiver.origin,
    forward_traceparent: true,
    retry: { base_seconds: 1 },
  })
  const batch = JSON.stringify([{ payload: { a: 1 } }])
  await api.ingest(id, '{}', { ...json, traceparent: sender })
  await receiver.waitFor(1)
  service.clock.advance(2000)
  await receiver.waitFor(2) // read from the database again
  await api.post('/events/batch', batch, { ...json, traceparent: sender })
  await api.ingest(id, '{}', { ...json, traceparent: 'nonsense' })
  await receiver.waitFor(4)
  const [first, retried, ...others] = receiver.received.map(({ headers }) => headers.traceparent)
  assert.deepEqual([first, retried], [sender, sender])
  assert.deepEqual(new Set(others), new Set([sender, undefined]))
})
