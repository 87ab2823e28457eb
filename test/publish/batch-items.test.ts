import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import { type BatchFormat, batchItemsMax, itemReader, type RawItem } from '../../src/publish/batch-items.ts'

function read(format: BatchFormat, text: string | Buffer, chunkBytes = 1_000_000, itemBytesMax = 10_000) {
  const reader = itemReader(format, itemBytesMax)
  const bytes = Buffer.from(text)
  for (let from = 0; from < bytes.length; from += chunkBytes)
    reader.push(bytes.subarray(from, from + chunkBytes))
  return reader.end()
}

/** An item as texts; an error by its code. */
function shown(item: RawItem): unknown {
  if (item instanceof AppError) return item.code
  return Object.fromEntries([...item].map(([name, value]) => [name, value.toString()]))
}

const code = (wanted: string) => (error: unknown) => error instanceof AppError && error.code === wanted

test('the bytes of a payload are those of the body: spaces, order of keys, escapes and numbers', () => {
  const payload = '{ "z":1.0,  "a": 1e400,\t"é":"\\u00e9\\ud83d\\ude00 😀", "a":[ ] }'
  for (const size of [1, 3, 1000]) {
    const [inArray] = read('array', `[ {"event_type":"x","payload" : ${payload} } ]`, size)
    const [inLine] = read('lines', `  {"payload":${payload}}  `, size)
    for (const item of [inArray, inLine]) {
      assert.ok(item instanceof Map)
      assert.equal(item.get('payload')?.toString(), payload)
    }
  }
})

test('lines may end with CR LF, be empty, begin with a byte order mark, and the last one may lack its end', () => {
  const text = '\ufeff{"payload":1}\r\n\r\n\n  \t\n{"payload":2}\n{"payload":3}'
  for (const size of [1, 2, 5, 1000]) {
    assert.deepEqual(
      read('lines', text, size).map(shown),
      [1, 2, 3].map(payload => ({ payload: `${payload}` })),
    )
  }
})

test('an array may begin with a byte order mark, and be empty', () => {
  for (const size of [1, 2, 1000]) {
    assert.deepEqual(read('array', '\ufeff [{"payload":1}]', size).map(shown), [{ payload: '1' }])
    assert.deepEqual(read('array', '[ ]', size), [])
  }
  assert.deepEqual(read('lines', ''), [])
})

test('a line that is no JSON, or not an object, fails alone', () => {
  const text = [
    '{"payload":1}',
    '{"payload":',
    '[1]',
    '7',
    '{"payload":1} {"payload":2}',
    '{"payload":2}',
  ].join('\n')
  assert.deepEqual(read('lines', text).map(shown), [
    { payload: '1' },
    'malformed_json',
    'validation_failed',
    'validation_failed',
    'malformed_json',
    { payload: '2' },
  ])
})

test('an array that is no JSON is refused as a whole, with the place', () => {
  for (const text of [
    '[{"payload":1},]',
    '[{"payload":1}',
    '{"payload":1}',
    '',
    '[{"payload":tru}]',
    '[] []',
  ]) {
    for (const size of [1, 1000]) assert.throws(() => read('array', text, size), code('malformed_json'), text)
  }
  assert.throws(
    () => read('array', '[{"payload":1}, x]'),
    /'x' was not expected here \(after 16 bytes, item 1\)/,
  )
})

test('a field that is there twice, also by another spelling of its name, fails its item', () => {
  const [same, escaped, proto] = read(
    'array',
    '[{"payload":1,"payload":2},{"event_id":"a","event_\\u0069d":"b"},{"__proto__":{},"payload":1}]',
  )
  assert.deepEqual(
    [same, escaped].map(item => item && shown(item)),
    ['validation_failed', 'validation_failed'],
  )
  assert.ok(same instanceof AppError && same.errors?.[0]?.pointer === '/payload')
  assert.ok(proto instanceof Map && proto.has('__proto__'))
})

test('an item that is not UTF-8 fails alone', () => {
  const bad = Buffer.concat([Buffer.from('{"payload":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])
  const good = Buffer.from('{"payload":"é"}')
  const array = Buffer.concat([Buffer.from('['), bad, Buffer.from(','), good, Buffer.from(']')])
  const lines = Buffer.concat([bad, Buffer.from('\n'), good])
  for (const items of [read('array', array), read('lines', lines)]) {
    assert.deepEqual(items.map(shown), ['malformed_json', { payload: '"é"' }])
  }
})

test('an item that is too long fails alone, and none of it is kept', () => {
  const long = `{"payload":"${'x'.repeat(500)}"}`
  const fits = '{"payload":1}'
  for (const size of [1, 100, 10_000]) {
    for (const items of [
      read('array', `[${fits},${long},${fits}]`, size, 100),
      read('lines', `${fits}\n${long}\n${fits}`, size, 100),
    ]) {
      assert.deepEqual(items.map(shown), [{ payload: '1' }, 'body_too_large', { payload: '1' }])
    }
  }
})

test('a batch with more items than there may be is refused as soon as that is seen', () => {
  const items = (count: number) => Array.from({ length: count }, () => '{"payload":1}')
  assert.equal(read('array', `[${items(batchItemsMax).join(',')}]`).length, batchItemsMax)
  assert.equal(read('lines', items(batchItemsMax).join('\n')).length, batchItemsMax)
  const reader = itemReader('array', 100)
  assert.throws(
    () => reader.push(Buffer.from(`[${items(batchItemsMax + 1).join(',')}`)),
    code('body_too_large'),
  )
  assert.throws(() => read('lines', items(batchItemsMax + 1).join('\n')), code('body_too_large'))
})

test('what stands in an array and on lines is read alike, wherever it is cut', () => {
  const fields = fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.jsonValue(), { maxKeys: 6 })
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 5 }), fc.integer({ min: 1, max: 20 }), (items, size) => {
      const texts = items.map(item => JSON.stringify(item))
      const expected = items.map(item =>
        Object.fromEntries(Object.entries(item).map(([name, value]) => [name, JSON.stringify(value)])),
      )
      assert.deepEqual(read('array', `[${texts.join(',')}]`, size).map(shown), expected)
      assert.deepEqual(read('lines', texts.join('\n'), size).map(shown), expected)
    }),
  )
})
