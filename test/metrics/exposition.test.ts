import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expose } from '../../src/metrics/exposition.ts'
import { families } from '../../src/metrics/families.ts'
import { add, noNumbers, observe, seriesAt, setterOf } from '../../src/metrics/figures.ts'
import { promtool, readSamples, total, typesIn } from '../support/prometheus.ts'

test('figures are the text that Prometheus reads: types, buckets that grow, counts, labels', async t => {
  const numbers = noNumbers()
  add(numbers, seriesAt('attempts', 'http_5xx', 'replay'), 3)
  for (const seconds of [0.004, 0.02, 0.02, 100])
    observe(numbers, seriesAt('attemptDuration'), families.attemptDuration.buckets, seconds)
  setterOf(numbers)('redisUp', 1)
  const { contentType, text } = await expose(numbers)
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8')
  const samples = readSamples(text)
  assert.equal(total(samples, 'webhook_attempts_total', { outcome: 'http_5xx', trigger: 'replay' }), 3)
  const buckets = samples.filter(({ name }) => name === 'webhook_attempt_duration_seconds_bucket')
  const counts = buckets.map(({ value }) => value)
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  )
  assert.equal(buckets.at(-1)?.labels.le, '+Inf')
  assert.equal(counts.at(-1), 4)
  assert.equal(total(samples, 'webhook_attempt_duration_seconds_count'), 4)
  assert.equal(total(samples, 'webhook_attempt_duration_seconds_sum'), 100.044)
  assert.equal(typesIn(text).get('webhook_attempt_duration_seconds'), 'histogram')
  assert.equal(total(samples, 'redis_up'), 1)
  const checked = promtool(['check', 'metrics'], text)
  if (checked === undefined) return t.skip('promtool is not here')
  assert.deepEqual(checked, { status: 0, said: '' })
})

test('a figure that is not known is left out, and so is its metric', async () => {
  const { text } = await expose(noNumbers())
  assert.doesNotMatch(text, /redis_up|queue_oldest_due|NaN/i)
  assert.match(text, /^webhook_events_accepted_total 0$/m)
})
