import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subscription, SubscriptionFigures } from '../../../../../ui/src/api/schema.ts'
import { countDead, worstFirst } from '../../../../../ui/src/screens/overview/worst-first.ts'

const figures = (subscription_id: number, retrying = 0) =>
  ({ subscription_id, retrying }) as SubscriptionFigures // nothing else of them is asked for
const unwell = (states: Readonly<Record<number, Subscription['state']>>) =>
  new Map(
    Object.entries(states).map(([id, state]) => [Number(id), { id: Number(id), state } as Subscription]),
  )

test('those whose state says so come first, then what is retried, then dead letters; the others are in no trouble', () => {
  const found = worstFirst(
    [figures(1), figures(2, 3), figures(3, 7), figures(4), figures(5), figures(6, 1), figures(7)],
    unwell({ 5: 'circuit_open', 6: 'degraded', 7: 'disabled' }),
    new Map([[4, 2]]),
  )
  assert.deepEqual(
    found.map(trouble => trouble.figures.subscription_id),
    [7, 5, 6, 3, 2, 4],
  )
})

test('a subscription is listed once, by its freshest figures, though these were read at different times', () => {
  const found = worstFirst([figures(8, 50), figures(9), figures(8)], unwell({ 8: 'circuit_open' }), new Map())
  assert.deepEqual(
    found.map(trouble => [trouble.figures.subscription_id, trouble.figures.retrying]),
    [[8, 50]],
  )
})

test('a dead letter is counted for its subscription, and not when it is older than what is shown', () => {
  const at = (subscription_id: number, last_attempt_at: string | null) => ({
    subscription_id,
    last_attempt_at,
  })
  const rows = [
    at(1, '2026-01-31T12:00:00Z'),
    at(1, '2026-01-31T11:00:00Z'),
    at(2, '2026-01-31T09:00:00Z'),
    at(2, null),
  ]
  assert.deepEqual([...countDead(rows, Date.parse('2026-01-31T10:00:00Z'))], [[1, 2]])
  assert.deepEqual([...countDead(undefined, 0)], [])
})
