import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { Check } from 'typebox/schema'
import { type CompiledSchema, compileSchema } from '../../src/event-types/json-schema.ts'
import { schemaLimits } from '../../src/event-types/schema-shape.ts'

interface Group {
  readonly description: string
  readonly schema: unknown
  readonly tests: readonly (readonly [description: string, data: unknown, valid: boolean])[]
}

// The tests of the standard itself; the file says where they are from.
const suite = JSON.parse(
  readFileSync(new URL('../support/json-schema-test-suite.json', import.meta.url), 'utf8'),
) as { readonly files: Readonly<Record<string, readonly Group[]>> }

function compiled(schema: unknown): CompiledSchema {
  const result = compileSchema(schema)
  assert.ok(result.kind === 'compiled', JSON.stringify(result))
  return result.schema
}

function refusals(schema: unknown): readonly string[] {
  const result = compileSchema(schema)
  assert.equal(result.kind, 'refused')
  return result.kind === 'refused' ? result.errors.map(({ pointer }) => pointer) : []
}

const pointersOf = (schema: unknown, value: unknown) =>
  compiled(schema)
    .faults(value)
    .map(({ pointer }) => pointer)

/** What is refused of the suite on purpose: resources of their own, other dialects, long names of Unicode properties. */
const refusedOnPurpose = /"\$id"|"\$ref":"(?!#)|\\\\p\{Letter\}/

for (const [name, groups] of Object.entries(suite.files)) {
  test(`the standard's own tests of ${name} pass`, () => {
    const wrong: string[] = []
    let checked = 0
    for (const { description, schema, tests } of groups) {
      const result = compileSchema(schema)
      if (result.kind === 'refused') {
        if (!refusedOnPurpose.test(JSON.stringify(schema)))
          wrong.push(`${description}: ${JSON.stringify(result.errors)}`)
        continue
      }
      for (const [what, data, valid] of tests) {
        checked++
        if ((result.schema.faults(data).length === 0) !== valid) wrong.push(`${description}: ${what}`)
      }
    }
    assert.deepEqual(wrong, [])
    assert.ok(checked > 0 || ['dynamicRef', 'defs'].includes(name), 'something was checked')
  })
}

test('faults are named where they are, all of them, with a sentence', () => {
  const schema = {
    type: 'object',
    required: ['id', 'lines'],
    properties: {
      id: { type: 'string', pattern: '^o-' },
      lines: { type: 'array', items: { properties: { count: { type: 'integer', minimum: 1 } } } },
      'a/b': { type: 'null' },
    },
    additionalProperties: false,
  }
  const value = { id: 'x', lines: [{ count: 0 }, { count: 'two' }], 'a/b': 1, more: true }
  assert.deepEqual(compiled(schema).faults(value), [
    { pointer: '/id', detail: 'Give a text that matches ^o-' },
    { pointer: '/lines/0/count', detail: 'Give a number of at least 1.' },
    { pointer: '/lines/1/count', detail: 'Give a whole number.' },
    { pointer: '/a~1b', detail: 'Give null.' },
    { pointer: '/more', detail: 'Nothing is allowed here. Leave it out.' },
  ])
  assert.deepEqual(pointersOf(schema, {}), ['/id', '/lines'])
  const many = Array.from({ length: 100 }, () => 'x')
  assert.equal(compiled({ items: { type: 'null' } }).faults(many).length, 20)
})

test('a schema that is none is refused at the place of its mistake', () => {
  for (const [schema, pointer] of [
    [{ type: 'strin' }, '/type'],
    [{ properties: { a: { minimum: '1' } } }, '/properties/a/minimum'],
    [{ exclusiveMinimum: true }, '/exclusiveMinimum'],
    [{ items: [{}] }, '/items'],
    [{ allOf: [] }, '/allOf'],
    [{ required: 'a' }, '/required'],
    [{ maxLength: -1 }, '/maxLength'],
    [{ maximum: { $data: '1/max' } }, '/maximum'],
    [{ not: 5 }, '/not'],
    [{ $ref: 'https://example.com/schema.json' }, '/$ref'],
    [{ $ref: 'other.json#/a' }, '/$ref'],
    [{ $ref: '#/$defs/none' }, '/$ref'],
    [{ $ref: '#nowhere' }, '/$ref'],
    [{ $ref: '#/%' }, '/$ref'],
    [{ $schema: 'http://json-schema.org/draft-07/schema#' }, '/$schema'],
    [{ $defs: { a: { $id: 'https://example.com/a' } } }, '/$defs/a/$id'],
    [{ $defs: { a: { $anchor: 'x' }, b: { $anchor: 'x' } } }, '/$defs/a/$anchor'],
    [{ pattern: '(' }, '/pattern'],
    [{ pattern: '(?=a)b' }, '/pattern'],
    [{ pattern: '(a)\\1' }, '/pattern'],
    [{ patternProperties: { '(?<!a)b': {} } }, '/patternProperties/(?<!a)b'],
    [7, ''],
    ['string', ''],
    [[], ''],
  ] as const) {
    assert.deepEqual(refusals(schema), [pointer], JSON.stringify(schema))
  }
})

