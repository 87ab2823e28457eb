import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { readIdempotencyKey } from '../../src/http/idempotency-key.ts'

const read = (key?: string) => readIdempotencyKey(key === undefined ? {} : { 'idempotency-key': key })

test('a key is read with the quotes of a structured field, and without', () => {
  const table = [
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"8e03978e"', '8e03978e'],
    ['  a b  ', 'a b'],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['"open', '"open'],
    ['x'.repeat(255), 'x'.repeat(255)],
  ] as const
  for (const [header, key] of table) assert.equal(read(header), key)
  assert.equal(read(), null)
})

test('a key that is no name is refused, with how it must be', () => {
  for (const header of ['', '""', '" "', 'x'.repeat(256), 'é', 'a\tb']) {
    assert.throws(
      () => read(header),
      error =>
        error instanceof AppError && error.code === 'validation_failed' && /1 to 255/.test(error.message),
      header,
    )
  }
})
