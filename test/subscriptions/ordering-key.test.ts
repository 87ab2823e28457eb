import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FilterInput } from '../../src/filters/event-fields.ts'
import {
  orderingKeyBytesMax,
  orderingKeyOf,
  orderingKeyPattern,
  orderingKeysOf,
  parseOrderingKey,
} from '../../src/subscriptions/ordering-key.ts'
import { aSubscription } from '../support/subscription.ts'

function keyOf(rule: string, changes: Partial<FilterInput> = {}): string | null {
  assert.match(rule, new RegExp(orderingKeyPattern))
  return orderingKeyOf(parseOrderingKey(rule), {
    ...{ eventType: null, payload: undefined, headers: {}, metadata: {} },
    ...changes,
  })
}

test('a key stands in the payload, in a header, in the metadata, or is the subject of CloudEvents', () => {
  const payload = { customer: { id: 'c-7' }, items: [{ sku: 12 }], subject: 'from the payload' }
  assert.equal(keyOf('payload.customer.id', { payload }), 'c-7')
  assert.equal(keyOf('payload.items.0.sku', { payload }), '12')
  assert.equal(keyOf('headers.X-Order', { headers: { 'x-order': '9' } }), '9')
  assert.equal(keyOf('metadata.project', { metadata: { project: 'p' } }), 'p')
  assert.equal(keyOf('subject', { payload }), 'from the payload')
  assert.equal(keyOf('subject', { payload, headers: { 'ce-subject': 'from the header' } }), 'from the header')
})

test('texts, numbers and booleans are keys; what is anything else, or nothing, is in no order', () => {
  const found = (value: unknown) => keyOf('payload.key', { payload: { key: value } })
  assert.deepEqual(['a', 7, 1.5, true, false].map(found), ['a', '7', '1.5', 'true', 'false'])
  assert.deepEqual(['', null, undefined, {}, ['a']].map(found), [null, null, null, null, null])
  assert.equal(keyOf('payload.key', { payload: 'text' }), null)
  assert.equal(keyOf('payload.key'), null, 'a payload that is no JSON')
  assert.equal(keyOf('payload.constructor.name', { payload: {} }), null, 'what an object inherits')
  assert.equal(keyOf('metadata.toString', { metadata: {} }), null)
})

test('a long key, or one that cannot be stored, is kept as its hash: the same key has the same', () => {
  const fits = 'k'.repeat(orderingKeyBytesMax)
  assert.equal(keyOf('payload.key', { payload: { key: fits } }), fits)
  for (const key of [`${fits}k`, 'é'.repeat(orderingKeyBytesMax / 2 + 1), 'a\0b']) {
    const hashed = keyOf('payload.key', { payload: { key } })
    assert.match(hashed ?? '', /^sha256:[0-9a-f]{64}$/)
    assert.equal(hashed, keyOf('payload.key', { payload: { key } }))
  }
})

test('of other words none is an ordering key', () => {
  const pattern = new RegExp(orderingKeyPattern)
  for (const rule of [
    '',
    'payload',
    'payload.',
    'payload..a',
    'payload.a..b',
    'headers.a b',
    'headers.',
    'id',
    'Subject',
  ])
    assert.doesNotMatch(rule, pattern, rule)
})

test('an event is read only where a subscription orders by key, and parsed once for all that do', () => {
  const plain = aSubscription({ id: 1 })
  assert.equal(
    orderingKeysOf([plain], () => assert.fail('it was read')),
    undefined,
  )
  const ordered = [2, 3].map(id => aSubscription({ id, orderingKey: parseOrderingKey('payload.id') }))
  const other = aSubscription({ id: 4, orderingKey: parseOrderingKey('metadata.none') })
  const payload = Buffer.from('{"id":5}')
  const keys = orderingKeysOf([plain, ...ordered, other], () => ({
    ...{ eventType: null, payload, headers: {}, metadata: null },
  }))
  assert.deepEqual(keys && [...keys], [
    [2, '5'],
    [3, '5'],
  ])
})
