import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noNumbers, seriesAt } from '../../src/metrics/figures.ts'
import { outcomeOf, PathFigures } from '../../src/metrics/path-figures.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { Settlement } from '../../src/model/settlement.ts'
import { uuidV7Source } from '../../src/platform/id.ts'

const me = 7
const noon = 1_800_000_000_000
const newId = uuidV7Source({ now: () => noon })

function someFigures() {
  const numbers = noNumbers()
  const of = (...[name, ...labels]: Parameters<typeof seriesAt>) => numbers[seriesAt(name, ...labels)]
  return { figures: new PathFigures(numbers, () => me), of }
}

const delivery = (changes: Partial<Delivery> = {}): Delivery => ({
  webhookId: newId(),
  subscriptionId: 1,
  attempt: 1,
  attemptsBefore: 0,
  since: noon,
  sizeBytes: 1,
  dueAt: noon,
  content: null,
  lane: null,
  ...changes,
})

const accepted: Outcome = { kind: 'accepted', httpStatus: 200, durationMs: 20 }
const refused: Outcome = {
  ...{ kind: 'refused', isFinal: false, httpStatus: 500, durationMs: 4 },
  ...{ errorClass: 'http', error: 'HTTP 500' },
}

test('events are counted with what they owe, by the way it takes', () => {
  const { figures, of } = someFigures()
  const since = performance.now()
  figures.accepted([
    { since, owed: [{ owner: me }, { owner: null }] },
    { since, owed: [{ owner: 9 }] },
    { since, owed: [] },
  ])
  assert.equal(of('eventsAccepted'), 3)
  assert.deepEqual(
    ['memory', 'worker', 'lane'].map(way => of('deliveriesCreated', way)),
    [1, 1, 1],
  )
})

test('attempts are counted by what they came to and why they were made, deliveries by their end', () => {
  const { figures, of } = someFigures()
  const settlements: readonly Settlement[] = [
    {
      kind: 'attempted',
      delivery: delivery(),
      outcome: accepted,
      verdict: { kind: 'delivered' },
      at: noon + 70,
    },
    {
      ...{ kind: 'attempted', delivery: delivery(), outcome: refused, at: noon },
      verdict: { kind: 'retry', dueAt: noon + 1000 },
      pause: { subscriptionId: 1, until: noon + 1, reason: 'circuit_open' },
    },
    {
      ...{ kind: 'attempted', delivery: delivery({ trigger: 'replay' }), outcome: refused, at: noon },
      verdict: { kind: 'given_up' },
    },
    { kind: 'ended', delivery: delivery(), verdict: 'cancelled', reason: 'x', at: noon },
    {
      ...{ kind: 'handed_back', delivery: delivery(), at: noon },
      pause: { subscriptionId: 1, until: noon + 1, reason: 'ours' },
    },
  ]
  figures.settled(settlements)
  assert.equal(of('attempts', 'success', 'auto'), 1)
  assert.equal(of('attempts', 'http_5xx', 'auto'), 1)
  assert.equal(of('attempts', 'http_5xx', 'replay'), 1)
  assert.equal(of('retriesScheduled'), 1)
  assert.deepEqual(
    ['delivered', 'given_up', 'expired', 'cancelled'].map(verdict => of('deliveriesEnded', verdict)),
    [1, 1, 0, 1],
  )
  assert.equal(of('deadLetters'), 1)
  assert.equal(of('throttled', 'circuit_open'), 1)
  assert.equal(of('throttled', 'ours'), 1)
})

test('a test send is of no delivery, and is not counted; a replay says nothing of the latency of events', () => {
  const { figures, of } = someFigures()
  const settle = (trigger: 'test' | 'replay') =>
    figures.settled([
      {
        ...{ kind: 'attempted', delivery: delivery({ trigger }), outcome: accepted, at: noon + 70 },
        verdict: { kind: 'delivered' },
      },
    ])
  settle('test')
  settle('replay')
  const latency = seriesAt('deliveryLatency')
  assert.equal(of('attempts', 'success', 'replay'), 1)
  assert.ok(latency > 0)
  assert.equal(of('deliveryLatency'), 0)
})

test('an outcome is a class of status, or of error', () => {
  const failure = { durationMs: 1, error: 'x', isFinal: false }
  const of = (httpStatus: number) =>
    outcomeOf({ kind: 'refused', errorClass: 'http', httpStatus, ...failure })
  assert.deepEqual([302, 404, 429, 503].map(of), ['http_3xx', 'http_4xx', 'http_4xx', 'http_5xx'])
  assert.equal(outcomeOf(accepted), 'success')
  assert.equal(
    outcomeOf({ kind: 'unreachable', fault: 'name', errorClass: 'dns', durationMs: 1, error: 'x' }),
    'dns',
  )
})

test('a reason that is not listed counts as another one; a connection by what it is for', () => {
  const { figures, of } = someFigures()
  figures.rejected('overloaded')
  figures.rejected('tenant_taken')
  assert.equal(of('eventsRejected', 'overloaded'), 1)
  assert.equal(of('eventsRejected', 'other'), 1)
  for (const name of ['ingest-1', 'ingest-3', 'what is new']) figures.queried(name, 0.5)
  assert.equal(of('queryDuration', 'ingest'), 2)
  assert.equal(of('queryDuration', 'other'), 1)
})
