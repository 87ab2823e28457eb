import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CircuitRules, ReceiverThrottle } from '../../src/dispatch/receiver-throttle.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { accepted, gone, overloaded, refused, unreachable } from '../support/outcomes.ts'
import { aSubscription } from '../support/subscription.ts'

// A throttle against a model that has no modes: it keeps all that has happened since the receiver was last well, and
// works every answer out of that anew.

/** What happens to a receiver, in order. Times are milliseconds from the step before. */
type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'wait until it opens' }
  | { readonly kind: 'begin' }
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly askedMs?: number }
  | {
      readonly kind: 'pause'
      readonly ms: number
      readonly reason: 'retry_after' | 'circuit_open' | 'order' | 'ours'
    }
  | { readonly kind: 'resume' }

interface Model {
  now: number
  /** Ends of all pauses since the last `resume`. */
  pauses: number[]
  /** When the circuit was opened since the last success, and whether here (else another process told of it). */
  opened: { readonly here: boolean }[]
  /** Failures since the last success, and whether the receiver was to blame. */
  failures: { readonly blamed: boolean }[]
  lastBeganAt: number
  share: number
}

const circuits: readonly CircuitRules[] = [
  { failures: 0, cooldownMs: 1000 },
  { failures: 1, cooldownMs: 1000 },
  { failures: 5, cooldownMs: 1000 },
  { failures: 15, cooldownMs: 1000 },
]

const begun: Model = {
  now: 1_000_000,
  pauses: [],
  opened: [],
  failures: [],
  lastBeganAt: Number.NEGATIVE_INFINITY,
  share: 1,
}

const pausedUntil = ({ pauses }: Model) => Math.max(0, ...pauses)
const blamed = ({ failures }: Model) => failures.filter(failure => failure.blamed).length

function opensAt(model: Model): number {
  const pacedUntil = model.failures.length >= 10 ? model.lastBeganAt + 20 : 0
  return Math.max(pausedUntil(model), pacedUntil)
}

function cap(model: Model, maxInFlight: number): number {
  return model.opened.length > 0 ? 1 : Math.max(1, Math.floor(maxInFlight * model.share))
}

/** The change that is to be told; the model learns from the outcome. */
function recorded(model: Model, circuit: CircuitRules, outcome: Outcome): object {
  if (outcome.kind === 'accepted') {
    const recovered = model.opened.length > 0 || blamed(model) >= 10
    Object.assign(model, { opened: [], failures: [], share: Math.min(1, model.share + 0.05) })
    return { kind: recovered ? 'recovered' : 'none' }
  }
  const isBlamed = outcome.kind !== 'unreachable' || !['proxy', 'credentials', 'ours'].includes(outcome.fault)
  model.failures.push({ blamed: isBlamed })
  if (!isBlamed) return { kind: 'none' }
  const isSlow = outcome.kind === 'overloaded' || outcome.errorClass === 'timeout'
  if (isSlow) model.share = Math.max(model.share / 2, 0.001)
  if (outcome.kind === 'overloaded' && outcome.notBefore !== undefined) {
    model.pauses.push(outcome.notBefore)
    return { kind: 'paused', until: outcome.notBefore, reason: 'retry_after' }
  }
  const told = { kind: blamed(model) === 10 ? 'failing' : 'none' }
  if (circuit.failures === 0) return told
  if (model.now < pausedUntil(model)) return { kind: 'none' }
  if (model.opened.length === 0 && blamed(model) < circuit.failures) return told
  const openedHere = model.opened.filter(({ here }) => here).length
  const until = model.now + Math.min(circuit.cooldownMs * 2 ** openedHere, circuit.cooldownMs * 10)
  model.pauses.push(until)
  model.opened.push({ here: true })
  return { kind: 'paused', until, reason: 'circuit_open' }
}

/** The outcome as it is at that moment: what a receiver asks for is a time from now. */
function outcomeAt(now: number, { outcome, askedMs }: Extract<Step, { kind: 'outcome' }>): Outcome {
  return outcome.kind === 'overloaded' && askedMs !== undefined
    ? { ...outcome, notBefore: now + askedMs }
    : outcome
}

const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(1, 10, 20, 999, 1000, 1001, 5000, 40_000),
  }),
  fc.constant({ kind: 'begin' as const }),
  { weight: 3, arbitrary: fc.constant({ kind: 'wait until it opens' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('outcome' as const),
      outcome: fc.oneof(fc.constant(accepted), {
        weight: 5,
        arbitrary: fc.constantFrom(
          refused(),
          gone,
          overloaded(),
          unreachable('connect'),
          unreachable('timeout'),
          unreachable('dns', 'name'),
          unreachable('proxy', 'proxy'),
          unreachable('credentials', 'credentials'),
          unreachable('proxy', 'ours'),
        ),
      }),
    }),
  },
  fc.record({
    kind: fc.constant('outcome' as const),
    outcome: fc.constant(overloaded()),
    askedMs: fc.constantFrom(1000, 2000, 60_000),
  }),
  fc.record({
    kind: fc.constant('pause' as const),
    ms: fc.constantFrom(-5, 0, 500, 3000, 60_000),
    reason: fc.constantFrom(
      'retry_after' as const,
      'circuit_open' as const,
      'order' as const,
      'ours' as const,
    ),
  }),
  fc.constant({ kind: 'resume' as const }),
)

/** Runs the steps on both, and compares what they say after each. */
function compare(circuit: CircuitRules, steps: readonly Step[]): void {
  const throttle = new ReceiverThrottle(circuit)
  const model: Model = { ...begun, pauses: [], opened: [], failures: [] }
  const subscription = aSubscription()
  for (const step of steps) {
    switch (step.kind) {
      case 'wait':
        model.now += step.ms
        break
      case 'wait until it opens':
        model.now = Math.max(model.now, opensAt(model))
        break
      case 'begin':
        throttle.begin(subscription, model.now)
        model.lastBeganAt = model.now
        break
      case 'outcome': {
        const outcome = outcomeAt(model.now, step)
        assert.deepEqual(throttle.record(outcome, model.now), recorded(model, circuit, outcome))
        break
      }
      case 'pause':
        throttle.pause(model.now + step.ms, step.reason)
        model.pauses.push(model.now + step.ms)
        if (step.reason === 'circuit_open') model.opened.push({ here: false })
        break
      case 'resume':
        throttle.resume()
        Object.assign(model, { pauses: [], opened: [], failures: [], share: 1 })
    }
    const { now } = model
    assert.equal(Math.max(now, throttle.opensAt(subscription, now)), Math.max(now, opensAt(model)))
    assert.deepEqual([throttle.cap(10), throttle.cap(1)], [cap(model, 10), cap(model, 1)])
    const isIdle =
      pausedUntil(model) <= now && model.opened.length + model.failures.length === 0 && model.share === 1
    assert.equal(throttle.isIdle(now), isIdle)
    assert.equal(Math.max(now, throttle.pausedUntil), Math.max(now, pausedUntil(model)))
  }
}

test('whatever happens to a receiver, its throttle says what all that has happened asks for', () => {
  fc.assert(
    fc.property(fc.constantFrom(...circuits), fc.array(aStep, { maxLength: 100, size: 'max' }), compare),
    {
      numRuns: 2000,
    },
  )
})
