import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { readHops } from '../../src/ingest/envelope.ts'

const ours = 'webhook-delivery-service/1.2.3'

test('what others send has come through no delivery, whatever it says', () => {
  assert.equal(readHops({}), 0)
  assert.equal(readHops({ 'user-agent': 'curl/8.0', 'webhook-hop': '99' }), 0)
})

test('a delivery of ours counts as one more than it says', () => {
  assert.equal(readHops({ 'user-agent': ours }), 1)
  assert.equal(readHops({ 'user-agent': ours, 'webhook-hop': '1' }), 2)
  assert.equal(readHops({ 'user-agent': ours, 'webhook-hop': '4' }), 5)
  for (const odd of ['', 'x', '-3', '1.5'])
    assert.equal(readHops({ 'user-agent': ours, 'webhook-hop': odd }), 1, odd)
})

test('the sixth time it is refused', () => {
  for (const told of ['5', '6', '1000000']) {
    assert.throws(
      () => readHops({ 'user-agent': ours, 'webhook-hop': told }),
      (error: unknown) => error instanceof AppError && error.code === 'forbidden',
    )
  }
})
