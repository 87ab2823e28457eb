import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemOf } from '../support/acquainted.ts'
import { eventually } from '../support/eventually.ts'
import { promtool, readSamples, type Sample, total, typesIn } from '../support/prometheus.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, type ServiceProcess, testService } from '../support/service.ts'

function childrenOf(service: ServiceProcess): readonly number[] {
  const [, list] = /processes +\d+, sharing the port \(([\d, ]+)\)/.exec(service.output()) ?? []
  return (list ?? '').split(', ').map(Number)
}

/** On a connection of its own, so that any of the processes may get it. */
async function scrape(url: string): Promise<{ readonly text: string; readonly samples: readonly Sample[] }> {
  const answer = await fetch(`${url}/metrics`, { headers: { connection: 'close' } })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const text = await answer.text()
  return { text, samples: readSamples(text) }
}

const keyOf = ({ name, labels }: Sample) => `${name} ${JSON.stringify(labels)}`

/** Every series whose name says that it only grows. */
function counters(text: string, samples: readonly Sample[]): ReadonlyMap<string, number> {
  const types = typesIn(text)
  const grows = ({ name }: Sample) =>
    types.get(name) === 'counter' || types.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram'
  return new Map(samples.filter(grows).map(sample => [keyOf(sample), sample.value]))
}

test('the event streams that are open are counted, in the metrics and of each process', async () => {
  await using service = await testService()
  const streams = async () => total((await scrape(service.url)).samples, 'webhook_streams')
  assert.equal(await streams(), 0)
  const closing = new AbortController()
  const readers = [1, 2].map(() => fetch(`${service.url}/stream`, { signal: closing.signal }))
  await Promise.all(readers)
  assert.equal(await streams(), 2)
  const { processes } = await eventually(
    () => systemOf(service.url),
    system => system.processes[0]?.streams === 2, // as of its last heartbeat
  )
  assert.equal(processes.length, 1)
  closing.abort()
  await eventually(async () => (await streams()) === 0)
})

test('several processes are scraped as one under load; a kill -9 leaves no gap and takes no counter back', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ PROCESSES: '2', LOG_LEVEL: 'error' })
  const service = await world.start()
  const { url } = service
  const [victim = 0] = childrenOf(service)
  const { id } = await client(url).subscribe({ target_url: receiver.origin })
  let accepted = 0
  let running = true
  const senders = Array.from({ length: 6 }, async () => {
    while (running) {
      await client(url)
        .ingest(id, '{"a":1}', { 'content-type': 'application/json', connection: 'close' })
        .then(
          () => accepted++,
          () => {}, // cut off by the kill
        )
      await sleep(10) // as they do for as long as the look lasts, a hundred events a second are enough
    }
  })
  let before: ReadonlyMap<string, number> = new Map()
  let series = 0
  const look = async () => {
    const { text, samples } = await scrape(url).catch(error => {
      if (error instanceof TypeError) return { text: '', samples: [] } // the connection was to the one that was killed
      throw error
    })
    if (text === '') return
    const now = counters(text, samples)
    for (const [key, value] of before)
      assert.ok((now.get(key) ?? -1) >= value, `${key} went from ${value} to ${now.get(key)}`)
    before = now
    series = Math.max(series, samples.length)
  }
  await eventually(() => accepted > 200)
  for (let n = 0; n < 10; n++) await look()
  process.kill(victim, 'SIGKILL')
  for (let n = 0; n < 10; n++) await look()
  await eventually(async () => total((await scrape(url)).samples, 'webhook_processes') === 2)
  for (let n = 0; n < 5; n++) await look()
  running = false
  await Promise.all(senders)
  const { text, samples } = await eventually(
    () => scrape(url),
    found =>
      total(found.samples, 'webhook_deliveries_ended_total') >= accepted * 0.9 &&
      total(found.samples, 'webhook_queue_depth') === 0,
  )
  const counted = total(samples, 'webhook_events_accepted_total')
  assert.ok(counted > accepted / 2, `${counted} of ${accepted}: what the killed one had told is there`)
  assert.equal(total(samples, 'webhook_processes_ended_total'), 1)
  assert.equal(
    total(samples, 'webhook_attempt_duration_seconds_count'),
    total(samples, 'webhook_attempts_total'),
  )
  assert.equal(total(samples, 'webhook_ingest_duration_seconds_count'), counted)
  assert.equal(total(samples, 'webhook_database_up'), 1)
  assert.ok(series > 200 && series < 700, `${series} series`)
  const checked = promtool(['check', 'metrics'], text)
  if (checked) assert.deepEqual(checked, { status: 0, said: '' })
  assert.equal(await service.end('SIGTERM'), 0)
})