test('what would make too much work to compile is refused', () => {
  const nested = (depth: number) => JSON.parse(`${'{"items":'.repeat(depth)}{}${'}'.repeat(depth)}`)
  assert.equal(compileSchema(nested(schemaLimits.depth - 1)).kind, 'compiled')
  assert.deepEqual(refusals(nested(schemaLimits.depth)), [''])
  assert.deepEqual(refusals(nested(5_000)), [''])
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, { type: 'null' }]))
  assert.equal(compileSchema({ properties: fields(999) }).kind, 'compiled')
  assert.deepEqual(refusals({ properties: fields(1000) }), [''])
  assert.deepEqual(refusals({ description: 'x'.repeat(schemaLimits.chars) }), [''])
  const patterns = Array.from({ length: 51 }, (_, index) => ({ pattern: `^${index}$` }))
  assert.deepEqual(refusals({ anyOf: patterns }), ['/anyOf/50/pattern'])
  assert.deepEqual(refusals({ pattern: 'a'.repeat(501) }), ['/pattern'])
  assert.deepEqual(refusals({ pattern: '((a{0,100}){0,100}){0,100}' }), ['/pattern'])
  const heavy = Array.from({ length: 20 }, () => ({ pattern: '((a{0,30}){0,30})' }))
  assert.ok(refusals({ anyOf: heavy }).length > 5)
})

test('a schema that leads back to itself for the same value is refused', () => {
  assert.deepEqual(refusals({ $ref: '#' }), [''])
  assert.deepEqual(refusals({ $dynamicAnchor: 'a', anyOf: [{ $dynamicRef: '#a' }] }), [''])
  const ring = { $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } } }
  assert.equal(refusals({ ...ring, $ref: '#/$defs/a' }).length, 1)
  assert.equal(compileSchema({ properties: { parent: { $ref: '#' } } }).kind, 'compiled')
})

/** Of the processor, in milliseconds: other programs do not count. */
const patienceMs = 1000

function inTime<T>(what: string, work: () => T): T {
  const from = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(from)
  const tookMs = (user + system) / 1000
  if (process.env.SHOW_TIMES) console.log(`${Math.round(tookMs)} ms: ${what}`)
  assert.ok(tookMs < patienceMs, `${what} took ${Math.round(tookMs)} ms`)
  return result
}

const tooMuch = [{ pointer: '', detail: /too much work/ }] as const

function assertTooMuch(schema: unknown, value: unknown, what: string): void {
  const faults = inTime(what, () => compiled(schema).faults(value))
  assert.equal(faults.length, 1, what)
  assert.equal(faults[0]?.pointer, tooMuch[0].pointer)
  assert.match(faults[0]?.detail ?? '', tooMuch[0].detail, what)
}

test('no schema and no payload holds up the process', () => {
  // Thirty schemas, each of which asks for the next one twice: 2^30 evaluations.
  const doubling = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => {
      const next = { $ref: `#/$defs/s${index + 1}` }
      return [`s${index}`, { anyOf: [next, next] }]
    }),
  )
  assertTooMuch({ $ref: '#/$defs/s0', $defs: { ...doubling, s30: false } }, 1, 'doubling references')
  const lists = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
  const twice = { items: { anyOf: [{ $ref: '#' }, { $ref: '#' }] }, minItems: 1 }
  assertTooMuch(twice, lists(40), 'recursion that doubles at each level')
  const dynamic = { $dynamicAnchor: 'n', items: { oneOf: [{ $dynamicRef: '#n' }, { $dynamicRef: '#n' }] } }
  assertTooMuch(dynamic, lists(100), 'dynamic recursion that doubles')
  assertTooMuch({ items: { $ref: '#' } }, lists(100_000), 'a payload that is far too deep')
  assertTooMuch({ uniqueItems: true }, lists(100_000), 'the same where items are compared')
  assertTooMuch({ enum: [[]] }, [lists(100_000)], 'the same where values are compared')
  const objects = Array.from({ length: 100_000 }, (_, index) => ({ a: { b: [index, 'x'] } }))
  assertTooMuch({ uniqueItems: true }, objects, 'many unique objects')
  const wide = Array.from({ length: 900 }, () => ({ required: ['a', 'b'] }))
  assertTooMuch({ contains: { anyOf: wide } }, objects, 'many alternatives for many items')
  const names = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`name-${index}`, 1]))
  const patterns = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`^(a+)+${index}$`, {}]))
  assertTooMuch({ patternProperties: patterns }, names, 'many patterns for many names')
  const unevaluated = {
    allOf: Array.from({ length: 200 }, () => ({ properties: { a: true }, additionalProperties: true })),
  }
  assertTooMuch(
    { ...unevaluated, unevaluatedProperties: false },
    names,
    'many names that are evaluated often',
  )
})

