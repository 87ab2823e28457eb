import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventFields } from '../../src/filters/event-fields.ts'
import { aFilter } from '../support/filters.ts'

const fieldsOf = (payload: Buffer | string) =>
  new EventFields({ eventType: null, headers: {}, metadata: {}, payload: Buffer.from(payload) })

test('the payload is parsed once', () => {
  const fields = fieldsOf('{"a":[1]}')
  assert.deepEqual(fields.payload, { a: [1] })
  assert.equal(fields.payload, fields.payload)
})

test('a byte order mark may come before the payload', () => {
  assert.deepEqual(fieldsOf('\ufeff{"a":1}').payload, { a: 1 })
})

test('a payload that is not JSON has no fields, and is no error', () => {
  const others = [
    '',
    '{"a":1',
    '<a/>',
    'a=1&b=2',
    Buffer.from([0xff, 0xfe, 0x31, 0]),
    Buffer.from([0x22, 0xc3, 0x22]),
  ]
  for (const payload of others) {
    assert.equal(fieldsOf(payload).payload, undefined)
    assert.equal(aFilter({ payload: { a: 1 } }).matches(fieldsOf(payload)), false)
    assert.equal(aFilter({ payload: { a: { $neq: 1 } } }).matches(fieldsOf(payload)), true)
    assert.equal(aFilter({ payload: { $exist: false } }).matches(fieldsOf(payload)), true)
  }
})

test('a payload nested a hundred thousand times is filtered like others', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  assert.equal(aFilter({ payload: { a: { b: 1 } } }).matches(fieldsOf(deep)), false)
})
