import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SystemReport } from '../../src/monitor/system-schema.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit } from '../support/service.ts'

const isLinux = process.platform === 'linux'

test('with fewer file descriptors than healthy receivers nothing fails, and the operator is told', {
  skip: !isLinux,
}, async t => {
  const receivers = await Promise.all(Array.from({ length: 150 }, () => startReceiver({ delayMs: 20 })))
  t.after(() => Promise.all(receivers.map(receiver => receiver.close())))
  await using world = await processWorld({ LOG_LEVEL: 'warn', SUBSCRIPTION_MAX_IN_FLIGHT: '4' })
  const service = await world.start({ descriptors: 110 })
  const api = client(service.url)
  const ids: number[] = []
  for (const { origin } of receivers) {
    ids.push((await api.subscribe({ target_url: origin, retry: { max_attempts: 1 } })).id)
  }
  const rounds = 3
  for (let round = 0; round < rounds; round++) {
    for (let from = 0; from < ids.length; from += 10) {
      await Promise.all(ids.slice(from, from + 10).map(id => api.ingest(id)))
    }
  }
  const report = await settledAudit(world.world, 120_000)
  assert.equal(report.missing, 0)
  for (const { received } of receivers) assert.equal(received.length, rounds)
  const failed = await world.world.database.query({
    text: `select from delivery_logs where status = 'failed'`,
  })
  assert.equal(failed.rowCount, 0)
  assert.match(service.output(), /allows 110 file descriptors.*ulimit -n/)
  const { processes } = await eventually(
    async () => (await (await fetch(`${service.url}/system`)).json()) as SystemReport, // as openapi.json has it
    answer => answer.processes[0]?.descriptors_used != null,
  )
  assert.equal(processes[0]?.descriptors_allowed, 110)
  assert.ok((processes[0]?.descriptors_used ?? 0) > 10)
})
