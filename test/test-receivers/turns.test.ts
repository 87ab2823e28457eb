import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../src/test-receivers/turns.ts'

const tooMany = () => new Error('too many')

test('as many run as may, the others in order after them, and no more wait than may', async () => {
  const turns = new Turns(1, 2)
  const order: string[] = []
  const first = Promise.withResolvers<void>()
  const work = (name: string, until = Promise.resolve()) =>
    turns.take(async () => {
      order.push(name)
      await until
      return name
    }, tooMany)
  const running = work('a', first.promise)
  const waiting = [work('b'), work('c')]
  await assert.rejects(work('d'), /too many/)
  assert.deepEqual(order, ['a'])
  first.resolve()
  assert.deepEqual(await Promise.all([running, ...waiting]), ['a', 'b', 'c'])
  assert.equal(await work('e'), 'e')
  assert.deepEqual(order, ['a', 'b', 'c', 'e'])
})

test('work that fails gives its turn on', async () => {
  const turns = new Turns(1, 1)
  const failing = turns.take(() => Promise.reject(new Error('failed')), tooMany)
  const next = turns.take(async () => 'done', tooMany)
  await assert.rejects(failing, /failed/)
  assert.equal(await next, 'done')
})
