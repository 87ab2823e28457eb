import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { depthMax, JsonScanner, ScanError, type ScannedItem } from '../../src/publish/json-scanner.ts'
import { anyCodePoint } from '../support/any-text.ts'

/** Cuts bytes at these places. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

function scan(
  chunks: readonly Buffer[],
  text: 'array' | 'value' = 'array',
  itemBytesMax = 1_000_000,
): readonly ScannedItem[] {
  const items: ScannedItem[] = []
  const scanner = new JsonScanner({ text, itemBytesMax, onItem: item => items.push(item) })
  for (const chunk of chunks) scanner.push(Buffer.from(chunk))
  scanner.end()
  return items
}

const textOf = (item: ScannedItem | undefined) => item?.bytes?.toString() ?? ''

/** The names and values of an item, each read as JSON from where it stands. */
function membersOf(item: ScannedItem): readonly (readonly [string, unknown])[] {
  const at = ({ start, end }: { start: number; end: number }) =>
    JSON.parse(item.bytes?.subarray(start, end).toString() ?? '')
  return item.members.map(({ name, value }) => [at(name), at(value)])
}

function accepts(text: string): boolean {
  try {
    scan([Buffer.from(text)], 'value')
    return true
  } catch (error) {
    assert.ok(error instanceof ScanError, String(error))
    return false
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** White space where JSON allows it, so that the bytes of a value are not those of JSON.stringify. */
const space = fc.constantFrom('', ' ', '\n', '\r\n', '\t  ')
const anyText = fc.string({ unit: anyCodePoint, maxLength: 12 })
const anyJson = fc.oneof(
  fc.json(),
  fc.json().map(text => JSON.stringify(JSON.parse(text), null, 3)),
  anyText.map(text => JSON.stringify(text)),
  fc.constantFrom(
    '1e400',
    '-0',
    '0.1E-7',
    '123456789012345678901234567890',
    '"\\ud800"',
    '"\\u00e9\\n"',
    '{"a":1,"a":2}',
  ),
)

test('of an array cut anywhere each value is found, byte for byte as it stands there', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(space, anyJson, space)), fc.array(fc.nat()), (parts, places) => {
      const bytes = Buffer.from(`[${parts.map(part => part.join('')).join(',')}]`)
      const items = scan(cut(bytes, places))
      assert.deepEqual(
        items.map(textOf),
        parts.map(([, value]) => value),
      )
    }),
    { numRuns: 500 },
  )
})

test('of an object each member is found, and its value is byte for byte what stands there', () => {
  const member = fc.tuple(space, anyText, space, space, anyJson, space)
  fc.assert(
    fc.property(fc.array(member, { maxLength: 20 }), fc.array(fc.nat()), (parts, places) => {
      const text = parts.map(
        ([a, name, b, c, value, d]) => `${a}${JSON.stringify(name)}${b}:${c}${value}${d}`,
      )
      const bytes = Buffer.from(`[ {${text.join(',')}}\n]`)
      const [item] = scan(cut(bytes, places))
      assert.ok(item?.isObject)
      assert.deepEqual(
        item.members.map(({ value }) => item.bytes?.subarray(value.start, value.end).toString()),
        parts.map(([, , , , value]) => value),
      )
      assert.deepEqual(
        membersOf(item).map(([name]) => name),
        parts.map(([, name]) => name),
      )
    }),
    { numRuns: 500 },
  )
})

test('it accepts what JSON.parse accepts, and nothing else', () => {
  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '\\',
      '\\u00',
      '\\n',
      ' ',
      '\n',
      '\u0000',
      '\u001f',
      'é',
      '\u00a0',
      '\ufeff',
    ],
    ...[
      'true',
      'nul',
      'null',
      'false',
      '-',
      '+',
      '.',
      '0',
      '00',
      '1',
      '9',
      'e',
      'E',
      '1e5',
      '1.',
      '.5',
      'NaN',
      '//',
      "'",
    ],
  )
  const almost = fc.array(pieces, { maxLength: 8 }).map(parts => parts.join(''))
  const broken = fc
    .tuple(anyJson, fc.nat(), fc.nat(), pieces)
    .map(([text, at, length, piece]) => {
      const from = at % (text.length + 1)
      return text.slice(0, from) + piece + text.slice(from + (length % 3))
    })
    .filter(text => text.isWellFormed())
  fc.assert(
    fc.property(fc.oneof(almost, broken, anyJson), text => {
      assert.equal(accepts(text), parses(text), text)
    }),
    { numRuns: 5000 },
  )
})

test('it says where a text is no JSON, counted over all chunks', () => {
  const faults = [
    ['[{"a":1},{"a" 2}]', 14, /'2'/],
    ['[1,]', 3, /'\]'/],
    ['[1] x', 4, /'x'/],
    ['{"a":1}', 0, /not an array/],
    ['["a\nb"]', 3, /control character/],
    ['["\\x"]', 3, /escape/],
    ['[1', 2, /too early/],
    ['', 0, /too early/],
  ] as const
  for (const [text, at, words] of faults) {
    for (const chunks of [[Buffer.from(text)], [...Buffer.from(text)].map(byte => Buffer.from([byte]))]) {
      assert.throws(
        () => scan(chunks),
        (error: unknown) => error instanceof ScanError && error.at === at && words.test(error.message),
        text,
      )
    }
  }
})

test('it goes as deep as it says, and not deeper', () => {
  const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))
  scan([nested(depthMax)], 'value')
  assert.throws(() => scan([nested(depthMax + 1)], 'value'), ScanError)
})

test('an item that is too long is passed over, whatever the chunks, and those beside it are found', () => {
  const long = JSON.stringify({ a: 'x'.repeat(100) })
  const bytes = Buffer.from(`[1, ${long}, {"b":2}]`)
  for (const size of [1, 7, 60, 500]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    )
    const items = scan(chunks, 'array', 50)
    assert.deepEqual(
      items.map(item => item.bytes?.toString()),
      ['1', undefined, '{"b":2}'],
    )
  }
})

test('the members of an item beyond those it may have are not kept', () => {
  const text = `{${Array.from({ length: 40 }, (_, n) => `"a${n}":${n}`).join(',')}}`
  const [item] = scan([Buffer.from(text)], 'value')
  assert.equal(item?.members.length, 32)
  assert.equal(item?.hasMoreMembers, true)
})

test('a chunk that is used again for other bytes does not change an item', () => {
  const items: ScannedItem[] = []
  const scanner = new JsonScanner({ text: 'array', itemBytesMax: 100, onItem: item => items.push(item) })
  const chunk = Buffer.from('[{"a":1},{"b"')
  scanner.push(chunk)
  const kept = textOf(items[0])
  chunk.fill(0x20, 0, 9)
  assert.equal(textOf(items[0]), kept)
})
