import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ArrivingBody, BodyBudget } from '../../src/http/body-budget.ts'

/** Bodies that note who had to make way, in order. */
function world(bytesMax: number) {
  const budget = new BodyBudget(bytesMax)
  const gone: string[] = []
  const body = (name: string, address: string, cameAt = 0): ArrivingBody => ({
    address,
    cameAt,
    bytes: 0,
    makeWay: () => gone.push(name),
  })
  return { budget, gone, body }
}

test('while there is room nobody makes way', () => {
  const { budget, gone, body } = world(100)
  for (const name of ['a', 'b']) budget.grow(body(name, '192.0.2.1'), 50)
  assert.equal(budget.bytes, 100)
  assert.deepEqual(gone, [])
})

test('when it is full, the slowest make way until a quarter is free', () => {
  const { budget, gone, body } = world(100)
  for (const [name, cameAt] of [
    ['second', 20],
    ['slowest', 10],
    ['third', 30],
    ['fast', 40],
  ] as const) {
    budget.grow(body(name, '192.0.2.1', cameAt), 25)
  }
  budget.grow(body('newest', '192.0.2.1', 50), 25)
  assert.deepEqual(gone, ['slowest', 'second'])
  assert.equal(budget.bytes, 75)
})

test('the client that holds most makes way first, however slow others are', () => {
  const { budget, gone, body } = world(100)
  budget.grow(body('slow and small', '2001:db8::1', 0), 10)
  // Of one network, so one client.
  for (const host of [1, 2, 3]) budget.grow(body(`many ${host}`, `2001:db8:1::${host}`, host), 40)
  assert.deepEqual(gone, ['many 1', 'many 2'])
  assert.equal(budget.bytes, 50)
})

test('a body that grows beyond all bounds makes way itself', () => {
  const { budget, gone, body } = world(100)
  const large = body('large', '192.0.2.1')
  budget.grow(large, 101)
  assert.deepEqual(gone, ['large'])
  assert.deepEqual([large.bytes, budget.bytes], [0, 0])
})

test('what is released counts no more, and only once', () => {
  const { budget, body } = world(100)
  const one = body('one', '192.0.2.1')
  budget.grow(one, 60)
  budget.release(one)
  budget.release(one)
  assert.equal(budget.bytes, 0)
})
