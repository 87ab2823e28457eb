import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { AppError } from '../../src/errors.ts'
import { fakeClock, noon } from '../support/clock.ts'

function ownTime(t: TestContext) {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  return (ms: number) => {
    now += ms
  }
}

test('nothing is under way: all is written up to now', () => {
  const clock = fakeClock()
  const unwritten = new Unwritten(clock)
  unwritten.on(() => Number.POSITIVE_INFINITY)
  clock.advance(5)
  assert.equal(unwritten.oldest(), noon + 5)
})

test('the oldest of what is under way counts, of whichever part', async () => {
  const clock = fakeClock()
  const unwritten = new Unwritten(clock)
  let part = noon + 3
  unwritten.on(() => part)
  const { promise, resolve } = Promise.withResolvers<void>()
  const work = unwritten.during(() => promise)
  clock.advance(10)
  assert.equal(unwritten.oldest(), noon)
  resolve()
  await work
  assert.equal(unwritten.oldest(), noon + 3)
  part = Number.POSITIVE_INFINITY
  assert.equal(unwritten.oldest(), noon + 10)
})

test('work that failed has written nothing; where the answer was lost it may still be written, for a while', async t => {
  const pass = ownTime(t)
  const clock = fakeClock()
  const unwritten = new Unwritten(clock)
  const fails = (error: Error) => assert.rejects(unwritten.during(() => Promise.reject(error)))
  await fails(new Error('refused'))
  clock.advance(10)
  assert.equal(unwritten.oldest(), noon + 10)
  await fails(new AppError('database_unavailable', 'no answer'))
  clock.advance(10)
  pass(11_000)
  assert.equal(unwritten.oldest(), noon + 10)
  pass(2000)
  assert.equal(unwritten.oldest(), noon + 20)
})

test('what was given up may be written for as long as was said', t => {
  const pass = ownTime(t)
  const clock = fakeClock()
  const unwritten = new Unwritten(clock)
  unwritten.unsure(noon - 7, 20_000)
  pass(19_000)
  assert.equal(unwritten.oldest(), noon - 7)
  pass(2000)
  assert.equal(unwritten.oldest(), noon)
})
