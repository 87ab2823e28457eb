import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fifo } from '../../src/platform/fifo.ts'

test('an empty queue gives nothing, as often as it is asked', () => {
  const fifo = new Fifo<number>()
  assert.equal(fifo.shift(), undefined)
  assert.equal(fifo.shift(), undefined)
  assert.equal(fifo.peek(), undefined)
  assert.deepEqual(fifo.drain(), [])
  assert.equal(fifo.length, 0)
})

test('behaves as an array does, whatever is done to it', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('push') },
    { weight: 5, arbitrary: fc.constant('shift') },
    { weight: 1, arbitrary: fc.constant('drain') },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const fifo = new Fifo<number>()
      const model: number[] = []
      steps.forEach((name, index) => {
        if (name === 'push') {
          fifo.push(index)
          model.push(index)
        } else if (name === 'shift') assert.equal(fifo.shift(), model.shift())
        else assert.deepEqual(fifo.drain(), model.splice(0))
        assert.equal(fifo.length, model.length)
        assert.equal(fifo.peek(), model[0])
      })
    }),
  )
})

test('keeps its order over tens of thousands of items that come and go', () => {
  const fifo = new Fifo<number>()
  let out = 0
  for (let item = 0; item < 50_000; item++) {
    fifo.push(item)
    if (item % 3 > 0) assert.equal(fifo.shift(), out++)
  }
  assert.deepEqual(
    fifo.drain(),
    Array.from({ length: 50_000 - out }, (_, index) => out + index),
  )
})