test('patterns that take other engines hours take linear time, or are too much work', () => {
  for (const [pattern, text] of [
    ['^(a+)+$', `${'a'.repeat(20_000)}!`],
    ['^(a|a)*$', `${'a'.repeat(20_000)}!`],
    ['^([a-zA-Z0-9]+\\s?)*$', `${'aB3 '.repeat(5000)}!`],
    ['(.*)*(.*)*(.*)*=', 'x'.repeat(10_000)],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(10_000)],
  ] as const) {
    assert.deepEqual(
      inTime(pattern, () => pointersOf({ pattern }, text)),
      [''],
      pattern,
    )
  }
  assertTooMuch({ pattern: '(a?){200}a{200}' }, 'a'.repeat(1_000_000), 'a large pattern on a large text')
  assertTooMuch({ pattern: '(?:a|b)*a(?:a|b){300}$' }, 'abba'.repeat(250_000), 'a pattern with many states')
})

test('formats of long texts take no time', () => {
  for (const format of ['email', 'uri', 'hostname', 'date-time', 'uuid', 'ipv6', 'duration']) {
    for (const part of ['a', 'a.', 'a@', '"\\', '::', '%61', '-', '9']) {
      const text = part.repeat(500_000)
      assert.deepEqual(
        inTime(`${format} of ${part}`, () => pointersOf({ format }, text)),
        [''],
      )
    }
  }
})

test('ordinary payloads are far from the limits', () => {
  const order = {
    type: 'object',
    required: ['id'],
    properties: {
      id: { type: 'string', maxLength: 50 },
      at: { format: 'date-time' },
      total: { type: 'number', minimum: 0 },
    },
  }
  const one = { id: 'order-1', at: '2026-01-31T12:00:00Z', total: 1.5, note: 'x'.repeat(20) }
  const list = Array.from({ length: 10_000 }, () => one) // 1 MB of JSON
  assert.deepEqual(pointersOf({ type: 'array', items: order }, list), [])
})

test('names of prototypes are names like others', () => {
  const schema = JSON.parse(
    '{"properties":{"__proto__":{"type":"null"},"constructor":{"type":"null"}},"additionalProperties":false}',
  )
  assert.deepEqual(pointersOf(schema, JSON.parse('{"__proto__":1}')), ['/__proto__'])
  assert.deepEqual(pointersOf(schema, JSON.parse('{"toString":1}')), ['/toString'])
  assert.deepEqual(pointersOf({ required: ['constructor'] }, {}), ['/constructor'])
  assert.deepEqual(pointersOf(schema, {}), [])
})

// A second opinion: the validator of TypeBox, on schemas made of all that the two have in common.
const value = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false, 0, 1, 1.5, -1, 'a', 'ab', 'b', ''),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
  ),
})).value

const schemas = fc.letrec(tie => {
  const inner = tie('schema')
  const list = fc.array(inner, { minLength: 1, maxLength: 3 })
  const named = fc.dictionary(fc.constantFrom('a', 'b', 'c'), inner, { maxKeys: 3 })
  const count = fc.integer({ min: 0, max: 3 })
  const fields = {
    type: fc.constantFrom('null', 'boolean', 'number', 'integer', 'string', 'array', 'object'),
    enum: fc.array(value, { minLength: 1, maxLength: 3 }),
    const: value,
    minimum: fc.integer({ min: -1, max: 2 }),
    exclusiveMaximum: fc.integer({ min: -1, max: 2 }),
    maxLength: count,
    minLength: count,
    pattern: fc.constantFrom('^a', 'b$', '^ab?$'),
    maxItems: count,
    minItems: count,
    uniqueItems: fc.boolean(),
    maxProperties: count,
    required: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
    properties: named,
    additionalProperties: inner,
    patternProperties: fc.dictionary(fc.constantFrom('^a', 'c'), inner, { maxKeys: 2 }),
    propertyNames: inner,
    prefixItems: list,
    items: inner,
    contains: inner,
    allOf: list,
    anyOf: list,
    oneOf: list,
    not: inner,
    if: inner,
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: inner,
    else: inner,
  }
  const one = fc.record(fields, { requiredKeys: [] })
  const few = fc
    .tuple(one, fc.shuffledSubarray(Object.keys(fields), { minLength: 1, maxLength: 4 }))
    .map(([schema, kept]) =>
      Object.fromEntries(Object.entries(schema).filter(([name]) => kept.includes(name))),
    )
  return { schema: fc.oneof({ depthSize: 'small', maxDepth: 3 }, fc.boolean(), few) }
}).schema

test('it says of values what another implementation of the standard says', () => {
  fc.assert(
    fc.property(schemas, fc.array(value, { minLength: 1, maxLength: 10 }), (schema, values) => {
      const own = compiled(schema)
      for (const one of values) {
        assert.equal(own.faults(one).length === 0, Check(schema as object, one), JSON.stringify(one))
      }
    }),
    { numRuns: 300 },
  )
})
